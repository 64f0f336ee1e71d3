using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake runners drain</c>: has a runner begin no more turns, or ends that.</summary>
sealed class DrainRunnerCommand : ClientCommand
{
    readonly Argument<string> name = new("NAME") { Description = "The runner; wake runners lists them." };
    readonly Option<bool> end = CommonOptions.Flag("--end", "Have it take turns again.");

    public DrainRunnerCommand()
        : base(
            "drain",
            "Has a runner begin no more turns; those that run end as ever.",
            """
            It holds for whichever process goes by that name, also after a restart, until --end. Wakes go to the other runners of
            the pool, or wait.

            Examples:
              wake runners drain machine-1
              wake runners drain machine-1 --end
            """
        ) => Accepts(name, end);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var (runner, ends) = (given.GetRequiredValue(name), given.GetValue(end));
        var path = $"/v1/runners/{WakeClient.EscapeSegment(runner)}/drain";
        var answer = (ends ? await wake.Delete(path, cancel) : await wake.Post(path, cancel)).EnsureSuccess();
        if (output.Json)
            output.Raw(answer.Body);
        else if (ends)
            output.Line($"{runner} takes turns again.");
        else
            output.Line($"{runner} begins no more turns. wake runners shows which still run.");
        return 0;
    }
}
