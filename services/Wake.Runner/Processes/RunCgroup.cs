using System.Globalization;

namespace Wake.Runner;

/// <summary>
/// A cgroup for each run, named by its mark, where the kernel lets the runner make some below its own: version 2, as
/// root or as a systemd service with Delegate=yes. A tool can clean its environment; it cannot leave its group. Where
/// there are none, everything else holds.
/// </summary>
static class RunCgroup
{
    const string Prefix = "wake-run-";

    static readonly string? Own = FindOwn();

    public static bool IsAvailable => Own is not null;

    /// <summary>Puts a process into the group of its run, before it has started anything.</summary>
    public static void AddProcess(RunTag run, int process)
    {
        if (Own is null)
            return;

        try
        {
            Directory.CreateDirectory(Folder(run));
            File.WriteAllText(
                Path.Combine(Folder(run), "cgroup.procs"),
                process.ToString(CultureInfo.InvariantCulture)
            );
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            // It has ended already, or cgroup permissions were revoked. The tag in the environment remains.
        }
    }

    /// <summary>Removes the group of a run whose processes are gone.</summary>
    public static void Delete(RunTag run) => Remove(Folder(run));

    /// <summary>Removes the groups of runners that are gone; one with something in it stays.</summary>
    public static void DeleteStale()
    {
        // Whoever moved this process elsewhere may have removed where it began.
        foreach (var group in Directory.Exists(Own) ? Directory.EnumerateDirectories(Own, $"{Prefix}*") : [])
        {
            if (RunTag.Parse(Path.GetFileName(group)[Prefix.Length..]) is { } mark && !ProcessTable.IsRunnerAlive(mark))
                Remove(group);
        }
    }

    /// <summary>The run in whose group a process is, from its <c>/proc/…/cgroup</c>; of groups inside each other the
    /// innermost.</summary>
    public static RunTag? FindTag(string groups) =>
        groups.Split('\n', '/').LastOrDefault(x => x.StartsWith(Prefix, StringComparison.Ordinal)) is { } group
            ? RunTag.Parse(group[Prefix.Length..])
            : null;

    static string Folder(RunTag run) => Path.Combine(Own ?? "", $"{Prefix}{run}");

    static string? FindOwn()
    {
        try
        {
            // 41 31 0:38 /root /where rw,relatime - cgroup2 cgroup2 rw
            var mount = File.ReadLines("/proc/self/mountinfo")
                .FirstOrDefault(x => x.Contains(" - cgroup2 ", StringComparison.Ordinal))
                ?.Split(' ');
            var own = File.ReadLines("/proc/self/cgroup")
                .FirstOrDefault(x => x.StartsWith("0::", StringComparison.Ordinal))
                ?[3..];
            if (mount is null || own is null)
                return null;

            var folder = Path.GetFullPath(Path.Combine(mount[4], Path.GetRelativePath(mount[3], own)));
            var trial = Directory.CreateDirectory(Path.Combine(folder, $"{Prefix}trial-{Environment.ProcessId}"));
            trial.Delete();
            return folder;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            // No Linux, no cgroups, or none of them ours to make.
            return null;
        }
    }

    static void Remove(string group)
    {
        try
        {
            if (Directory.Exists(group))
                Directory.Delete(group);
        }
        catch (IOException)
        {
            // Something is in it that cannot be killed, or another was quicker.
        }
    }
}
