using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary>Follows an event to the end of the turn it is handed over in.</summary>
/// <param name="wake">Whom to ask.</param>
/// <param name="decision">The decision about the event, which belongs to one session.</param>
/// <param name="progress">Told how it stands.</param>
/// <param name="held">Told once of each process that the turn waits for: it may have it open for days.</param>
sealed class TurnFollower(WakeClient wake, IntakeResult decision, Action<string> progress, Action<string> held)
{
    static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(250);

    // Only each of so many looks asks about the session too: it answers what is true for hours.
    const int PollsPerSessionCheck = 8;

    // A Wake that is restarted answers again after a few seconds.
    static readonly TimeSpan UnavailableTimeout = TimeSpan.FromMinutes(1);

    readonly string key = decision.Sessions[0];

    // What it was last said to wait for.
    string? waitsFor;

    // The park seen when the session was asked about last.
    LedgerLine? parked;

    /// <summary>Returns when the turn is over, or will not run before somebody acts.</summary>
    public async Task<FollowedTurn> Follow(CancellationToken cancel)
    {
        var answered = DateTimeOffset.UtcNow;
        for (var looks = 0; ; looks++)
        {
            try
            {
                if (
                    await PollTurn(askSession: looks % PollsPerSessionCheck == PollsPerSessionCheck - 1, cancel) is
                    { } over
                )
                    return over;

                answered = DateTimeOffset.UtcNow;
            }
            catch (NoAnswerException) when (DateTimeOffset.UtcNow - answered < UnavailableTimeout)
            {
                progress("Wake does not answer; trying again");
            }

            await Task.Delay(PollInterval, cancel);
        }
    }

    async Task<FollowedTurn?> PollTurn(bool askSession, CancellationToken cancel)
    {
        var answer = await wake.Get($"/v1/explain/events/{WakeClient.EscapeSegment(decision.Id)}", cancel);
        if ((int)answer.Status >= 500)
            throw new NoAnswerException(answer.ToException().Message);

        var explained = answer.EnsureSuccess().ReadAs(CliJson.Default.EventExplanation);
        var turn = explained.InboxEntries.FirstOrDefault(x => x.Session == key)?.Turn;
        switch (turn?.State)
        {
            case TurnState.Ended:
                return new FollowedTurn.Ended(answer, turn);

            case TurnState.Parked:
                return new FollowedTurn.Parked(answer, turn);

            case TurnState.Running:
                progress(
                    $"Wake {turn.Number} runs on {turn.Runner}{(turn.Attempt > 1 ? $", attempt {turn.Attempt}" : "")}"
                );
                return null;

            case TurnState.Waiting:
                ReportWaiting(turn);
                return null;
        }

        progress(
            waitsFor
                ?? (
                    turn is null
                        ? "Waiting for a runner"
                        : $"Wake {turn.Number} waits for a runner{(turn.Note is { } note ? $": {note}" : "")}"
                )
        );
        return askSession ? await CheckSession(answer, explained.AcceptedAt, cancel) : null;
    }

    void ReportWaiting(Turn turn)
    {
        var why = $"Wake {turn.Number} of {key} is waiting: {turn.Note}.";
        progress(why);
        if (why == waitsFor)
            return;

        waitsFor = why;
        held(why);
    }

    // The event waits behind an earlier turn, which this wake frees from its park, now or when it parks next. Parked
    // since then, and still so a while later, means parked again.
    async Task<FollowedTurn?> CheckSession(ApiResponse answer, DateTimeOffset acceptedAt, CancellationToken cancel)
    {
        var asked = await wake.Get($"/v1/explain/sessions/{WakeClient.EscapeSegment(key)}", cancel);
        if (!asked.IsSuccess)
            return null;

        var explained = asked.ReadAs(CliJson.Default.SessionExplanation);
        if (explained.Session.State is SessionState.Closed)
            return new FollowedTurn.Closed(answer);

        if (explained.Session is { State: SessionState.Waiting, LastTurn: { } turn })
            ReportWaiting(turn);
        else
            waitsFor = null;

        var last = explained.Ledger is [.., { What: "parked" } line] && line.At > acceptedAt ? line : null;
        var again = last is not null && last == parked;
        parked = last;
        return
            again
            && explained.Session
                is { State: SessionState.Parked or SessionState.WaitingForAnswer, LastTurn: { } earlier }
            ? new FollowedTurn.Parked(answer, earlier)
            : null;
    }
}

/// <summary>How the following of a turn ended.</summary>
/// <param name="Answer">What the API said last about the event.</param>
/// <param name="Turn">The turn, if there is one.</param>
abstract record FollowedTurn(ApiResponse Answer, Turn? Turn)
{
    /// <summary>The turn is over.</summary>
    public sealed record Ended(ApiResponse Answer, Turn Turn) : FollowedTurn(Answer, Turn);

    /// <summary>The turn, or one before it, waits for a person or a date.</summary>
    public sealed record Parked(ApiResponse Answer, Turn Turn) : FollowedTurn(Answer, Turn);

    /// <summary>The session was closed and takes no more turns.</summary>
    public sealed record Closed(ApiResponse Answer) : FollowedTurn(Answer, Turn: null);
}
