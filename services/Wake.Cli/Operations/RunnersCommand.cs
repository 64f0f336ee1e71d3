using System.CommandLine;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake runners</c>: lists who runs turns, and drains one.</summary>
sealed class RunnersCommand : ClientCommand
{
    public RunnersCommand()
        : base(
            "runners",
            "Lists the runners by pool and name, with the turns that they run now.",
            """
            One that is no longer connected is listed for a day.

            Examples:
              wake runners
              wake runners drain machine-1
            """
        )
    {
        Accepts();
        Add(new DrainRunnerCommand());
    }

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var answer = (await wake.Get("/v1/runners", cancel)).EnsureSuccess();
        output.List(
            answer,
            CliJson.Default.RunnerSummaryArray,
            ["NAME", "POOL", "STATE", "SLOTS", "URGENT", "WARM", "MEMORY", "CLAUDE", "VERSION", "STARTED", "RUNNING"],
            x =>
                [
                    x.Name,
                    x.Pool,
                    State(x),
                    $"{x.Slots}",
                    $"{x.UrgentSlots}",
                    $"{x.Warm} of {x.WarmSessions}",
                    $"{x.MemoryBytes / 1024 / 1024} MB",
                    x.ClaudeVersion ?? "",
                    x.Version,
                    TimeFormat.Format(x.Started),
                    string.Join(", ", x.Running),
                ],
            "No runner has connected within a day."
        );
        return 0;
    }

    static string State(RunnerSummary runner) =>
        !runner.Connected ? "gone"
        : runner.Drained is not null ? "drained"
        : runner.Problem is { } problem ? $"takes no work: {problem}"
        : "connected";
}
