using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary>The ledger and what is read from it, from the store's records to those of the HTTP contract.</summary>
static class ExplanationMapping
{
    public static Contract.EventExplanation ToContract(this EventExplanation explained) =>
        new(
            explained.Summary,
            explained.Event,
            explained.AcceptedAt,
            [.. explained.Duplicates.Select(x => new Contract.Duplicate(x.Id, x.Source, x.At))],
            [.. explained.InboxEntries.Select(x => x.ToContract())],
            [.. explained.Ledger.Select(ToContract)]
        );

    public static Contract.SessionExplanation ToContract(this SessionExplanation explained) =>
        new(
            explained.Summary,
            explained.Session.ToContract(),
            [.. explained.ClaudeSessions.Select(x => new Contract.ClaudeSessionUse(x.Id, x.Reason, x.Wake, x.Since))],
            [.. explained.Watches.Select(x => x.ToContract())],
            [
                .. explained.Pending.Select(x => new Contract.PendingEvent(
                    x.Id,
                    x.Type,
                    x.Subject,
                    x.Reason,
                    x.Delivery,
                    x.RoutedAt
                )
                {
                    HeldBy = x.HeldBy,
                }),
            ],
            [.. explained.Turns.Select(x => x.ToContract())],
            [.. explained.Ledger.Select(ToContract)]
        );

    public static Contract.Collisions ToContract(this Collisions collisions) =>
        new(
            collisions.Count,
            [.. collisions.Latest.Select(x => new Contract.Collision(x.Event, x.DedupKey, x.HeldBy, x.At))]
        );

    public static Contract.LedgerLine ToContract(this LedgerLine line) =>
        new(line.At, line.What, line.Event, line.Session, line.Wake, line.Note);
}
