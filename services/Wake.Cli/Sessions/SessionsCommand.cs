using System.CommandLine;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake sessions</c>: lists them; shows, adds and closes one.</summary>
sealed class SessionsCommand : ClientCommand
{
    const int Limit = 1000;

    readonly Option<string?> after = new("--after")
    {
        HelpName = "KEY",
        Description = "Only those whose keys come after this one.",
    };

    public SessionsCommand()
        : base(
            "sessions",
            $"Lists the open sessions by key, up to {Limit}.",
            """
            Examples:
              wake sessions
              wake sessions add implementer --workspace ~/src/hello
            """
        )
    {
        Accepts(after);
        Add(new ShowSessionCommand());
        Add(new AddSessionCommand());
        Add(new CloseSessionCommand());
    }

    /// <summary>The address of a session.</summary>
    public static string ApiPath(string key) => $"/v1/sessions/{WakeClient.EscapeSegment(key)}";

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var from = given.GetValue(after) is { } key ? $"&after={Uri.EscapeDataString(key)}" : "";
        var answer = (await wake.Get($"/v1/sessions?limit={Limit}{from}", cancel)).EnsureSuccess();
        if (output.Json)
        {
            output.Raw(answer.Body);
            return 0;
        }

        var sessions = answer.ReadAs(CliJson.Default.SessionArray);
        output.Table(
            ["KEY", "STATE", "QUESTION", "INBOX", "LAST TURN", "COST", "PROFILE", "WORKSPACE"],
            sessions.Select(x =>
                (string?[])
                    [
                        x.Key,
                        DescribeState(x),
                        $"{x.WaitsFor}",
                        $"{x.Inbox}",
                        LastTurn(x),
                        ShowSessionCommand.Usd(x.CostUsd),
                        x.Profile,
                        x.Workspace,
                    ]
            )
        );

        if (sessions is [])
            Output.Note("There are no open sessions.");
        if (sessions.Length == Limit)
            Output.Note($"There may be more: wake sessions --after={sessions[^1].Key}");
        return 0;
    }

    /// <summary>What a session is doing, and for whom it waits if it does.</summary>
    public static string DescribeState(Session session) =>
        session is { State: SessionState.Waiting, LastTurn.Note: { } note }
            ? $"{Output.EnumWord(session.State)}: {note}"
            : Output.EnumWord(session.State);

    static string LastTurn(Session session) =>
        session.LastTurn is { } turn
            ? $"{turn.Number} {(turn.Outcome is { } outcome ? Output.EnumWord(outcome) : Output.EnumWord(turn.State))}"
            : "";
}
