using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake sessions close</c>: ends one.</summary>
sealed class CloseSessionCommand : ClientCommand
{
    readonly Argument<string> key = new("KEY") { Description = "The session's key." };

    public CloseSessionCommand()
        : base(
            "close",
            "Closes a session: no more turns, no more watches. A turn that runs may finish.",
            """
            Example:
              wake sessions close implementer
            """
        ) => Accepts(key);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var answer = (await wake.Delete(SessionsCommand.ApiPath(given.GetRequiredValue(key)), cancel)).EnsureSuccess();
        if (output.Json)
            output.Raw(answer.Body);
        else
            output.Line($"Closed: {given.GetRequiredValue(key)}");
        return 0;
    }
}
