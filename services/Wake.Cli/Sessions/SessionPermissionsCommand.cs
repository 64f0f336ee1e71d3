using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake sessions permissions</c>: what a session may call without asking; withdraws it.</summary>
sealed class SessionPermissionsCommand : ClientCommand
{
    readonly Argument<string> key = new("KEY") { Description = "The session's key." };

    readonly Option<Guid?> withdraw = IdFormat.Option(
        "--withdraw",
        "QUESTION-ID",
        "Withdraw what this question allowed: the next such call asks again."
    );

    public SessionPermissionsCommand()
        : base(
            "permissions",
            "Shows the tool calls that a person has allowed a session to make without asking.",
            """
            Each is one exact call, allowed with wake answer --allow --for-session or in a chat. A reset of
            the session ends them all.

            Examples:
              wake sessions permissions implementer
              wake sessions permissions implementer --withdraw 01234567-89ab-cdef-0123-456789abcdef
            """
        ) => Accepts(key, withdraw);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var session = given.GetRequiredValue(key);
        var path = $"{SessionsCommand.ApiPath(session)}/permissions";
        if (given.GetValue(withdraw) is { } question)
        {
            (await wake.Delete($"{path}/{question}", cancel)).EnsureSuccess();
            Output.Note($"Withdrawn: the next such call of {session} asks again.");
            return 0;
        }

        var answer = (await wake.Get(path, cancel)).EnsureSuccess();
        if (output.Json)
        {
            output.Raw(answer.Body);
            return 0;
        }

        var permissions = answer.ReadAs(CliJson.Default.AllowedCallArray);
        foreach (var permission in permissions)
        {
            var by = permission.AllowedBy is { } who ? $" by {who}" : "";
            output.Line($"[bold]{permission.Question}[/]  allowed {TimeFormat.Format(permission.AllowedAt)}{by}");
            output.Line($"  {permission.Tool} {permission.Call}");
        }

        if (permissions is [])
            Output.Note($"No call is allowed to {session} without asking. wake answer --for-session allows one.");
        return 0;
    }
}
