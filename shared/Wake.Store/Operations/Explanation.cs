using Wake.Contracts;

namespace Wake.Store;

/// <summary>Everything the store knows about what became of an event.</summary>
/// <param name="Summary">The outcome in a sentence for each session, or why there was none.</param>
/// <param name="Event">The event as it was first observed.</param>
/// <param name="AcceptedAt">When it was committed.</param>
/// <param name="Duplicates">Later observations of the same fact.</param>
/// <param name="InboxEntries">The sessions it was routed to.</param>
/// <param name="Ledger">The decisions about it and about the wakes it was handed over in, in order.</param>
public sealed record EventExplanation(
    string Summary,
    ExternalEventObserved Event,
    DateTimeOffset AcceptedAt,
    IReadOnlyList<Duplicate> Duplicates,
    IReadOnlyList<InboxEntry> InboxEntries,
    IReadOnlyList<LedgerLine> Ledger
);

/// <summary>Events that came under the dedup key of another fact.</summary>
/// <param name="Count">How many of them the store still knows.</param>
/// <param name="Latest">The latest of them.</param>
public sealed record Collisions(long Count, IReadOnlyList<Collision> Latest);

/// <summary>An event that came under the dedup key of another fact and was taken in as what it is.</summary>
/// <param name="Event">Its id.</param>
/// <param name="DedupKey">The key.</param>
/// <param name="HeldBy">The id of the event that came with it first; null when that is forgotten.</param>
/// <param name="At">When it was taken in.</param>
public sealed record Collision(string Event, string DedupKey, string? HeldBy, DateTimeOffset At);

/// <summary>Everything the store knows about why a session does what it does.</summary>
/// <param name="Summary">What it is doing, and why.</param>
/// <param name="Session">The session.</param>
/// <param name="ClaudeSessions">The Claude sessions it has had, and why each came into use.</param>
/// <param name="Watches">What it watches.</param>
/// <param name="Pending">What waits in its inbox.</param>
/// <param name="Turns">Its newest turns, the newest first.</param>
/// <param name="Ledger">The newest decisions about it, in order.</param>
public sealed record SessionExplanation(
    string Summary,
    Session Session,
    IReadOnlyList<ClaudeSessionUse> ClaudeSessions,
    IReadOnlyList<Watch> Watches,
    IReadOnlyList<PendingEvent> Pending,
    IReadOnlyList<Turn> Turns,
    IReadOnlyList<LedgerLine> Ledger
);

/// <summary>A Claude session in a session's chain.</summary>
/// <param name="Id">The id the CLI knows.</param>
/// <param name="Reason">Why it came into use.</param>
/// <param name="Wake">The wake that began it.</param>
/// <param name="Since">When.</param>
public sealed record ClaudeSessionUse(Guid Id, string Reason, int? Wake, DateTimeOffset Since);

/// <summary>An event that waits for the next turn.</summary>
/// <param name="Id">The event's id.</param>
/// <param name="Type">Its type.</param>
/// <param name="Subject">What it is about.</param>
/// <param name="Reason">Its sentence.</param>
/// <param name="Delivery">Whether it starts a turn.</param>
/// <param name="RoutedAt">Since when it waits.</param>
public sealed record PendingEvent(
    string Id,
    string Type,
    string Subject,
    string Reason,
    Delivery Delivery,
    DateTimeOffset RoutedAt
)
{
    /// <summary>The pauses that hold it, in words; null when none does.</summary>
    public string? HeldBy { get; init; }
}

/// <summary>One line of the ledger.</summary>
/// <param name="At">When it was decided, by the database's clock.</param>
/// <param name="What">The decision; the HTTP API lists the words.</param>
/// <param name="Event">The event's id, when the decision was about one.</param>
/// <param name="Session">The session's key, when it was about one.</param>
/// <param name="Wake">The wake, when it was about one.</param>
/// <param name="Note">What else there is to say.</param>
public sealed record LedgerLine(
    DateTimeOffset At,
    string What,
    string? Event,
    string? Session,
    int? Wake,
    string? Note
);
