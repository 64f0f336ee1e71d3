using System.Runtime.InteropServices;

namespace Wake.Runner;

/// <summary>What a process that runs turns does to itself before anything else.</summary>
public static class ProcessHardening
{
    const int SetDumpable = 4;

    /// <summary>
    /// Keeps its memory and its environment, in which the database's password may be, from other processes of its user:
    /// none can trace it or read /proc/PID/environ and /proc/PID/mem. What it starts is not so. Linux only; root can do
    /// everything.
    /// </summary>
    public static void Apply()
    {
        if (OperatingSystem.IsLinux())
            _ = ProcessControl(SetDumpable, 0, 0, 0, 0);

        RlimitTags.SetOwnLimit();
    }

    [DllImport("libc", EntryPoint = "prctl")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int ProcessControl(int option, long value, long third, long fourth, long fifth);
}
