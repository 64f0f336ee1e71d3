using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Wake.Runner;

/// <summary>
/// Takes the orphans of runs over: a process whose parent ends becomes a child of the runner instead of the machine's
/// first process, so that what belongs to Wake stays below Wake, where <see cref="RlimitTags"/> tells whose it is. In a
/// container, whose first process it is, it gets them anyway. When they end it collects them; nobody else would.
/// </summary>
sealed class ChildSubreaper : IDisposable
{
    const int SetChildSubreaper = 36,
        NoHang = 1;

    // A tool may leave a thousand of them in a second, and each look reads the whole process table.
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    // Of the whole process: whoever in it has started a child, .NET waits for that one.
    static readonly Lock Starting = new();
    static readonly HashSet<int> Started = [];

    readonly PosixSignalRegistration? childEnded;
    bool due;

    public ChildSubreaper()
    {
        if (
            !OperatingSystem.IsLinux()
            || ProcessTable.Self is null
            || ProcessControl(SetChildSubreaper, 1, 0, 0, 0) != 0
        )
            return;

        childEnded = PosixSignalRegistration.Create(PosixSignal.SIGCHLD, ended => _ = ReapSoon());
    }

    /// <summary>Starts a process that leaves the runner's session and yet is no orphan: .NET waits for it.</summary>
    public static Process StartTracked(ProcessStartInfo start)
    {
        lock (Starting)
        {
            var process = Process.Start(start)!;
            Started.Add(process.Id);
            return process;
        }
    }

    async Task ReapSoon()
    {
        if (Interlocked.Exchange(ref due, true))
            return;

        await Task.Delay(Pause);
        Volatile.Write(ref due, false);
        ReapZombies();
    }

    // .NET collects by itself what it has started, and its exit code must not be taken from it. Those are the ones in
    // our own session, and the ones started above.
    static void ReapZombies()
    {
        lock (Starting)
        {
            var children = ProcessTable.All().Where(x => x.ParentId == Environment.ProcessId).ToList();
            Started.IntersectWith(children.Select(x => x.Id));

            foreach (
                var orphan in children.Where(x =>
                    x.IsZombie && x.KernelSession != ProcessTable.Self!.KernelSession && !Started.Contains(x.Id)
                )
            )
                _ = Wait(orphan.Id, 0, NoHang);
        }
    }

    public void Dispose() => childEnded?.Dispose();

    [DllImport("libc", EntryPoint = "prctl")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int ProcessControl(int option, long value, long third, long fourth, long fifth);

    [DllImport("libc", EntryPoint = "waitpid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int Wait(int process, nint status, int options);
}
