using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>A pause to begin.</summary>
/// <param name="Scope">What it covers.</param>
/// <param name="Name">The session's key, or the name of the route, profile, pool or source. Of <c>subject</c> the
/// subject, in which <c>*</c> stands for anything. Not for <c>all</c>.</param>
/// <param name="Until">When it is over, by the clock of the database. Default: when somebody ends it.</param>
/// <param name="Interrupt">Whether turns that run are stopped as well. They run again, as the same wakes, when it is
/// over. A turn in an open terminal goes on.</param>
/// <param name="Reason">Why, for people.</param>
public sealed record NewPause(
    PauseScope? Scope,
    string? Name = null,
    DateTimeOffset? Until = null,
    bool Interrupt = false,
    string? Reason = null
);

/// <summary>A pause: no turn of what it covers begins. Events are taken in all the same, and wait. One of a source or a
/// subject holds events: they wait, and others wake as ever.</summary>
/// <param name="Id">Names it.</param>
/// <param name="Scope">What it covers.</param>
/// <param name="Name">The session's key, the name of the route, profile, pool or source, or the subject; null for
/// <c>all</c>.</param>
/// <param name="Until">When it is over; null: when somebody ends it. Of a breaker: when it
/// is half-open; null while it is.</param>
/// <param name="Interrupt">Whether turns that ran were stopped as well.</param>
/// <param name="Reason">Why; null when nobody has said.</param>
/// <param name="Created">Since when.</param>
/// <param name="Sessions">How many open sessions it covers at this moment. Of a source or subject: for how many an
/// event waits that would wake.</param>
/// <param name="Running">How many turns of theirs run at this moment. Of a source or subject: how many such an event
/// woke.</param>
public sealed record Pause(
    Guid Id,
    PauseScope Scope,
    string? Name,
    DateTimeOffset? Until,
    bool Interrupt,
    string? Reason,
    DateTimeOffset Created,
    int Sessions,
    int Running
);

/// <summary>What a pause covers.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<PauseScope>))]
public enum PauseScope
{
    /// <summary>Every session.</summary>
    All,

    /// <summary>The session of a key, also when that key is registered anew.</summary>
    Session,

    /// <summary>The sessions whose keys are those that a route gives.</summary>
    Route,

    /// <summary>The sessions of a profile.</summary>
    Profile,

    /// <summary>The sessions whose profiles have a pool.</summary>
    Pool,

    /// <summary>The events of a source. A breaker's: the wakes that they alone ask for.</summary>
    Source,

    /// <summary>The events that are about a subject, or related to it.</summary>
    Subject,
}

/// <summary>What keeps a session from taking turns.</summary>
/// <param name="Ids">The pauses that cover it, the oldest first.</param>
/// <param name="Until">When the last of them is over; null: when somebody ends it.</param>
/// <param name="Reason">Why; null when nobody has said.</param>
public sealed record SessionPause(IReadOnlyList<Guid> Ids, DateTimeOffset? Until, string? Reason);
