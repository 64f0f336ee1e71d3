using System.CommandLine;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake explain</c>: what became of an event, or why a session does what it does.</summary>
sealed class ExplainCommand : ClientCommand
{
    readonly Argument<string[]> target = new("ID or KEY")
    {
        Arity = new(1, 2),
        Description =
            "The id of an event or the key of a session, with the word event or session before it to say which.",
    };

    readonly Option<bool> isEvent = CommonOptions.Flag("--event", "It is the id of an event.");
    readonly Option<bool> isSession = CommonOptions.Flag("--session", "It is the key of a session.");
    readonly Option<string?> source = new("--source")
    {
        HelpName = "SOURCE",
        Description = "Of the events with this id, the one of this source.",
    };

    public ExplainCommand()
        : base(
            "explain",
            "Says what became of an event, or why a session does what it does, with every decision about it in order.",
            """
            Tries the session of that name first, then the event.

            Examples:
              wake explain implementer
              wake explain event 01234567-89ab-cdef-0123-456789abcdef
            """
        )
    {
        Accepts(target, isEvent, isSession, source);
        Validators.Add(given =>
        {
            if (given.GetValue(isEvent) && given.GetValue(isSession))
                given.AddError("--event and --session exclude each other.");
            if (given.GetValue(target) is [not ("event" or "session"), _])
                given.AddError("Of two words the first is event or session.");
            if (given.GetValue(target) is [_, _] && (given.GetValue(isEvent) || given.GetValue(isSession)))
                given.AddError("Say once whether it is an event or a session.");
        });
    }

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var (name, onlyEvent, onlySession) = given.GetRequiredValue(target) switch
        {
            ["event", var id] => (id, true, false),
            ["session", var key] => (key, false, true),
            [.., var only] => (
                only,
                given.GetValue(isEvent) || given.GetValue(source) is not null,
                given.GetValue(isSession)
            ),
            _ => throw new InvalidOperationException("The parser lets no empty list pass."),
        };

        var answer = onlyEvent
            ? null
            : await wake.Get($"/v1/explain/sessions/{WakeClient.EscapeSegment(name)}", cancel);
        if (answer is null || (answer.IsNotFound && !onlySession))
            return await ExplainEvent(given, wake, name, onlyEvent, output, cancel);

        if (output.Json)
            output.Raw(answer.EnsureSuccess().Body);
        else
            Show(answer.EnsureSuccess().ReadAs(CliJson.Default.SessionExplanation), output);
        return 0;
    }

    async Task<int> ExplainEvent(
        ParseResult given,
        WakeClient wake,
        string id,
        bool onlyEvent,
        Output output,
        CancellationToken cancel
    )
    {
        var which = given.GetValue(source) is { } named ? $"?source={Uri.EscapeDataString(named)}" : "";
        var answer = await wake.Get($"/v1/explain/events/{WakeClient.EscapeSegment(id)}{which}", cancel);
        if (answer.IsNotFound && !onlyEvent)
            throw new CommandException(
                $"There is neither a session nor an event {id}. wake sessions lists the sessions."
            );

        if (output.Json)
            output.Raw(answer.EnsureSuccess().Body);
        else
            Show(answer.EnsureSuccess().ReadAs(CliJson.Default.EventExplanation), output);
        return 0;
    }

    static void Show(EventExplanation explained, Output output)
    {
        var what = explained.Event;
        output.Line($"[bold]{explained.Summary}[/]");
        output.Line($"");
        output.Table(
            [],
            (
                (string?[][])
                    [
                        ["event", what.Id],
                        ["source", what.Source],
                        ["type", what.Type],
                        ["subject", what.Subject],
                        .. (what.Related ?? []).Select(x => (string?[])["related", x]),
                        ["reason", what.Reason],
                        ["delivery", Output.EnumWord(what.Delivery) + (what.Urgent ? ", urgent" : "")],
                        ["dedup key", what.DedupKey],
                        ["replay of", what.ReplayOf],
                        ["named sessions", what.Sessions is { } named ? string.Join(", ", named) : null],
                        ["actor", what.Actor],
                        ["time", what.Time is { } time ? TimeFormat.Format(time) : null],
                        ["expires", what.Expires is { } end ? TimeFormat.Format(end) : null],
                        ["accepted", TimeFormat.Format(explained.AcceptedAt)],
                        ["data", what.Data?.GetRawText()],
                        .. explained.Duplicates.Select(x =>
                            (string?[])["duplicate", $"{x.Id} of {x.Source}, {TimeFormat.Format(x.At)}"]
                        ),
                        .. explained.InboxEntries.Select(x => (string?[])["delivered", Describe(x)]),
                    ]
            ).Where(x => x[1] is not null)
        );
        LedgerText.Table(explained.Ledger, about: null, output);
    }

    static string Describe(InboxEntry delivery)
    {
        var why =
            delivery.Watch is { } watch ? $", watch {watch}{(delivery.Intent is { } intent ? $" ({intent})" : "")}"
            : delivery.Route is { } route ? $", route {route}"
            : "";
        var fact = delivery.Fact switch
        {
            { Answer: FactAnswer.Holds } => ", still so",
            { Answer: FactAnswer.NoLonger } known => $", no longer so: {known.Reason}",
            { } known => $", not known whether still so: {known.Reason}",
            null => "",
        };
        return $"{delivery.Session}, {(delivery.Wake is { } wake ? $"wake {wake}" : "waiting")}{why}{fact}";
    }

    static string Describe(Watch watch) =>
        string.Join(
            ' ',
            [
                watch.Subject,
                .. watch.Types ?? [],
                .. watch.Intent is { } intent ? [$"({intent})"] : Array.Empty<string>(),
                .. WatchesCommand.Expected(watch) is { Length: > 0 } expected
                    ? [$"expected by {expected}"]
                    : Array.Empty<string>(),
            ]
        );

    static string Describe(ClaudeSessionUse use) =>
        $"{use.Id}, since {TimeFormat.Format(use.Since)}{(use.Wake is { } wake ? $", wake {wake}" : "")}: {use.Reason}";

    static void Show(SessionExplanation explained, Output output)
    {
        output.Line($"[bold]{explained.Summary}[/]");
        output.Line($"");
        output.Table(
            [],
            [
                .. ShowSessionCommand
                    .Facts(explained.Session)
                    .Where(x => x[0] is not ("Claude session" or "last turn")),
                .. explained.ClaudeSessions.Select(x => (string?[])["Claude session", Describe(x)]),
                .. explained.Watches.Select(x => (string?[])["watch", Describe(x)]),
                .. explained.Pending.Select(x => (string?[])["pending", $"{x.Id} {x.Type}: {x.Reason}"]),
                .. explained.Turns.Select(x => (string?[])["turn", ShowSessionCommand.DescribeTurn(x)]),
            ]
        );
        LedgerText.Table(explained.Ledger, explained.Session.Key, output);
    }
}
