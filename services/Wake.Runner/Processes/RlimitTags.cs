using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Wake.Runner;

/// <summary>
/// Tells which run a process belongs to after it has cleared its environment, left its session and lost its parents, by
/// a value of RLIMIT_RSS (unused by Linux since 2.4.30) that is unique per run and inherited. Whatever the runner
/// starts for itself keeps the runner's value.
/// </summary>
/// <remarks>
/// Without root nobody gets such a number back who has given it away. An orphan with neither number has taken a lower
/// one on purpose. It ends with the last run that was under way when it began. What a runner left behind that was
/// killed is known to nobody.
/// </remarks>
sealed class RlimitTags
{
    // "WAKE", and room below it for four thousand million runs, and for runners that are tools of others.
    const ulong First = 0x5741_4B45_FFFF_FFFF,
        Room = 1UL << 32;
    const int LimitOfResidentMemory = 5;

    static readonly ulong? Own = InitializeOwn();

    readonly ConcurrentDictionary<ulong, TaggedRun> running = new();

    /// <summary>Whether there is a number to tell processes apart by.</summary>
    public static bool IsAvailable => Own is not null;

    /// <summary>What goes before the command of a run, so that all of it is known. Until
    /// <see cref="Release"/>.</summary>
    public IReadOnlyList<string> CommandPrefix(RunTag run)
    {
        if (Own is not { } own)
            return [];

        ulong tag;
        do tag = own - 1 - (ulong)Random.Shared.NextInt64((long)Room);
        while (!running.TryAdd(tag, new(run, ProcessTable.Now)));

        return ["prlimit", string.Create(CultureInfo.InvariantCulture, $"--rss={tag}:{tag}")];
    }

    /// <summary>The run is over.</summary>
    public void Release(RunTag run)
    {
        foreach (var (tag, _) in running.Where(x => x.Value.Run == run))
            running.TryRemove(tag, out _);
    }

    /// <summary>The same processes, and whose those are that say nothing of themselves.</summary>
    /// <param name="all">Every process there is.</param>
    /// <param name="ending">The run that is ending, which takes along what is nobody's.</param>
    public IReadOnlyList<ProcessSnapshot> AttributeOrphans(IReadOnlyList<ProcessSnapshot> all, RunTag? ending)
    {
        if (Own is not { } own || ProcessTable.Self is not { } self || running.IsEmpty)
            return all;

        // What has parents left is found below them.
        return
        [
            .. all.Select(x =>
                IsOrphan(x, self) ? x with { Tag = RunOfOrphan(x.StartTicks, LimitOf(x.Id), own, running, ending) } : x
            ),
        ];
    }

    /// <summary>Whether a process may be one that a run has left behind, for all that can be seen of it.</summary>
    public static bool IsOrphan(ProcessSnapshot process, ProcessSnapshot runner) =>
        process is { Tag: null, IsZombie: false }
        && process.ParentId == runner.Id
        && process.KernelSession != runner.KernelSession
        && process.Id != runner.Id;

    /// <summary>The run that an orphan belongs to; null when it is the runner's own, or may be of one that still
    /// runs.</summary>
    /// <param name="started">When it started.</param>
    /// <param name="tag">Its number; null when it cannot be read.</param>
    /// <param name="own">The runner's number.</param>
    /// <param name="running">The runs, by their numbers.</param>
    /// <param name="ending">The one of them that is ending.</param>
    public static RunTag? RunOfOrphan(
        long started,
        ulong? tag,
        ulong own,
        IReadOnlyDictionary<ulong, TaggedRun> running,
        RunTag? ending
    )
    {
        // Only what is lower than the runner's comes from a run: raising it takes root.
        if (tag is not { } number || number >= own)
            return null;
        if (running.TryGetValue(number, out var known))
            return known.Run;

        // The kernel counts both in the same ticks, each cut off.
        return
            ending is not null
            && running.Values.Where(x => x.StartTicks <= started + 1).ToList() is [var only]
            && only.Run == ending
            ? ending
            : null;
    }

    // prlimit(2) asks whose process it is.
    static ulong? LimitOf(int process)
    {
        try
        {
            // Max resident set          6287667842130870271  6287667842130870271  bytes
            return
                File.ReadLines($"/proc/{process}/limits")
                    .FirstOrDefault(x => x.StartsWith("Max resident set", StringComparison.Ordinal))
                    ?.Split(' ', StringSplitOptions.RemoveEmptyEntries)
                    is [_, _, _, _, var hard, ..]
                && ulong.TryParse(hard, NumberStyles.None, CultureInfo.InvariantCulture, out var tag)
                ? tag
                : null;
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Gives this process its number, which everything inherits that it starts from now on.</summary>
    public static void SetOwnLimit() => _ = IsAvailable;

    static ulong? InitializeOwn()
    {
        if (
            !OperatingSystem.IsLinux()
            || !Environment.Is64BitProcess
            || GetLimit(LimitOfResidentMemory, out var limit) != 0
        )
            return null;

        // As a tool of a run it has that one's number, and gives lower ones.
        var own = Math.Min(limit.Hard, First);
        if (own < First / 2)
            return null;

        limit = new() { Soft = own, Hard = own };
        return SetLimit(LimitOfResidentMemory, limit) == 0 ? own : null;
    }

    [DllImport("libc", EntryPoint = "getrlimit")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int GetLimit(int resource, out Limit limit);

    [DllImport("libc", EntryPoint = "setrlimit")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int SetLimit(int resource, in Limit limit);

    struct Limit
    {
        public ulong Soft,
            Hard;
    }
}

/// <summary>A run that is under way.</summary>
/// <param name="Run">The run.</param>
/// <param name="StartTicks">When, in the kernel's ticks.</param>
sealed record TaggedRun(RunTag Run, long StartTicks);
