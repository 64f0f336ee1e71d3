using System.Globalization;

namespace Wake.Runner;

/// <summary>A process as it was when somebody looked.</summary>
/// <param name="Id">Its number, which is another process's as soon as this one is gone.</param>
/// <param name="State">The kernel's letter.</param>
/// <param name="ParentId">Its parent, or whoever took it over.</param>
/// <param name="KernelSession">Its session in the kernel's sense: what setsid begins.</param>
/// <param name="StartTicks">In the kernel's ticks. Together with the number this is one process and no other.</param>
/// <param name="Tag">The run it says it belongs to, if any.</param>
sealed record ProcessSnapshot(int Id, char State, int ParentId, int KernelSession, long StartTicks, RunTag? Tag = null)
{
    public bool IsZombie => State is 'Z' or 'X';

    /// <summary>Reads <c>/proc/…/stat</c>; null when it is something else.</summary>
    public static ProcessSnapshot? Parse(string stat)
    {
        // The name is in brackets and may itself contain brackets and blanks.
        var (open, close) = (stat.IndexOf('('), stat.LastIndexOf(')'));
        if (open < 1 || close < open || !int.TryParse(stat.AsSpan(0, open), CultureInfo.InvariantCulture, out var id))
            return null;

        return
            stat[(close + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries)
                is [[var state], var parent, _, var session, ..] fields
            && fields.Length > 19
            && int.TryParse(parent, CultureInfo.InvariantCulture, out var parentId)
            && int.TryParse(session, CultureInfo.InvariantCulture, out var sessionId)
            && long.TryParse(fields[19], CultureInfo.InvariantCulture, out var started)
            ? new(id, state, parentId, sessionId, started)
            : null;
    }

    /// <summary>
    /// Those of <paramref name="all"/> that belong to a run and are alive: the marked ones, and those that took the
    /// mark off but are still below one of them or in its session.
    /// </summary>
    /// <param name="all">Every process there is.</param>
    /// <param name="marked">Which mark counts.</param>
    /// <param name="self">The process that looks. It never belongs to what it started, nor does its session.</param>
    public static IReadOnlyList<ProcessSnapshot> OfRuns(
        IReadOnlyList<ProcessSnapshot> all,
        Predicate<RunTag> marked,
        ProcessSnapshot self
    )
    {
        var candidates = all.Where(x => x.Id != self.Id && !x.IsZombie).ToList();
        var found = candidates.Where(x => x.Tag is { } mark && marked(mark)).ToHashSet();

        for (var before = -1; before != found.Count; )
        {
            before = found.Count;
            var ids = found.Select(x => x.Id).ToHashSet();
            var sessions = found.Select(x => x.KernelSession).Where(x => x > 0 && x != self.KernelSession).ToHashSet();
            found.UnionWith(candidates.Where(x => ids.Contains(x.ParentId) || sessions.Contains(x.KernelSession)));
        }

        return [.. found];
    }
}
