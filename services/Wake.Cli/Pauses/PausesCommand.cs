using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake pauses</c>: lists those in force.</summary>
sealed class PausesCommand : ClientCommand
{
    public PausesCommand()
        : base(
            "pauses",
            "Lists the pauses in force.",
            """
            Example:
              wake pauses
            """
        ) => Accepts();

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var answer = (await wake.Get("/v1/pauses", cancel)).EnsureSuccess();
        output.List(
            answer,
            CliJson.Default.PauseArray,
            ["ID", "PAUSED", "SINCE", "UNTIL", "INTERRUPTS", "SESSIONS", "RUNNING", "REASON"],
            x =>
                [
                    $"{x.Id}",
                    PauseScopeOptions.Describe(x.Scope, x.Name),
                    TimeFormat.Format(x.Created),
                    x.Until is { } end ? TimeFormat.Format(end) : "wake unpause",
                    x.Interrupt ? "yes" : "no",
                    $"{x.Sessions}",
                    $"{x.Running}",
                    x.Reason,
                ],
            "Nothing is paused."
        );
        return 0;
    }
}
