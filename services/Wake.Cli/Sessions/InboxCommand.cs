using System.CommandLine;
using Wake.Contracts;
using Wake.Contracts.Http;
using Terminals = Wake.Store.Terminals;

namespace Wake.Cli;

/// <summary><c>wake inbox</c>: what happened for a session while its person was away, and what waits.</summary>
sealed class InboxCommand : ClientCommand
{
    // As many sessions as the API gives at once.
    const int PageSize = 1000;

    readonly Option<string?> session = CurrentSession.CreateOption("Whose.", "all open sessions");

    public InboxCommand()
        : base(
            "inbox",
            "Shows what happened while you were away: the newest turns that runners took, and what waits.",
            """
            A turn that was taken in your terminal is not shown. wake explain KEY tells everything about a session.
            Without --session, and outside of a session, it shows all open sessions that have something to show.

            With --output json: the explanation of the session, with all its turns; without a session, a list of them.

            Examples:
              wake inbox
              wake inbox --session implementer
            """
        ) => Accepts(session);

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        if (CurrentSession.Find(given.GetValue(session)) is { } named)
        {
            var answer = (await Explain(wake, named, cancel)).EnsureSuccess();
            if (output.Json)
                output.Raw(answer.Body);
            else if (!Show(answer.ReadAs(CliJson.Default.SessionExplanation), output))
                Output.Note("Nothing happened without you, and nothing waits.");
            return 0;
        }

        var shown = await ExplainAll(wake, cancel);
        if (output.Json)
        {
            output.Raw(Join(shown.Select(x => x.Answer)));
            return 0;
        }

        foreach (var (i, (_, explained)) in shown.Index())
        {
            if (i > 0)
                output.Line($"");
            Show(explained, output);
        }

        if (shown is [])
            Output.Note("Nothing happened without you, and nothing waits.");
        return 0;
    }

    static async Task<ApiResponse> Explain(WakeClient wake, string named, CancellationToken cancel) =>
        (
            await SessionRegistration.SendWithRegistration(
                wake,
                named,
                key => wake.Get($"/v1/explain/sessions/{WakeClient.EscapeSegment(key)}", cancel),
                cancel
            )
        ).Answer;

    // Those that have something to show. One that has neither had a turn nor has an event waiting is not asked about.
    static async Task<List<(byte[] Answer, SessionExplanation Explained)>> ExplainAll(
        WakeClient wake,
        CancellationToken cancel
    )
    {
        List<(byte[], SessionExplanation)> all = [];
        for (var after = ""; ; )
        {
            var sessions = (
                await wake.Get($"/v1/sessions?limit={PageSize}&after={Uri.EscapeDataString(after)}", cancel)
            )
                .EnsureSuccess()
                .ReadAs(CliJson.Default.SessionArray);

            foreach (var one in sessions.Where(x => x.Inbox > 0 || x.LastTurn is not null))
            {
                var answer = await wake.Get($"/v1/explain/sessions/{WakeClient.EscapeSegment(one.Key)}", cancel);

                // Closed since it was listed.
                if (answer.IsNotFound)
                    continue;

                var explained = answer.EnsureSuccess().ReadAs(CliJson.Default.SessionExplanation);
                if (explained.Pending is not [] || explained.Turns.Any(IsElsewhere))
                    all.Add((answer.Body, explained));
            }

            if (sessions.Length < PageSize)
                return all;

            after = sessions[^1].Key;
        }
    }

    // Whether a person has not seen it in their terminal.
    static bool IsElsewhere(Turn turn) =>
        turn.Runner?.StartsWith(Terminals.RunnerPrefix, StringComparison.Ordinal) is not true;

    // False for a session that has nothing to show.
    static bool Show(SessionExplanation explained, Output output)
    {
        Turn[] turns = [.. explained.Turns.Where(IsElsewhere)];
        output.Line($"[bold]{explained.Session.Key}[/]: {explained.Summary}");

        if (turns is not [])
        {
            Head("Turns without you, the newest first");
            output.Table(
                ["TIME", "WAKE", "OUTCOME", "RUNNER", "NOTE", "REASONS"],
                turns.Select(x =>
                    (string?[])
                        [
                            TimeFormat.Format(x.EndedAt ?? x.StartedAt ?? x.DispatchedAt),
                            $"{x.Number}",
                            x.Outcome is { } outcome ? Output.EnumWord(outcome) : Output.EnumWord(x.State),
                            x.Runner,
                            x.Note,
                            string.Join(" | ", x.Reasons),
                        ]
                )
            );
        }

        ShowPending("Starts the next turn", Delivery.Wake);
        ShowPending("Ambient: waits for the next turn", Delivery.Ambient);
        return turns is not [] || explained.Pending is not [];

        void Head(string title)
        {
            output.Line($"");
            output.Line($"{title}");
        }

        void ShowPending(string title, Delivery delivery)
        {
            PendingEvent[] pending = [.. explained.Pending.Where(x => x.Delivery == delivery)];
            if (pending is [])
                return;

            Head(title);
            output.Table(
                ["TIME", "EVENT", "TYPE", "SUBJECT", "REASON"],
                pending.Select(x => (string?[])[TimeFormat.Format(x.RoutedAt), x.Id, x.Type, x.Subject, x.Reason])
            );
        }
    }

    // A list of answers as they came.
    static byte[] Join(IEnumerable<byte[]> answers)
    {
        List<byte> list = [(byte)'['];
        foreach (var answer in answers)
        {
            if (list.Count > 1)
                list.Add((byte)',');
            list.AddRange(answer);
        }

        return [.. list, (byte)']'];
    }
}
