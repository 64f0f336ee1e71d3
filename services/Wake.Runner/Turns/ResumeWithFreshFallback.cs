using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>What an attempt at a turn came to.</summary>
/// <param name="Reaction">What is done about it.</param>
/// <param name="Acknowledged">Whether the CLI gave a result for the message, and so will not act on it again.</param>
/// <param name="Cost">What all of its runs cost.</param>
sealed record AttemptOutcome(Reaction Reaction, bool Acknowledged, TurnCost Cost);

/// <summary>
/// One attempt at a turn: resumes the Claude session, and where that cannot be done begins a fresh one in its place, if
/// the profile and what the failed run has done permit it.
/// </summary>
sealed class ResumeWithFreshFallback(
    Turns turns,
    Sessions sessions,
    Budgets budgets,
    FactChecks factChecks,
    Workspaces workspaces,
    RunPreparation preparation,
    RunExecution execution,
    IOptions<RunnerOptions> options,
    IOptions<Profiles> profiles,
    TimeProvider time,
    ILogger<ResumeWithFreshFallback> log
)
{
    // Bound on runs of the CLI within one attempt (resume, begin, resume one that exists after all, begin another):
    // more means that its answers contradict each other.
    const int MaxRuns = 5;

    /// <summary>Runs the CLI until there is something to settle the turn with.</summary>
    /// <param name="claimed">The turn.</param>
    /// <param name="shutdown">The runner shuts down: interrupt the turn.</param>
    /// <param name="lost">The turn is another runner's now.</param>
    /// <exception cref="OperationCanceledException">The turn was lost.</exception>
    public async Task<AttemptOutcome> RunAttempt(
        ClaimedTurn claimed,
        CancellationToken shutdown,
        CancellationToken lost
    )
    {
        if (await DecideWithoutRun(claimed, lost) is { } decided)
            return new(decided, Acknowledged: false, default);

        var facts = await factChecks.Check(claimed, profiles.Value.GetOrDefault(claimed.Profile), lost);
        if (facts.IsStale)
            return new(new Reaction.End(TurnOutcome.Stale, facts.Note), Acknowledged: false, default);

        var (turn, spent) = await turns.CountCiAttempts(facts.Turn, lost);
        if (spent is not null)
            return new(new Reaction.Release(new TurnRelease.Park(null, spent)), Acknowledged: false, default);

        var session =
            turn.ClaudeSession
            ?? await CreateClaudeSession(turn, instead: null, lost)
            ?? throw new OperationCanceledException(lost);

        // An earlier attempt may already have created this session's transcript, so the first run tries to resume it.
        var next = new NextRun(turn, session, Resume: turn.ClaudeSession is not null);
        var (cost, hasSideEffects) = (default(TurnCost), turn.HasSideEffects);

        for (var number = 1; number <= MaxRuns; number++)
        {
            var run = await RunOnce(next, shutdown, lost);
            (cost, hasSideEffects) = (cost + run.Cost, hasSideEffects || run.HasSideEffects);

            var reaction = React(turn, run.Result) with
            {
                Unsaved = run.Unsaved,
                Remarks = run.Remarks,
                LastWords = run.LastWords,
            };
            switch (await Continue(next, run, reaction, number, hasSideEffects, lost))
            {
                case Step.RunAgain { Next: var again }:
                    next = again;
                    break;

                case Step.Settle { Reaction: var settled, Acknowledged: var acknowledged }:
                    return new(settled, acknowledged, cost);
            }
        }

        return new(Contradictory(next), Acknowledged: false, cost);
    }

    // A turn that needs no run of the CLI, or must not have one; null when it is to be run.
    async Task<Reaction?> DecideWithoutRun(ClaimedTurn turn, CancellationToken lost) =>
        turn is { Events: [], Questions: [] }
            ? new Reaction.End(TurnOutcome.Completed, "every event had expired before the turn began")
        : turn.CrashedAttempts >= options.Value.MaxAttempts
            ? React(turn, new ClaudeResult.Crashed("no runner survived it"))
        : await budgets.Exceeded(turn, CancellationToken.None).WaitAsync(lost) is { } park ? new Reaction.Release(park)
        : null;

    // What follows from a run: another one, or the end of the attempt.
    async Task<Step> Continue(
        NextRun current,
        ClaudeRun run,
        Reaction reaction,
        int number,
        bool hasSideEffects,
        CancellationToken lost
    )
    {
        switch (reaction)
        {
            // It was chosen and never begun: there is nothing to resume yet.
            case Reaction.StartFresh
                when run.Result is ClaudeResult.SessionLost { Why: null } && !current.Session.Opened && number < 3:
                return new Step.RunAgain(current with { Resume = false });

            case Reaction.Resume:
                return new Step.RunAgain(current with { Resume = true });

            // The CLI reports a duplicate, but this is the message's first attempt: it was not processed. It is sent
            // again under a new id, once.
            case Reaction.End
                when run.Result is ClaudeResult.Completed { AlreadyProcessed: true } && !current.Turn.MayRepeatMessage:
                return current.SentUnderNewId
                    ? new Step.Settle(Contradictory(current), Acknowledged: false)
                    : new Step.RunAgain(await RenewMessageId(current, lost));

            case Reaction.StartFresh { Why: var why }:
                return await StartFresh(current, run, why, hasSideEffects, lost);

            // The CLI may lose the answer to a call that stands beside others: it is told to make it again, alone.
            case Reaction.Release
                when run.Result is ClaudeResult.Deferred { Question: { } asks, HasSiblingCalls: true }
                    && number < MaxRuns:
                SettledQuestion askAgain = new(asks.ToolUseId, asks.Tool, asks.Input, null) { AskAgain = true };
                return new Step.RunAgain(
                    current with
                    {
                        Turn = current.Turn with { Questions = [.. current.Turn.Questions, askAgain] },
                        Resume = true,
                    }
                );

            case Reaction.Release { How: TurnRelease.Park { Question: not null } ask } release:
                var answerTimeout = profiles.Value.GetOrDefault(current.Turn.Profile).AnswerTimeout;
                return new Step.Settle(release with { How = ask with { Until = answerTimeout } }, run.Acknowledged);

            default:
                return new Step.Settle(reaction, run.Acknowledged);
        }
    }

    async Task<NextRun> RenewMessageId(NextRun current, CancellationToken lost)
    {
        const string note =
            "the CLI took the first attempt for a message it had finished before; told again under another id";
        var turn =
            await turns.RenewMessageSalt(current.Turn, note, CancellationToken.None).WaitAsync(lost)
            ?? throw new OperationCanceledException(lost);
        log.LogWarning("{SessionKey} wake {Wake}: {Note}.", turn.SessionKey, turn.WakeNumber, note);
        return current with { Turn = turn, Resume = true, SentUnderNewId = true };
    }

    // Leaves the Claude session for a fresh one, or parks the turn where that is not allowed.
    async Task<Step> StartFresh(
        NextRun current,
        ClaudeRun run,
        ResumeUnavailable why,
        bool hasSideEffects,
        CancellationToken lost
    )
    {
        var turn = current.Turn;
        WakeMetrics.ResumeFailures.Add(1, new KeyValuePair<string, object?>("class", why.Class));

        if (await WhyNoFreshSession(turn, why, hasSideEffects, lost) is { } reason)
            return Park(reason);

        if (await CreateClaudeSession(turn, why, lost) is not { } fresh)
            return Park($"a fresh session would be needed ({why.Detail}), and this wake has begun one already");

        log.LogWarning(
            "{SessionKey} wake {Wake}: Claude session {Left} is left ({Class}); beginning {Fresh}.",
            turn.SessionKey,
            turn.WakeNumber,
            current.Session.Id,
            why.Class,
            fresh.Id
        );
        WakeMetrics.FreshRetries.Add(1);
        return new Step.RunAgain(current with { Session = fresh, Resume = false });

        Step Park(string note) =>
            new Step.Settle(new Reaction.Release(new TurnRelease.Park(null, note)), run.Acknowledged);
    }

    // What forbids a fresh session, for people; null when nothing does.
    async Task<string?> WhyNoFreshSession(
        ClaimedTurn turn,
        ResumeUnavailable why,
        bool hasSideEffects,
        CancellationToken lost
    )
    {
        var profile = profiles.Value.GetOrDefault(turn.Profile);

        if (profile.Resume is ResumePolicy.Always)
            return $"the session cannot be gone on with ({why.Detail}), and its profile never begins a fresh one";

        if (profile.FreshAfterSideEffects)
            return null;

        // A manual wake overrides the commit check (its author has seen the commits), not tool calls made since.
        var found =
            hasSideEffects ? "this wake had called tools already"
            : profile.CheckCommits && !turn.BudgetOverride && await workspaces.HasNewCommits(turn, lost)
                ? "its workspace has new commits"
            : null;

        return found is null
            ? null
            : $"the session cannot be gone on with ({why.Detail}), and {found}; "
                + "a fresh session might do the same again. See what was done, then wake the session again to begin "
                + "a fresh one";
    }

    async Task<ClaudeRun> RunOnce(NextRun next, CancellationToken shutdown, CancellationToken lost)
    {
        // Shutting down already: do not start a process only to interrupt it.
        if (shutdown.IsCancellationRequested)
            return ClaudeRun.NotStarted(new ClaudeResult.Interrupted());

        try
        {
            await using var prepared = new PreparedRun(next.Turn, next.Session, next.Resume);
            return await preparation.Prepare(prepared, shutdown, lost) is { } unusable
                ? ClaudeRun.NotStarted(unusable)
                : await execution.Run(prepared, shutdown, lost);
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            return ClaudeRun.NotStarted(
                new ClaudeResult.FilesFail($"its files cannot be used there: {failed.Message}")
            );
        }
    }

    // The id is in the store before the CLI is given it, so that a crash in between leaves no session nobody knows.
    // Null: this wake may not have one, or is another runner's.
    async Task<ClaudeSession?> CreateClaudeSession(ClaimedTurn turn, ResumeUnavailable? instead, CancellationToken lost)
    {
        var id = Guid.NewGuid();
        return await sessions.BeginClaudeSession(turn, id, instead, CancellationToken.None).WaitAsync(lost)
            ? new(id, Opened: false, instead?.Detail ?? Sessions.First, turn.WakeNumber)
            : null;
    }

    Reaction React(ClaimedTurn turn, ClaudeResult result) =>
        Reaction.For(result, turn.Attempt - turn.Interruptions, options.Value, time.GetUtcNow());

    Reaction Contradictory(NextRun next) =>
        React(
            next.Turn,
            new ClaudeResult.Misconfigured($"contradictory answers about Claude session {next.Session.Id}")
        );

    /// <summary>What the next run of the CLI is asked to do.</summary>
    /// <param name="Turn">The turn, with what has been settled in this attempt.</param>
    /// <param name="Session">The Claude session.</param>
    /// <param name="Resume">Go on with it, or begin it.</param>
    /// <param name="SentUnderNewId">Whether the message was taken for a duplicate and has another id now.</param>
    sealed record NextRun(ClaimedTurn Turn, ClaudeSession Session, bool Resume, bool SentUnderNewId = false);

    abstract record Step
    {
        public sealed record RunAgain(NextRun Next) : Step;

        public sealed record Settle(Reaction Reaction, bool Acknowledged) : Step;
    }
}
