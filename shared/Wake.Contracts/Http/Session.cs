using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>A session to register.</summary>
/// <param name="Key">Its owner's name for it; unique among the open sessions.</param>
/// <param name="Workspace">The absolute path of the directory it works in, the same on every runner.</param>
/// <param name="ClaudeSessionId">The Claude session (a UUID) to go on with. Default: its first wake begins one.</param>
/// <param name="Profile">The name of its profile. Default: <c>default</c>.</param>
public sealed record NewSession(string? Key, string? Workspace, string? ClaudeSessionId, string? Profile);

/// <summary>A session.</summary>
/// <param name="Key">Its owner's name for it.</param>
/// <param name="State">What it is doing.</param>
/// <param name="Workspace">The absolute path of the directory it works in.</param>
/// <param name="Profile">The name of its profile.</param>
/// <param name="ClaudeSessionId">The Claude session that is resumed next; null before the first turn.</param>
/// <param name="ClaudeSessionIds">All Claude sessions it has had, the oldest first.</param>
/// <param name="LastTurn">Its newest turn; null when it never had one.</param>
/// <param name="Inbox">How many events wait for the next turn.</param>
/// <param name="CostUsd">What its turns have cost so far, in US dollars.</param>
/// <param name="CostTodayUsd">What of it was paid today (UTC), in US dollars.</param>
/// <param name="Created">When it was registered.</param>
/// <param name="Closed">When it was closed; null while it is open.</param>
/// <param name="WaitsFor">The id of the question whose answer its turn waits for; null while it waits for
/// none.</param>
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
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? Closed,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Guid? WaitsFor
)
{
    /// <summary>What whoever has just registered it should know, for instance what its turns will go without; null when
    /// there is nothing to say.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Notice { get; init; }

    /// <summary>What keeps it from taking turns; null when it is not paused. A turn that runs may go on.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SessionPause? Paused { get; init; }

    /// <summary>
    /// When it closes because its subject is over, if nothing of it waits or runs and nothing else has woken it by
    /// then; null when it does not by itself.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? ClosesAt { get; init; }
}

/// <summary>The sessions that were closed together.</summary>
/// <param name="Sessions">Their keys; empty when no open session belonged to the subject.</param>
public sealed record ClosedSessions(IReadOnlyList<string> Sessions);

/// <summary>A session to begin afresh.</summary>
/// <param name="Interrupt">Whether a turn that runs is stopped, and runs again afresh. Default: it ends by
/// itself.</param>
public sealed record ResetRequest(bool Interrupt = false);

/// <summary>What came of a reset.</summary>
/// <param name="Reset">Whether there was anything: a Claude session with a memory, or a turn that runs.</param>
/// <param name="ClaudeSessionId">The Claude session that is left, whose transcript is kept; null when there was none
/// yet.</param>
/// <param name="AfterWake">The wake whose turn runs, or waits for an answer; what follows it begins afresh. Null: the
/// next turn does.</param>
/// <param name="Interrupted">Whether that turn is stopped, and runs again afresh.</param>
public sealed record ResetResult(
    bool Reset,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Guid? ClaudeSessionId,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? AfterWake,
    bool Interrupted
);

/// <summary>What a session is doing.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<SessionState>))]
public enum SessionState
{
    /// <summary>Nothing; it takes its next turn when something arrives.</summary>
    Idle,

    /// <summary>A wake is on its way and no runner has claimed it yet.</summary>
    Dispatched,

    /// <summary>
    /// Its turn waits until another process, such as a terminal, no longer has its Claude session open. The note on the
    /// turn says which.
    /// </summary>
    Waiting,

    /// <summary>A runner has its turn.</summary>
    Running,

    /// <summary>Its turn waits for a person, or for a date. The note on the turn says for what.</summary>
    Parked,

    /// <summary>Its turn waits for a person to answer what it asks, and occupies no runner.</summary>
    WaitingForAnswer,

    /// <summary>It takes no more turns.</summary>
    Closed,
}
