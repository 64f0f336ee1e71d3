using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Wake.FakeClaude;

/// <summary>The few system calls .NET has no name for.</summary>
static class Posix
{
    /// <summary>"KILL", "SIGKILL" or "9".</summary>
    public static int Number(string signal) =>
        signal.ToUpperInvariant().Replace("SIG", "", StringComparison.Ordinal) switch
        {
            "HUP" => 1,
            "INT" => 2,
            "QUIT" => 3,
            "ABRT" => 6,
            "KILL" => 9,
            "SEGV" => 11,
            "TERM" => 15,
            "STOP" => 19,
            var number => int.Parse(number, CultureInfo.InvariantCulture),
        };

    /// <summary>Ends the process at once: no handlers, no other threads, exactly this code.</summary>
    [DoesNotReturn]
    public static void Exit(int code)
    {
        ExitNow(code);
        throw new InvalidOperationException("Still here after _exit.");
    }

    /// <summary>As if somebody had sent the signal: ours are handled, the others take their usual effect.</summary>
    public static void Raise(int signal)
    {
        if (signal is not (1 or 2 or 15))
            SetHandler(signal, 0);

        _ = Kill(Environment.ProcessId, signal);
    }

    [DllImport("libc", EntryPoint = "_exit")]
    static extern void ExitNow(int code);

    [DllImport("libc", EntryPoint = "kill")]
    static extern int Kill(int process, int signal);

    [DllImport("libc", EntryPoint = "signal")]
    static extern nint SetHandler(int signal, nint handler);
}
