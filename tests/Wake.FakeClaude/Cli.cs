using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Wake.FakeClaude;

/// <summary>What the whole process shares, from before it knows its session.</summary>
sealed class Cli(Arguments arguments, ConfigFolder config, string version)
{
    public Arguments Arguments => arguments;
    public ConfigFolder Config => config;
    public string Version => version;
    public Output Output { get; } = new();

    /// <summary>Null until the session is found or created.</summary>
    public Session? Session { get; set; }

    public bool IgnoresInterrupts { get; set; }
    public bool IgnoresSignals { get; set; }

    /// <summary>How long the process stays after it has nothing left to do.</summary>
    public TimeSpan Linger { get; set; }

    public static bool EmitsStates => IsSet("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS");
    public static bool RerunsCutTurns => IsSet("CLAUDE_CODE_RESUME_INTERRUPTED_TURN");
    public static bool ShowsCutOffCalls => IsSet("CLAUDE_CODE_RESUME_SHOWS_CUT_OFF_CALLS");

    /// <summary>Sleeps like a request to the API: an interrupt of the running turn ends it.</summary>
    public void Wait(TimeSpan time)
    {
        if (Session?.Running is { } turn)
            turn.Wait(time);
        else
            Thread.Sleep(time);
    }

    /// <summary>"1.5", or for ever when nothing is said.</summary>
    public static TimeSpan Seconds(string text) =>
        text == "" ? Timeout.InfiniteTimeSpan : TimeSpan.FromSeconds(double.Parse(text, CultureInfo.InvariantCulture));

    /// <summary>A wrong test should fail loudly and not look like any way the real program ends.</summary>
    [DoesNotReturn]
    public static void Misused(string problem)
    {
        Console.Error.WriteLine("fake-claude: " + problem);
        Posix.Exit(64);
    }

    static bool IsSet(string variable) => Environment.GetEnvironmentVariable(variable) is "1" or "true";
}
