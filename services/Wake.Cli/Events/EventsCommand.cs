using System.CommandLine;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake events</c>: what was accepted, the newest first.</summary>
sealed class EventsCommand : ClientCommand
{
    readonly Option<string?> subject = Text("--subject", "SUBJECT", "about this subject; * stands for anything.");
    readonly Option<string?> type = Text("--type", "TYPE", "of this type; * stands for anything.");
    readonly Option<string?> source = Text("--source", "SOURCE", "of this source; * stands for anything.");
    readonly Option<string?> text = Text("--text", "TEXT", "with this text in their reason, subject or id.");
    readonly Option<string?> session = Text("--session", "KEY", "that were routed to this session.");
    readonly Option<string?> outcome = Text(
            "--outcome",
            "OUTCOME",
            "that were routed to a session (routed), or to none (unwatched); that caused a turn (woke), or were taken "
                + "along by one (coalesced); that were observed more than once (duplicate); that had expired, or no "
                + "longer held, before a turn took them (stale)."
        )
        .AcceptOnlyFromAmong("routed", "unwatched", "woke", "coalesced", "duplicate", "stale");
    readonly Option<DateTimeOffset?> since = TimeFormat.PastOption("--since", "Only those accepted since then.");
    readonly Option<DateTimeOffset?> until = TimeFormat.PastOption("--until", "Only those accepted before then.");
    readonly Option<int> limit = new("--limit")
    {
        HelpName = "N",
        Description = "How many at most, up to 1000.",
        DefaultValueFactory = _ => 50,
    };
    readonly Option<string?> cursor = CommonOptions.Cursor();

    public EventsCommand()
        : base(
            "events",
            "Lists the events that were accepted, the newest first.",
            """
            What became of one, and which sessions it went to, says wake explain ID.

            Examples:
              wake events
              wake events --subject github:octo-org/hello#972 --since 2d
              wake events --type "github.ci.*" --outcome unwatched
            """
        ) => Accepts(subject, type, source, text, session, outcome, since, until, limit, cursor);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var path = WakeClient.WithQuery(
            "/v1/events",
            ("limit", $"{given.GetValue(limit)}"),
            ("subject", given.GetValue(subject)),
            ("type", given.GetValue(type)),
            ("source", given.GetValue(source)),
            ("text", given.GetValue(text)),
            ("session", given.GetValue(session)),
            ("outcome", given.GetValue(outcome)),
            ("since", given.GetValue(since)?.ToString("O")),
            ("until", given.GetValue(until)?.ToString("O"))
        );
        var answer = await Read(given.GetValue(cursor));

        // A page that has found none may be followed by one that has.
        while (answer.NextCursor is { } next && answer.ReadAs(CliJson.Default.EventSummaryArray) is [])
            answer = await Read(next);

        if (output.Json)
            output.Raw(answer.Body);
        else
            Show(answer.ReadAs(CliJson.Default.EventSummaryArray), output);

        NoteNextPage("wake events", answer);
        return 0;

        async Task<ApiResponse> Read(string? page) =>
            (
                await wake.Get(page is null ? path : $"{path}&cursor={Uri.EscapeDataString(page)}", cancel)
            ).EnsureSuccess();
    }

    static void Show(EventSummary[] events, Output output)
    {
        output.Table(
            ["ACCEPTED", "TYPE", "SUBJECT", "SESSIONS", "REASON", "SOURCE", "ID"],
            events.Select(x =>
                (string?[])
                    [TimeFormat.Format(x.AcceptedAt), x.Type, x.Subject, $"{x.SessionCount}", x.Reason, x.Source, x.Id]
            )
        );
        if (events is [])
            Output.Note("There are no such events.");
    }

    static Option<string?> Text(string name, string word, string which) =>
        new(name) { HelpName = word, Description = $"Only those {which}" };
}
