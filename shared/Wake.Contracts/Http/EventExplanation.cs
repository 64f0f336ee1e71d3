namespace Wake.Contracts.Http;

/// <summary>What became of an event.</summary>
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

/// <summary>Another observation of a fact that was known.</summary>
/// <param name="Id">Its own id.</param>
/// <param name="Source">Who observed it.</param>
/// <param name="At">When it was taken in.</param>
public sealed record Duplicate(string Id, string Source, DateTimeOffset At);
