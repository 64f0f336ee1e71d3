using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Wake.Runner;

/// <summary>
/// The program of the process beside a runner: the runner's own, called with <see cref="Argument"/>. Reads from
/// standard input how long each session's lease still lasts, kills what the runner runs of a session whose lease is
/// over, and ends with the runner.
/// </summary>
public static class GuardProcess
{
    const string Argument = "guard-runs";

    // The runner kills by itself first, if it can.
    static readonly TimeSpan Slack = TimeSpan.FromSeconds(1);

    /// <summary>Whether a program was started as this.</summary>
    public static bool IsAsked(string[] args) => args is [Argument, _];

    /// <summary>Runs it, to the exit code.</summary>
    /// <param name="args">As <see cref="IsAsked"/> knows them.</param>
    public static async Task<int> Run(string[] args)
    {
        if (RunMark.Parse(args[1]) is not { } runner || ProcessTable.Self is null)
            return 1;

        OwnProcess.Hide();
        var processes = new RunProcesses(new(), TimeProvider.System, NullLogger<RunProcesses>.Instance);
        using var input = new StreamReader(Console.OpenStandardInput());

        // By the clock that goes on while the machine sleeps.
        var until = new Dictionary<Guid, long>();
        var line = input.ReadLineAsync();
        while (true)
        {
            var wait = until is { Count: 0 }
                ? Timeout.InfiniteTimeSpan
                : Max(TimeSpan.Zero, ProcessTable.Span(until.Values.Min() - ProcessTable.Now));
            using (var timer = new CancellationTokenSource())
            {
                await Task.WhenAny(line, Task.Delay(wait, timer.Token));
                await timer.CancelAsync();
            }

            if (line.IsCompleted)
            {
                if (await line is not { } said)
                    return 0;

                Hear(said, until);
                line = input.ReadLineAsync();
                continue;
            }

            foreach (var (session, end) in until.Where(x => x.Value <= ProcessTable.Now).ToList())
            {
                until.Remove(session);
                await processes.EndOf(session, mark => mark.IsBeside(runner));
            }
        }
    }

    /// <summary>How it is started from within the runner.</summary>
    internal static (string Program, string[] Arguments) Command(RunMark runner)
    {
        var own = System.Environment.ProcessPath!;
        string[] arguments = [Argument, $"{runner}"];
        return Path.GetFileNameWithoutExtension(own) == "dotnet"
            ? (own, [Assembly.GetEntryAssembly()!.Location, .. arguments])
            : (own, arguments);
    }

    /// <summary>What of the runner's environment it needs, to be found and to be small.</summary>
    internal static IReadOnlyDictionary<string, string> Environment()
    {
        var environment = ClaudeCli
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
        return environment;
    }

    static void Hear(string said, Dictionary<Guid, long> until)
    {
        switch (said.Split(' '))
        {
            case [var session, var left]:
                until[Guid.ParseExact(session, "N")] =
                    ProcessTable.Now
                    + ProcessTable.Ticks(
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
