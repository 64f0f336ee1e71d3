using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Wake.Runner;

/// <summary>The signal .NET cannot send.</summary>
static class ProcessSignals
{
    const int SigTerm = 15;

    /// <summary>Asks a process to end.</summary>
    public static void Terminate(this Process process)
    {
        // Its exit code is not collected before the object is disposed, so the number cannot belong to another process yet.
        if (!process.HasExited)
            _ = Kill(process.Id, SigTerm);
    }

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int Kill(int process, int signal);
}
