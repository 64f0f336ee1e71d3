using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Wake.Runner;

/// <summary>
/// Entry point of the watchdog process: the runner's own program, called with <see cref="Argument"/>. Reads from
/// standard input how long each session's lease still lasts, kills what the runner runs of a session whose lease is
/// over, and ends with the runner.
/// </summary>
public static class WatchdogProcess
{
    const string Argument = "lease-watchdog",
        RunUserVariable = $"{RunnerOptions.Section}__{nameof(RunnerOptions.RunAs)}";

    // The runner kills by itself first, if it can.
    static readonly TimeSpan Slack = TimeSpan.FromSeconds(1);

    /// <summary>Whether a program was started as this.</summary>
    public static bool IsRequested(string[] args) => args is [Argument, _];

    /// <summary>Runs it, to the exit code.</summary>
    /// <param name="args">As <see cref="IsRequested"/> knows them.</param>
    public static async Task<int> RunWatchdog(string[] args)
    {
        if (RunTag.Parse(args[1]) is not { } runner || ProcessTable.Self is null)
            return 1;

        ProcessHardening.Apply();
        RunUser.SetCurrent(Environment.GetEnvironmentVariable(RunUserVariable));
        var processes = new RunReaper(new(), TimeProvider.System, NullLogger<RunReaper>.Instance);
        using var input = new StreamReader(Console.OpenStandardInput());

        // By the clock that goes on while the machine sleeps.
        var until = new Dictionary<Guid, long>();
        var line = input.ReadLineAsync();
        while (true)
        {
            var wait = until is { Count: 0 }
                ? Timeout.InfiniteTimeSpan
                : Max(TimeSpan.Zero, ProcessTable.FromTicks(until.Values.Min() - ProcessTable.Now));
            using (var timer = new CancellationTokenSource())
            {
                await Task.WhenAny(line, Task.Delay(wait, timer.Token));
                await timer.CancelAsync();
            }

            if (line.IsCompleted)
            {
                if (await line is not { } said)
                    return 0;

                ParseLease(said, until);
                line = input.ReadLineAsync();
                continue;
            }

            foreach (var (session, end) in until.Where(x => x.Value <= ProcessTable.Now).ToList())
            {
                until.Remove(session);
                await processes.KillSession(session, mark => mark.HasSameRunner(runner));
            }
        }
    }

    /// <summary>How it is started from within the runner.</summary>
    internal static (string Program, string[] Arguments) StartCommand(RunTag runner)
    {
        var own = Environment.ProcessPath!;
        string[] arguments = [Argument, $"{runner}"];
        return Path.GetFileNameWithoutExtension(own) == "dotnet"
            ? (own, [Assembly.GetEntryAssembly()!.Location, .. arguments])
            : (own, arguments);
    }

    /// <summary>What of the runner's environment it needs, to be found and to be small.</summary>
    internal static IReadOnlyDictionary<string, string> BuildEnvironment()
    {
        var environment = ProcessLauncher
            .OwnEnvironment()
            .Where(x =>
                x.Key is "PATH" or "HOME" or "TMPDIR" or "LD_LIBRARY_PATH"
                || x.Key.StartsWith("DOTNET_", StringComparison.Ordinal)
            )
            .ToDictionary(x => x.Key, x => x.Value);
        environment["DOTNET_gcServer"] =
            environment["DOTNET_gcConcurrent"] =
            environment["DOTNET_EnableDiagnostics"] =
                "0";
        environment["DOTNET_GCHeapHardLimit"] = "0x4000000";

        // Whose processes it has to find.
        if (RunUser.Current is { } user)
            environment[RunUserVariable] = user.Name;
        return environment;
    }

    static void ParseLease(string said, Dictionary<Guid, long> until)
    {
        switch (said.Split(' '))
        {
            case [var session, var left]:
                until[Guid.ParseExact(session, "N")] =
                    ProcessTable.Now
                    + ProcessTable.ToTicks(
                        TimeSpan.FromMilliseconds(long.Parse(left, CultureInfo.InvariantCulture)) + Slack
                    );
                break;

            case [var session]:
                until.Remove(Guid.ParseExact(session, "N"));
                break;
        }
    }

    static TimeSpan Max(TimeSpan one, TimeSpan other) => one > other ? one : other;
}
