using System.CommandLine;
using System.Text.Json.Nodes;
using Wake.Contracts;
using Wake.Store;

namespace Wake.Cli;

/// <summary><c>wake resume</c>: a person or a script wakes a session, and may wait for its turn.</summary>
sealed class ResumeCommand : ClientCommand
{
    readonly Option<string> session = new("--session")
    {
        HelpName = "SESSION",
        Required = true,
        Description = "The session's key, or the id of a Claude session. "
            + "One that Wake does not know is registered from its local transcript.",
    };

    readonly Option<string> reason = new("--reason")
    {
        HelpName = "TEXT",
        Required = true,
        Description = "What the session is told. Any text: whatever follows is the reason, even if it begins with a dash.",
    };

    readonly Option<bool> wait = CommonOptions.Flag("--wait",
        "Wait until the turn is over: exit code 0 when it completed, 1 when it ended otherwise or is parked.");

    readonly Option<TimeSpan?> timeout = Times.DurationOption("--timeout",
        "With --wait: stop waiting after this long. The turn goes on.");

    public ResumeCommand() : base("resume",
        "Wakes a session now, for a reason of your own.",
        """
        While no Wake runs here the wish is kept in the data folder and granted when one starts; the session is known by its
        key then. With --wait it fails instead.

        With --output json: the decision about the wake, with --wait what became of it.

        Examples:
          wake resume --session implementer --reason "PR #972 merged"
          wake resume --session 01234567-89ab-cdef-0123-456789abcdef --reason "PR #972 merged" --wait --timeout 30m
        """)
    {
        Takes(session, reason, wait, timeout);
        Validators.Add(given =>
        {
            if (given.GetResult(timeout) is not null && !given.GetValue(wait))
                given.AddError("--timeout needs --wait.");
        });
    }

    protected override async Task<int> Run(ParseResult given, WakeClient wake, Output output, CancellationToken cancel)
    {
        var (named, why) = (given.GetRequiredValue(session), given.GetRequiredValue(reason));
        try
        {
            return await Ask(given, wake, named, why, output, cancel);
        }
        catch (NotRunningException down) when (down.Spool is { } spool && !given.GetValue(wait))
        {
            ForLater.Keep(spool, EventJson.Write(WakeRequested.Of(named, why)), output);
            if (Guid.TryParse(named, out _))
                Output.Note("If Wake does not know this session yet, say it again then: only a Wake that runs registers one from its transcript.");
            return 0;
        }
    }

    async Task<int> Ask(ParseResult given, WakeClient wake, string named, string why, Output output, CancellationToken cancel)
    {
        var (key, answer) = await Registration.Ask(wake, named, key => wake.Post(
            $"/v1/sessions/{WakeClient.Segment(key)}/wake", new JsonObject { ["reason"] = why }, cancel), cancel);

        var decision = answer.Expected().Read(CliJson.Default.IntakeDecision);
        if (decision.Sessions is [])
            throw new CommandException($"The session {key} was closed in the meantime.");

        if (given.GetValue(wait))
            return await Wait(wake, decision, given.GetValue(timeout), output, cancel);

        if (output.Json)
            output.Raw(answer.Body);
        else
            output.Line($"Woken: {key}. What becomes of it: wake explain {decision.Id}");
        return 0;
    }

    static async Task<int> Wait(WakeClient wake, IntakeDecision decision, TimeSpan? timeout, Output output, CancellationToken cancel)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        // More days are more than a timer can count.
        if (timeout is { TotalDays: < 49 } patience)
            bound.CancelAfter(patience);

        FollowedTurn followed;
        try
        {
            followed = await Output.Progress(
                "Waiting for a runner", progress => new TurnFollower(wake, decision, progress).Follow(bound.Token));
        }
        catch (OperationCanceledException) when (bound.IsCancellationRequested)
        {
            var why = cancel.IsCancellationRequested ? "Stopped waiting" : "Waited long enough";
            Output.Note($"{why}; the turn goes on. What becomes of it: wake explain {decision.Id}");
            return 1;
        }

        if (output.Json)
            output.Raw(followed.Answer.Body);

        var (key, note) = (decision.Sessions[0], followed.Turn?.Note is { } text ? $": {text}" : "");
        switch (followed)
        {
            case FollowedTurn.Ended { Turn: { Outcome: TurnOutcome.Completed } turn }:
                if (!output.Json)
                {
                    var (seconds, cost) = (turn.DurationMs / 1000.0, turn.CostUsd);
                    output.Line($"[green]completed[/]: wake {turn.Number} of {key}, in {seconds:0.0} s for ${cost:0.####}{note}");
                }

                return 0;

            case FollowedTurn.Ended { Turn: var turn }:
                Output.Note($"Wake {turn!.Number} of {key} ended: {Output.Word(turn.Outcome)}{note}");
                return 1;

            case FollowedTurn.Parked { Turn: var turn }:
                Output.Note($"Wake {turn!.Number} of {key} is parked{note}");
                return 1;

            default:
                Output.Note($"The session {key} was closed before its turn.");
                return 1;
        }
    }
}
