using System.CommandLine;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake sessions</c>: lists them; shows, adds, resets and closes one, what it said, and what it may
/// do.</summary>
sealed class SessionsCommand : ClientCommand
{
    const int Limit = 1000;

    readonly Option<string?> after = new("--after")
    {
        HelpName = "KEY",
        Description = "Only those whose keys come after this one.",
    };

    readonly Option<string?> state = new("--state")
    {
        HelpName = "STATE",
        Description = $"Only those in this state: {States}.",
    };
    readonly Option<string?> profile = new("--profile")
    {
        HelpName = "NAME",
        Description = "Only those of this profile.",
    };
    readonly Option<string?> subject = new("--subject")
    {
        HelpName = "SUBJECT",
        Description = "Only those with a watch that matches this subject.",
    };
    readonly Option<string?> workspace = new("--workspace")
    {
        HelpName = "DIR",
        Description = "Only those that work in this directory or below it.",
    };
    readonly Option<string?> text = new("--text")
    {
        HelpName = "TEXT",
        Description = "Only those with this text in their key or workspace, or in a watch's subject or intent.",
    };
    readonly Option<bool> closed = CommonOptions.Flag("--closed", "Closed ones instead of open ones.");
    readonly Option<string?> sort = new("--sort")
    {
        HelpName = "ORDER",
        Description =
            "key (the default), created, lastTurn, cost or inbox; with - before it the greatest first: -lastTurn.",
    };
    readonly Option<string?> cursor = CommonOptions.Cursor();

    public SessionsCommand()
        : base(
            "sessions",
            $"Lists the open sessions by key, up to {Limit}, or those that are asked for.",
            """
            Examples:
              wake sessions
              wake sessions --state parked --sort -lastTurn
              wake sessions --subject github:octo-org/hello#972
              wake sessions add implementer --workspace ~/src/hello
            """
        )
    {
        Accepts(after, state, profile, subject, workspace, text, closed, sort, cursor);
        Add(new ShowSessionCommand());
        Add(new AddSessionCommand());
        Add(new TranscriptCommand());
        Add(new SessionPermissionsCommand());
        Add(new ResetSessionCommand());
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
        var folder = given.GetValue(workspace) is { } path ? Path.GetFullPath(path) : null;
        var asked = WakeClient.WithQuery(
            "/v1/sessions",
            ("limit", $"{Limit}"),
            ("after", given.GetValue(after)),
            ("state", given.GetValue(state)),
            ("profile", given.GetValue(profile)),
            ("subject", given.GetValue(subject)),
            ("workspace", folder),
            ("text", given.GetValue(text)),
            ("closed", given.GetValue(closed) ? "true" : null),
            ("sort", given.GetValue(sort)),
            ("cursor", given.GetValue(cursor))
        );
        var answer = (await wake.Get(asked, cancel)).EnsureSuccess();
        output.List(
            answer,
            CliJson.Default.SessionArray,
            ["KEY", "STATE", "QUESTION", "INBOX", "LAST TURN", "COST", "PROFILE", "WORKSPACE"],
            x =>
                [
                    x.Key,
                    DescribeState(x),
                    $"{x.WaitsFor}",
                    $"{x.Inbox}",
                    LastTurn(x),
                    ShowSessionCommand.Usd(x.CostUsd),
                    x.Profile,
                    x.Workspace,
                ],
            "There are no such sessions."
        );
        NoteNextPage("wake sessions", answer);
        return 0;
    }

    static string States => string.Join(", ", Enum.GetValues<SessionState>().Select(x => Output.EnumWord(x)));

    /// <summary>What a session is doing, and for whom it waits if it does.</summary>
    public static string DescribeState(Session session) =>
        Output.EnumWord(session.State)
        + (session is { State: SessionState.Waiting, LastTurn.Note: { } note } ? $": {note}" : "")
        + (
            session.Paused is not { } pause ? ""
            : pause.Until is { } end ? $", paused until {TimeFormat.Format(end)}"
            : ", paused"
        )
        + (session.ClosesAt is { } closes ? $", its subject is over, closes {TimeFormat.Format(closes)}" : "");

    static string LastTurn(Session session) =>
        session.LastTurn is { } turn
            ? $"{turn.Number} {(turn.Outcome is { } outcome ? Output.EnumWord(outcome) : Output.EnumWord(turn.State))}"
            : "";
}
