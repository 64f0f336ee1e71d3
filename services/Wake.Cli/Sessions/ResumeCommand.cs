using System.CommandLine;
using Wake.Contracts;
using Wake.Contracts.Http;
using Wake.Gateway;

namespace Wake.Cli;

/// <summary><c>wake resume</c>: a person or a script wakes a session, and may wait for its turn.</summary>
sealed class ResumeCommand : ClientCommand
{
    readonly Option<string> session = new("--session")
    {
        HelpName = "SESSION",
        Required = true,
        Description =
            "The session's key, or the id of a Claude session. "
            + "One that Wake does not know is registered from its local transcript.",
    };

    readonly Option<string> reason = new("--reason")
    {
        HelpName = "TEXT",
        Required = true,
        Description =
            "What the session is told. Any text: whatever follows is the reason, even if it begins with a dash.",
    };

    readonly Option<string?> dedupKey = new("--dedup-key")
    {
        HelpName = "KEY",
        Description =
            "Idempotency key for this request: a repeat with the same key does not wake the session again for as long "
            + "as events are retained (90 days). Default: every call is a new request.",
    };

    readonly Option<bool> wait = CommonOptions.Flag(
        "--wait",
        "Wait until the turn is over: exit code 0 when it completed, 1 when it ended otherwise or is parked."
    );

    readonly Option<bool> takeover = CommonOptions.Flag(
        "--takeover",
        "Run the turn even while the session is open elsewhere on the runner's machine, in a terminal for instance. "
            + "The history forks: neither knows what the other is told. Without it the turn waits until that is closed."
    );

    readonly Option<TimeSpan?> timeout = TimeFormat.DurationOption(
        "--timeout",
        "With --wait: stop waiting after this long. The turn goes on."
    );

