namespace Wake.Contracts;

/// <summary>Guesses which known name a misspelt one means.</summary>
static class NearestName
{
    /// <summary>
    /// The known name that is fewest edits away (a letter more, less, or another; two swapped), case aside; null when
    /// none is near enough to be meant: a third of its letters at most, and no more than three.
    /// </summary>
    public static string? Of(string name, IEnumerable<string> known) =>
        known
            .Select(x => (Name: x, Edits: Edits(name.ToUpperInvariant(), x.ToUpperInvariant())))
            .Where(x => x.Edits <= Math.Clamp(x.Name.Length / 3, 1, 3) || IsPart(name, x.Name))
            .OrderBy(x => x.Edits)
            .Select(x => x.Name)
            .FirstOrDefault();

    // dedup means dedupKey, DayBudget means DayBudgetUsd.
    static bool IsPart(string name, string known) =>
        name.Length >= 4 && known.Length > name.Length && known.StartsWith(name, StringComparison.OrdinalIgnoreCase);

    // The optimal string alignment distance (https://en.wikipedia.org/wiki/Damerau–Levenshtein_distance).
    static int Edits(string a, string b)
    {
        var (before, last, now) = (
            new int[b.Length + 1],
            Enumerable.Range(0, b.Length + 1).ToArray(),
            new int[b.Length + 1]
        );
        for (var i = 1; i <= a.Length; i++)
        {
            now[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                now[j] = Math.Min(Math.Min(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    now[j] = Math.Min(now[j], before[j - 2] + 1);
            }

            (before, last, now) = (last, now, before);
        }

        return last[b.Length];
    }
}
