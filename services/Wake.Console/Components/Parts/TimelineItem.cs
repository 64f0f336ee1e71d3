using Wake.Contracts.Http;

namespace Wake.WebConsole.Components.Parts;

/// <summary>A turn with the decisions about it, or decisions about none.</summary>
/// <param name="Turn">The turn; null for none.</param>
/// <param name="Lines">The decisions, the first one first.</param>
public sealed record TimelineItem(Turn? Turn, IReadOnlyList<LedgerLine> Lines)
{
    /// <summary>Turns and decisions as one list, the newest first.</summary>
    public static List<TimelineItem> Arrange(IReadOnlyList<Turn> turns, IReadOnlyList<LedgerLine> ledger)
    {
        var known = turns.Select(x => x.Number).ToHashSet();
        var byWake = ledger.Where(x => x.Wake is { } wake && known.Contains(wake)).ToLookup(x => x.Wake!.Value);
        var items = turns.Select(x => (x.DispatchedAt, Item: new TimelineItem(x, [.. byWake[x.Number]]))).ToList();

        // What happened between two turns stands together between them.
        foreach (
            var lone in ledger
                .Where(x => x.Wake is not { } wake || !known.Contains(wake))
                .GroupBy(x => turns.Count(turn => turn.DispatchedAt <= x.At))
        )
            items.Add((lone.Last().At, new(null, [.. lone])));
        return [.. items.OrderByDescending(x => x.Item1).Select(x => x.Item)];
    }
}
