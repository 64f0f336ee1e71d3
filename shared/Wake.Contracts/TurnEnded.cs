using System.Text.Json.Serialization;

namespace Wake.Contracts;

/// <summary>
/// A turn is over and will not run again. Published by the runner after the ending committed; heard by the saga, which
/// sends the next wake of the session at once if more is due. A turn that was given up to be tried later (interrupted,
/// a failing API) has not ended and publishes nothing.
/// </summary>
/// <param name="SessionId">The session that took the turn.</param>
/// <param name="WakeNumber">Which of its wakes.</param>
/// <param name="Outcome">How it ended.</param>
sealed record TurnEnded(Guid SessionId, int WakeNumber, TurnOutcome Outcome);

/// <summary>How a turn ended. Stored and shown by its name in camel case.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<TurnOutcome>))]
public enum TurnOutcome
{
    /// <summary>The session took its turn about the events.</summary>
    Completed,

    /// <summary>It took its turn until a limit of its profile stopped it: number of steps, or budget.</summary>
    LimitReached,

    /// <summary>The model or a hook of the owner refused to go on.</summary>
    Refused,

    /// <summary>It could not be run, and trying again will not help; the note on the turn says why.</summary>
    Failed,

    /// <summary>Nothing of what it was about held any longer, so it was not run.</summary>
    Stale,
}
