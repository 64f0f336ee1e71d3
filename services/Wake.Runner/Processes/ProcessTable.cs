using System.Globalization;

namespace Wake.Runner;

/// <summary>The processes of this machine as Linux shows them in <c>/proc</c>. Where there is no such folder it is
/// empty.</summary>
static class ProcessTable
{
    const string Root = "/proc";

    // What the kernel counts in towards programs, whatever it counts in itself.
    const int TicksPerSecond = 100;

    // The pid namespace, such as pid:[4026531836].
    static readonly string PidNamespace = string.Concat(
        (new FileInfo($"{Root}/self/ns/pid").LinkTarget ?? "").Where(char.IsAsciiDigit)
    );

    /// <summary>This process; null where nothing can be seen.</summary>
    public static ProcessSnapshot? Self { get; } =
        Find(Environment.ProcessId) is { } self ? self with { Tag = TagOfSelf(self.Id) } : null;

    /// <summary>A mark for a new run of this process.</summary>
    /// <param name="session">The session it is of; default for one of none.</param>
    public static RunTag NewTag(Guid session = default) =>
        new(PidNamespace, Environment.ProcessId, Self?.StartTicks ?? 0, RunTag.NewRunId(session));

    /// <summary>Whether the runner that put the mark on lives, or might: another namespace cannot be judged from
    /// here.</summary>
    public static bool IsRunnerAlive(RunTag mark) =>
        mark.PidNamespace != PidNamespace
        || Find(mark.RunnerPid) is { IsZombie: false } runner && runner.StartTicks == mark.RunnerStartTicks;

    /// <summary>One process, without its mark; null when it is gone.</summary>
    public static ProcessSnapshot? Find(int id) =>
        TryReadText($"{Root}/{id}/stat") is { } stat ? ProcessSnapshot.Parse(stat) : null;

    /// <summary>All of them, without their marks.</summary>
    public static IReadOnlyList<ProcessSnapshot> All()
    {
        if (!Directory.Exists(Root))
            return [];

        var ids = Directory.EnumerateDirectories(Root).Select(Path.GetFileName).Where(x => int.TryParse(x, out _));
        return [.. ids.Select(x => Find(int.Parse(x!, CultureInfo.InvariantCulture))).OfType<ProcessSnapshot>()];
    }

    /// <summary>All of them, with the marks of those whose environment this user may read.</summary>
    public static IReadOnlyList<ProcessSnapshot> AllTagged() =>
        [.. All().Select(x => x.IsZombie ? x : x with { Tag = TagOf(x.Id) })];

    /// <summary>A time in those ticks.</summary>
    public static long ToTicks(TimeSpan time) => (long)(time.TotalSeconds * TicksPerSecond);

    /// <summary>So many of those ticks.</summary>
    public static TimeSpan FromTicks(long ticks) => TimeSpan.FromSeconds((double)ticks / TicksPerSecond);

    /// <summary>Whether a pid namespace, as the kernel names it (<c>pid:[4026531836]</c>), is this one.</summary>
    public static bool IsOwnPidNamespace(string name) => string.Concat(name.Where(char.IsAsciiDigit)) == PidNamespace;

    /// <summary>When a process was started, by the clock on the wall.</summary>
    public static DateTimeOffset StartOf(ProcessSnapshot process) =>
        DateTimeOffset.UtcNow - FromTicks(Now - process.StartTicks);

    /// <summary>This moment, as <see cref="ProcessSnapshot.StartTicks"/> counts.</summary>
    public static long Now =>
        TryReadText($"{Root}/uptime") is { } uptime
        && decimal.TryParse(uptime.Split(' ')[0], CultureInfo.InvariantCulture, out var seconds)
            ? (long)(seconds * TicksPerSecond)
            : 0;

    /// <summary>
    /// Bytes of memory held by the processes with a mark, what they share with others counted in part. Null where the
    /// kernel does not tell.
    /// </summary>
    public static long? MemoryOf(RunTag mark) => MemoryOf(x => x == mark);

    /// <summary>The same of all processes that the runs of this runner have started; zero without any.</summary>
    public static long MemoryOfOwnRuns()
    {
        var own = NewTag();
        return MemoryOf(x => x is not null && x.HasSameRunner(own)) ?? 0;
    }

    static long? MemoryOf(Func<RunTag?, bool> counts)
    {
        var lines = AllTagged()
            .Where(x => counts(x.Tag))
            .Select(x => TryReadText($"{Root}/{x.Id}/smaps_rollup"))
            .OfType<string>()
            .SelectMany(x => x.Split('\n'))
            .Where(x => x.StartsWith("Pss:", StringComparison.Ordinal))
            .ToList();

        // Pss:               12345 kB
        return lines is []
            ? null
            : lines.Sum(x =>
                long.Parse(x.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture)
            ) * 1024;
    }

    /// <summary>The mark of a process; null when it has none, or when its environment is not this user's to
    /// read.</summary>
    public static RunTag? TagOf(int id)
    {
        // First what it cannot change by itself.
        if (
            RunCgroup.IsAvailable
            && TryReadText($"{Root}/{id}/cgroup") is { } groups
            && RunCgroup.FindTag(groups) is { } held
        )
            return held;

        return TryRead($"{Root}/{id}/environ", File.ReadAllBytes) is { } environment
            ? RunTag.FindIn(environment)
            : null;
    }

    // Its environment is nobody's to read in /proc, not even its own (ProcessHardening.Apply).
    static RunTag? TagOfSelf(int id) =>
        TagOf(id) ?? (Environment.GetEnvironmentVariable(RunTag.Variable) is { } mark ? RunTag.Parse(mark) : null);

    static string? TryReadText(string file) => TryRead(file, File.ReadAllText);

    // Null when the process has ended, or is another user's. ESRCH comes as an IOException too.
    static T? TryRead<T>(string file, Func<string, T> read)
        where T : class
    {
        try
        {
            return read(file);
        }
        catch (IOException)
        {
            return null;
        }
        catch (UnauthorizedAccessException)
        {
            return TryReadAsRunUser(file, read);
        }
    }

    // What a run has started is its user's to look at, and not root's where root lacks the capability for that.
    static T? TryReadAsRunUser<T>(string file, Func<string, T> read)
        where T : class
    {
        if (RunUser.Current is null)
            return null;

        try
        {
            return RunUser.Impersonate(() => read(file));
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