    public ResumeCommand()
        : base(
            "resume",
            "Wakes a session now, for a reason of your own.",
            """
            If Wake is not running here, the request is spooled in the data folder and delivered at the next start. Use
            the session's key in that case. A request for a session that cannot exist is rejected when that can be
            determined: after a clean stop, and for a Claude session id without a local transcript. With --wait or
            --takeover the command fails instead.

            While the session is open in a terminal its turn waits until that is closed; with --wait the command says so.

            With --output json: the intake decision; with --wait: the event's explanation including the turn. If the
            session could not be resumed and a fresh one was started, --wait reports it with the reason (JSON: the
            turn's field "fresh").

            Examples:
              wake resume --session implementer --reason "PR #972 merged"
              wake resume --session 01234567-89ab-cdef-0123-456789abcdef --reason "PR #972 merged" --wait --timeout 30m
            """
        )
    {
        Accepts(session, reason, dedupKey, wait, timeout, takeover);
        Validators.Add(given =>
        {
            if (given.GetResult(timeout) is not null && !given.GetValue(wait))
                given.AddError("--timeout needs --wait.");
            if (
                given.GetValue(dedupKey) is { } key
                && (
                    string.IsNullOrWhiteSpace(key)
                        ? "must not be blank."
                        : EventValidation.TextProblem(key, EventLimits.MaxKeyLength)
                )
                    is { } problem
            )
                given.AddError($"--dedup-key {problem}");
        });
    }

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var (named, why) = (given.GetRequiredValue(session), given.GetRequiredValue(reason));
        try
        {
            return await RequestWake(given, wake, named, why, output, cancel);
        }
        catch (NotRunningException down)
            when (down.Spool is { } spool && !given.GetValue(wait) && !given.GetValue(takeover))
        {
            var sessions = down.Sessions;
            var key =
                sessions?.GetValueOrDefault(named)
                ?? (Guid.TryParse(named, out var id) ? sessions?.GetValueOrDefault($"{id:D}") : null);
            if (key is null && UnknownSessionProblem(named, sessions is not null) is { } problem)
                throw new CommandException(problem);

            SpoolWriter.Write(spool, new SpooledWake(key ?? named, why, given.GetValue(dedupKey)), output);
            if (key is null && Guid.TryParse(named, out _))
                Output.Note(
                    "If Wake does not know this session yet, say it again then: only a Wake that runs registers one "
                        + "from its transcript."
                );
            return 0;
        }
    }

    // Why a request to a session that is not among the known ones would be rejected at delivery; null where it may be
    // accepted.
    static string? UnknownSessionProblem(string named, bool areAllKnown)
    {
        var folder = LocalTranscripts.ConfigFolder;
        if (Guid.TryParseExact(named, "D", out var id))
        {
            return LocalTranscripts.FindWorkspace(folder, id) is null
                    ? $"Wake is not running, and {Path.Combine(folder, "projects")} has no transcript of a Claude "
                        + $"session {id}. If Wake knows it all the same, start it (wake up) and say it again."
                : areAllKnown
                    ? $"Wake does not know the Claude session {id} yet. One that runs registers it: wake up, and "
                        + "say it again."
                : null;
        }

        return areAllKnown
            ? $"There was no open session {named} when Wake was stopped. If one is to begin, start Wake (wake up) "
                + "and say it again."
            : null;
    }

    async Task<int> RequestWake(
        ParseResult given,
        WakeClient wake,
        string named,
        string why,
        Output output,
        CancellationToken cancel
    )
    {
        var (key, answer) = await SessionRegistration.SendWithRegistration(
            wake,
            named,
            key =>
                wake.Post(
                    $"/v1/sessions/{WakeClient.EscapeSegment(key)}/wake",
                    new WakeRequest(why, given.GetValue(dedupKey), given.GetValue(takeover)),
                    RequestJson.Default.WakeRequest,
                    cancel
                ),
            cancel
        );

        var decision = answer.EnsureSuccess().ReadAs(CliJson.Default.IntakeResult);
        var first = decision.DuplicateOf;
        if (first is not null)
            decision = decision with { Id = first, Sessions = [key] };
        if (decision.Sessions is [])
            throw new CommandException($"The session {key} was closed in the meantime.");

        if (!output.Json)
        {
            foreach (var warning in decision.Warnings ?? [])
                Output.Note($"{key}: {warning}");
        }

        if (given.GetValue(wait))
            return await WaitForTurn(wake, decision, given.GetValue(timeout), output, cancel);

        if (output.Json)
            output.Raw(answer.Body);
        else
            output.Line(
                $"{(first is null ? "Woken" : "Woken before")}: {key}. What becomes of it: wake explain {decision.Id}"
            );
        return 0;
    }

    static async Task<int> WaitForTurn(
        WakeClient wake,
        IntakeResult decision,
        TimeSpan? timeout,
        Output output,
        CancellationToken cancel
    )
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        // More days are more than a timer can count.
        if (timeout is { TotalDays: < 49 } patience)
            bound.CancelAfter(patience);

        FollowedTurn followed;
        try
        {
            followed = await Output.Progress(
                "Waiting for a runner",
                progress => new TurnFollower(wake, decision, progress, Held).Follow(bound.Token)
            );
        }
        catch (OperationCanceledException) when (bound.IsCancellationRequested)
        {
            var why = cancel.IsCancellationRequested ? "Stopped waiting" : "Waited long enough";
            Output.Note($"{why}; the wake stays. What becomes of it: wake explain {decision.Id}");
            return 1;
        }

        if (output.Json)
            output.Raw(followed.Answer.Body);
        else if (followed.Turn?.Fresh is { Why: var why, Left: var left, Begun: var begun })
            output.Line($"[yellow]A fresh session was begun[/]: {why}. Claude session {left} was left for {begun}.");

        var (key, note) = (decision.Sessions[0], followed.Turn?.Note is { } text ? $": {text}" : "");
        switch (followed)
        {
            case FollowedTurn.Ended { Turn: { Outcome: TurnOutcome.Completed } turn }:
                if (!output.Json)
                {
                    var (seconds, cost) = (turn.DurationMs / 1000.0, turn.CostUsd);
                    output.Line(
                        $"[green]completed[/]: wake {turn.Number} of {key}, in {seconds:0.0} s for ${cost:0.####}{note}"
                    );
                }

                return 0;

            case FollowedTurn.Ended { Turn: var turn }:
                Output.Note($"Wake {turn!.Number} of {key} ended: {Output.EnumWord(turn.Outcome)}{note}");
                return 1;

            case FollowedTurn.Parked { Turn: var turn }:
                Output.Note($"Wake {turn!.Number} of {key} is parked{note}");
                return 1;

            default:
                Output.Note($"The session {key} was closed before its turn.");
                return 1;
        }

        static void Held(string why) =>
            Output.Note($"{why} It runs when that is over; wake resume --takeover runs it all the same.");
    }
}
