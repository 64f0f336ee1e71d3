using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake sessions close</c>: ends one, or those of a subject.</summary>
sealed class CloseSessionCommand : ClientCommand
{
    readonly Argument<string?> key = new("KEY") { Arity = ArgumentArity.ZeroOrOne, Description = "The session's key." };
    readonly Option<string?> subject = new("--subject")
    {
        HelpName = "SUBJECT",
        Description =
            "Those that belong to this subject instead: by the key that a route gives them, or because they watch it "
            + "by name. * stands for anything.",
    };

    public CloseSessionCommand()
        : base(
            "close",
            "Closes a session, or those of a subject: no more turns, no more watches. A turn that runs may finish.",
            """
            Examples:
              wake sessions close implementer
              wake sessions close --subject github:octo-org/hello#972
            """
        )
    {
        Accepts(key, subject);
        Validators.Add(given =>
        {
            if (given.GetValue(key) is null == given.GetValue(subject) is null)
                given.AddError("Say which: a key, or --subject.");
        });
    }

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var path = given.GetValue(key) is { } one
            ? SessionsCommand.ApiPath(one)
            : WakeClient.WithQuery("/v1/sessions", ("subject", given.GetValue(subject)));
        var answer = (await wake.Delete(path, cancel)).EnsureSuccess();
        if (output.Json)
        {
            output.Raw(answer.Body);
            return 0;
        }

        IReadOnlyList<string> closed = given.GetValue(key) is { } named
            ? [named]
            : answer.ReadAs(CliJson.Default.ClosedSessions).Sessions;
        foreach (var session in closed)
            output.Line($"Closed: {session}");
        if (closed is [])
            output.Line($"No open session belongs to {given.GetValue(subject)}.");
        return 0;
    }
}
