using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake runners</c>: lists who runs turns.</summary>
sealed class RunnersCommand : ClientCommand
{
    public RunnersCommand()
        : base(
            "runners",
            "Lists the runners by pool and name, with the turns that they run now.",
            """
            One that is no longer connected is listed for a day.

            Example:
              wake runners
            """
        ) => Accepts();

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
            ["NAME", "POOL", "CONNECTED", "SLOTS", "URGENT", "WARM", "VERSION", "STARTED", "RUNNING"],
            x =>
                [
                    x.Name,
                    x.Pool,
                    x.Connected ? "yes" : "no",
                    $"{x.Slots}",
                    $"{x.UrgentSlots}",
                    $"{x.WarmSessions}",
                    x.Version,
                    TimeFormat.Format(x.Started),
                    string.Join(", ", x.Running),
                ],
            "No runner has connected within a day."
        );
        return 0;
    }
}
