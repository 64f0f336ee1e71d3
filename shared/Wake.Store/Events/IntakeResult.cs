using Wake.Contracts;

namespace Wake.Store;

/// <summary>What the intake decided about one observation; durable by the time anyone reads it.</summary>
/// <param name="Id">The observation's id, as its producer named it.</param>
/// <param name="Outcome">The decision.</param>
/// <param name="Sessions">Keys of the open sessions it was routed to; empty for a duplicate, whose original
/// was.</param>
/// <param name="UnknownSessions">Keys it named that no open session has.</param>
/// <param name="DuplicateOf">The id of the observation that brought the fact first; null unless it is a
/// duplicate.</param>
public sealed record IntakeResult(
    string Id,
    IntakeOutcome Outcome,
    IReadOnlyList<string> Sessions,
    IReadOnlyList<string>? UnknownSessions,
    string? DuplicateOf
)
{
    /// <summary>The id of the event that came first with its dedup key and is another fact; null when none
    /// did.</summary>
    public string? CollidesWith { get; init; }

    /// <summary>The event's row: of a duplicate, that of the fact it repeats.</summary>
    public long Event { get; init; }

    /// <summary>What of the event was not taken as it came, in sentences; null when nothing was.</summary>
    public IReadOnlyList<string>? Warnings { get; init; }

    /// <summary>The decision about a new fact.</summary>
    /// <param name="observed">The observation.</param>
    /// <param name="sessions">The keys of the sessions it was routed to.</param>
    public static IntakeResult Create(ExternalEventObserved observed, IReadOnlyList<string> sessions) =>
        new(
            observed.Id,
            sessions is [] ? IntakeOutcome.Unwatched : IntakeOutcome.Routed,
            sessions,
            observed.Sessions?.Except(sessions).ToList() is { Count: > 0 } unknown ? unknown : null,
            null
        );
}

/// <summary>The ways an observation can be taken in.</summary>
public enum IntakeOutcome
{
    /// <summary>A new fact that belongs to at least one session.</summary>
    Routed,

    /// <summary>A new fact nobody watches; a watch that comes soon still finds it.</summary>
    Unwatched,

    /// <summary>A fact already known.</summary>
    Duplicate,
}
