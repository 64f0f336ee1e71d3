using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Wake.Runner;

/// <summary>Signals, to the process that is meant and no other.</summary>
static class ProcessSignals
{
    const int SigKill = 9,
        SigTerm = 15;

    // The same on every architecture of Linux.
    const long PidFdSendSignal = 424,
        PidFdOpen = 434;

    /// <summary>Asks a process to end.</summary>
    public static void Terminate(this Process process)
    {
        // Its exit code is not collected before the object is disposed, so the number cannot belong to another process
        // yet.
        if (!process.HasExited)
            _ = Kill(process.Id, SigTerm);
    }

    /// <summary>Kills a process and what it started, as far as it can be told from the tree.</summary>
    public static void KillTree(this Process process)
    {
        try
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
        catch (Exception gone) when (gone is InvalidOperationException or Win32Exception or AggregateException)
        {
            // It ended in this moment.
        }
    }

    /// <summary>Asks a process to end, if it is still the one that was seen.</summary>
    public static void Terminate(this ProcessSnapshot process) => SendSignal(process, SigTerm);

    /// <summary>Kills a process, if it is still the one that was seen.</summary>
    public static void Kill(this ProcessSnapshot process) => SendSignal(process, SigKill);

    static void SendSignal(ProcessSnapshot process, int signal)
    {
        // From here on the handle means one process, whatever becomes of the number; then it only remains to be seen
        // which. Kernels before 5.3 have no such handle.
        var descriptor = SystemCall(PidFdOpen, process.Id, 0, 0, 0);
        using var handle = new SafeFileHandle((nint)descriptor, ownsHandle: true);

        if (ProcessTable.Find(process.Id)?.StartTicks != process.StartTicks)
            return;

        if (handle.IsInvalid)
            _ = Kill(process.Id, signal);
        else
            _ = SystemCall(PidFdSendSignal, descriptor, signal, 0, 0);
    }

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int Kill(int process, int signal);

    [DllImport("libc", EntryPoint = "syscall")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern long SystemCall(long number, long first, long second, long third, long fourth);
}
