using Wake.Contracts;

namespace Wake.Store;

/// <summary>What a runner gets when it asks for a turn.</summary>
public abstract record TurnClaim
{
    /// <summary>The turn is the caller's until its lease runs out. Every attempt of a wake is granted the same
    /// events.</summary>
    /// <param name="Turn">The turn and all that is needed to run it.</param>
    public sealed record Granted(ClaimedTurn Turn) : TurnClaim;

    /// <summary>Another runner holds it.</summary>
    public sealed record Held : TurnClaim;

    /// <summary>
    /// Somebody else is at work in its Claude session. The caller watches them, keeps the hold as
    /// <see cref="TurnHolds"/> say, and asks again when they have ended.
    /// </summary>
    /// <param name="Why">Who, in words.</param>
    /// <param name="ClaudeSessionId">The Claude session.</param>
    public sealed record Withheld(string Why, Guid ClaudeSessionId) : TurnClaim;

    /// <summary>It is over. The caller says so again, in case its ending was never heard.</summary>
    /// <param name="Outcome">How it ended.</param>
    public sealed record Ended(TurnOutcome Outcome) : TurnClaim;

    /// <summary>
    /// There is no such turn to run now: it waits for its backoff or is parked, its session is paused or was closed, or
    /// it never existed.
    /// </summary>
    public sealed record NotDue : TurnClaim;
}

/// <summary>What every write about a turn must carry.</summary>
/// <param name="SessionId">The session.</param>
/// <param name="WakeNumber">Which of its wakes.</param>
/// <param name="Epoch">The fencing token of the claim.</param>
public sealed record TurnToken(Guid SessionId, int WakeNumber, long Epoch);

/// <summary>A turn its runner holds.</summary>
/// <param name="SessionId">The session.</param>
/// <param name="SessionKey">Its owner's name for it.</param>
/// <param name="WakeNumber">Which of its wakes.</param>
/// <param name="Epoch">The fencing token: every write about the turn must carry it.</param>
/// <param name="Attempt">Counts the claims of this turn from 1.</param>
/// <param name="Interruptions">How many earlier attempts ended for reasons outside the turn: their runner shut down, a
/// limit, a budget.</param>
/// <param name="LastAcknowledgedAttempt">The last attempt that the CLI answered without the turn being over; 0 when it
/// never did.</param>
/// <param name="HasSideEffects">Whether the model has called a tool in an earlier attempt that no person has looked at
/// since.</param>
/// <param name="Workspace">The directory the session works in.</param>
/// <param name="Profile">The name of its profile.</param>
/// <param name="ClaudeSession">The Claude session to go on with; null when it has none yet.</param>
/// <param name="Events">What the turn is about, in the order observed; those that expired are left out.</param>
public sealed record ClaimedTurn(
    Guid SessionId,
    string SessionKey,
    int WakeNumber,
    long Epoch,
    int Attempt,
    int Interruptions,
    int LastAcknowledgedAttempt,
    bool HasSideEffects,
    string Workspace,
    string Profile,
    ClaudeSession? ClaudeSession,
    IReadOnlyList<TurnEvent> Events
)
{
    /// <summary>By what it is held.</summary>
    public static implicit operator TurnToken(ClaimedTurn turn) => new(turn.SessionId, turn.WakeNumber, turn.Epoch);

    /// <summary>The last attempt whose runner said how it ended; 0 when none did.</summary>
    public int LastReportedAttempt { get; init; }

    /// <summary>What this wake has asked a person so far, all of it settled: an open question ends with the
    /// claim.</summary>
    public IReadOnlyList<SettledQuestion> Questions { get; init; } = [];

    /// <summary>The calls that the session may make without asking.</summary>
    public IReadOnlyList<AllowedCall> Permissions { get; init; } = [];

    /// <summary>A person has ended the turn's park, and so allowed it to exceed a budget.</summary>
    public bool BudgetOverride { get; init; }

    /// <summary>The Claude session that the session's owner had begun before they registered it; null when they had
    /// begun none.</summary>
    public Guid? RegisteredClaudeSession { get; init; }

    /// <summary>The MCP servers that the turn before had; null when that is not known.</summary>
    public IReadOnlyList<string>? McpServers { get; init; }

    /// <summary>
    /// The random part of the id of its message, the same for every attempt; null when a runner that knew of none
    /// claimed the first.
    /// </summary>
    public Guid? MessageSalt { get; init; }

    /// <summary>The W3C <c>traceparent</c> of the decision to take it, if that was traced.</summary>
    public string? TraceParent { get; init; }

    /// <summary>The <c>tracestate</c> beside it.</summary>
    public string? TraceState { get; init; }

    /// <summary>
    /// An attempt was made in a terminal: the transcript may have its message under an id that the CLI drew.
    /// </summary>
    public bool InTerminal { get; init; }

    /// <summary>
    /// Whether nothing of what it is about holds any longer, and nobody misses it when it is not run: no person waits
    /// for it, and no watch ended with what it would be told.
    /// </summary>
    public bool IsStale =>
        !BudgetOverride
        && Questions is []
        && Events.Any(x => x.Wakes)
        && Events.All(x => !x.Wakes || (x.IsOver && !x.EndsWatch));

    /// <summary>When its first attempt was claimed.</summary>
    public DateTimeOffset FirstClaimedAt { get; init; }

    /// <summary>How long the first of the events that start a turn had waited by then; null when all of them have
    /// expired.</summary>
    public TimeSpan? WakeLatency =>
        Events.Where(x => x.Wakes).Min(x => (DateTimeOffset?)x.RoutedAt) is { } first ? FirstClaimedAt - first : null;

    /// <summary>How many attempts before this one died in a row without a word.</summary>
    public int CrashedAttempts => Attempt - 1 - LastReportedAttempt;

    /// <summary>Whether an earlier attempt may have said the same message to the CLI, and died before it was
    /// answered.</summary>
    public bool MayRepeatMessage => Attempt > LastAcknowledgedAttempt + 1;
}

