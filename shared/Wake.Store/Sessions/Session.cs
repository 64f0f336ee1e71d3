using Wake.Contracts;

namespace Wake.Store;

/// <summary>A session as people and programs see it.</summary>
/// <param name="Key">Its owner's name for it.</param>
/// <param name="State">What it is doing.</param>
/// <param name="Workspace">The directory it works in.</param>
/// <param name="Profile">The name of its profile.</param>
/// <param name="ClaudeSessionId">The Claude session that is resumed next; null before the first turn.</param>
/// <param name="ClaudeSessionIds">All it has had, the oldest first.</param>
/// <param name="LastTurn">Its newest turn; null when it never had one.</param>
/// <param name="Inbox">How many events wait for the next turn.</param>
/// <param name="CostUsd">What its turns have cost so far.</param>
/// <param name="CostTodayUsd">What of it was paid today, UTC.</param>
/// <param name="Created">When it was registered.</param>
/// <param name="Closed">When it was closed; null while it is open.</param>
/// <param name="WaitsFor">The question whose answer its turn waits for; null while it waits for none.</param>
public sealed record Session(
    string Key,
    SessionState State,
    string Workspace,
    string Profile,
    Guid? ClaudeSessionId,
    IReadOnlyList<Guid> ClaudeSessionIds,
    Turn? LastTurn,
    int Inbox,
    decimal CostUsd,
    decimal CostTodayUsd,
    DateTimeOffset Created,
    DateTimeOffset? Closed,
    Guid? WaitsFor
)
{
    /// <summary>The store's own id of it.</summary>
    public Guid Id { get; init; }

    /// <summary>The pauses that cover it, as one; null when none does.</summary>
    public SessionPause? Paused { get; init; }

    /// <summary>When it closes because its subject is over, unless something else wakes it; null when it does
    /// not.</summary>
    public DateTimeOffset? ClosesAt { get; init; }
}

/// <summary>What a session is doing.</summary>
public enum SessionState
{
    /// <summary>Nothing; it takes its next turn when something arrives.</summary>
    Idle,

    /// <summary>A wake is on its way and no runner holds it yet.</summary>
    Dispatched,

    /// <summary>
    /// Its turn waits until another process, such as a terminal, no longer has its Claude session open. The note on the
    /// turn says which.
    /// </summary>
    Waiting,

    /// <summary>A runner holds its turn.</summary>
    Running,

    /// <summary>Its turn waits for a person, or for a date. The note on the turn says for what.</summary>
    Parked,

    /// <summary>Its turn waits for a person to answer what it asks, and holds no runner.</summary>
    WaitingForAnswer,

    /// <summary>It takes no more turns.</summary>
    Closed,
}

/// <summary>One turn as people and programs see it.</summary>
/// <param name="Number">The wake it executes, counted per session from 1.</param>
/// <param name="State">Where it stands.</param>
/// <param name="Outcome">How it ended; null before.</param>
/// <param name="Note">What there is to say about its state or ending.</param>
/// <param name="Attempt">How often a runner has claimed it.</param>
/// <param name="Runner">The runner that claimed it last.</param>
/// <param name="ClaudeSessionId">The Claude session it ended in.</param>
/// <param name="DispatchedAt">When the wake was decided.</param>
/// <param name="StartedAt">When a runner first claimed it.</param>
/// <param name="EndedAt">When it ended.</param>
/// <param name="CostUsd">What it cost, all attempts together.</param>
/// <param name="DurationMs">How long it ran, all attempts together.</param>
/// <param name="Tokens">What the model read and wrote, all attempts together.</param>
/// <param name="Reasons">The reasons of its events, in the order observed; empty until it is claimed.</param>
public sealed record Turn(
    int Number,
    TurnState State,
    TurnOutcome? Outcome,
    string? Note,
    int Attempt,
    string? Runner,
    Guid? ClaudeSessionId,
    DateTimeOffset DispatchedAt,
    DateTimeOffset? StartedAt,
    DateTimeOffset? EndedAt,
    decimal CostUsd,
    long DurationMs,
    TokenUsage Tokens,
    IReadOnlyList<string> Reasons
)
{
    /// <summary>Set when the turn left the session's Claude session for a fresh one, which knows no more of it than a
    /// recap.</summary>
    public FreshSession? Fresh { get; init; }
}

/// <summary>A Claude session that was begun in place of another.</summary>
/// <param name="Left">The one that was left.</param>
/// <param name="Begun">The one that was begun.</param>
/// <param name="Why">Why the other could not be gone on with.</param>
public sealed record FreshSession(Guid Left, Guid Begun, string Why);

/// <summary>Where a turn stands.</summary>
public enum TurnState
{
    /// <summary>No runner holds it.</summary>
    Dispatched,

    /// <summary>It waits until another process no longer has the Claude session open; its note says which.</summary>
    Waiting,

    /// <summary>A runner holds it.</summary>
    Running,

    /// <summary>It waits for a person or a date.</summary>
    Parked,

    /// <summary>It is over.</summary>
    Ended,
}