/// <summary>A Claude session id in use.</summary>
/// <param name="Id">The id the CLI knows.</param>
/// <param name="Opened">Whether the CLI ever opened it; if not, it is begun with this id.</param>
/// <param name="Reason">Why it came into use: <see cref="Sessions.Registered"/>, <see cref="Sessions.First"/>, or why
/// its predecessor could not be resumed.</param>
/// <param name="WakeNumber">The wake that began it; null when it was registered.</param>
public sealed record ClaudeSession(Guid Id, bool Opened, string Reason, int? WakeNumber);

/// <summary>One event as a turn is told of it.</summary>
/// <param name="Id">The producer's id.</param>
/// <param name="Source">Who observed it.</param>
/// <param name="Type">What kind of fact.</param>
/// <param name="Subject">What it is about.</param>
/// <param name="Reason">The producer's sentence; untrusted.</param>
/// <param name="Actor">Who caused it, if known.</param>
/// <param name="Time">When it happened if the producer said so, else when it was accepted.</param>
/// <param name="Wakes">False for an ambient event.</param>
/// <param name="Intent">What the session noted when it asked to be told; null when the event named the session
/// itself.</param>
public sealed record TurnEvent(
    string Id,
    string Source,
    string Type,
    string Subject,
    string Reason,
    string? Actor,
    DateTimeOffset Time,
    bool Wakes,
    string? Intent
)
{
    /// <summary>Whether Wake itself says it because a person or a session has asked for the wake, which no event can
    /// say of itself.</summary>
    public bool IsWakeRequest { get; init; }

    /// <summary>Its number in the store.</summary>
    public long Seq { get; init; }

    /// <summary>What else it is about.</summary>
    public IReadOnlyList<string> Related { get; init; } = [];

    /// <summary>Whether a watch ended with it, so that nothing else will be told for that watch.</summary>
    public bool EndsWatch { get; init; }

    /// <summary>What was said when it was asked once more before the turn; null when nobody could be asked.</summary>
    public FactCheck? Fact { get; init; }

    /// <summary>Which attempt at CI it makes this turn; null when that is not counted.</summary>
    public CiAttempt? Ci { get; init; }

    internal CiResult? CiResult { get; init; }

    /// <summary>Whether what it tells of has ended since it was observed.</summary>
    public bool IsOver => Fact is { Answer: FactAnswer.NoLonger };

    /// <inheritdoc cref="EventDetails.Link" />
    public string? Link { get; init; }

    /// <inheritdoc cref="EventDetails.Excerpt" />
    public string? Excerpt { get; init; }

    /// <inheritdoc cref="EventDetails.Data" />
    public string? Data { get; init; }

    /// <summary>What the owner says about such events to a session that begins; null when no route with words brought
    /// it.</summary>
    public string? FullPrompt { get; init; }

    /// <summary>The same to a session that remembers.</summary>
    public string? DeltaPrompt { get; init; }

    /// <summary>When it came into the session's inbox.</summary>
    public DateTimeOffset RoutedAt { get; init; }

    /// <summary>The W3C <c>traceparent</c> it came with, if any.</summary>
    public string? TraceParent { get; init; }

    /// <summary>The <c>tracestate</c> beside it.</summary>
    public string? TraceState { get; init; }

    internal TurnEvent WithDetails(EventDetails details) =>
        this with
        {
            Link = details.Link,
            Excerpt = details.Excerpt,
            Data = details.Data,
        };
}
