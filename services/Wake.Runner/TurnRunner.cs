using MassTransit;
using Microsoft.Extensions.Options;
using Npgsql;
using Wake.Contracts;
using Wake.Store;

namespace Wake.Runner;

/// <summary>One turn, from the claim to its ending.</summary>
sealed class TurnRunner(
    Turns turns, Sessions sessions, Transcripts transcripts, ClaudeCli claude, WakePrompt prompt, IBus bus,
    IOptions<RunnerOptions> options, IOptions<ClaudeProfiles> profiles, TimeProvider time, ILogger<TurnRunner> log)
{
    // Resume, begin, resume what turned out to exist, begin another: more answers than these contradict each other.
    const int MaxRuns = 5;

    /// <summary>Runs a claimed turn. Everything it comes to is in the store before it returns.</summary>
    /// <param name="turn">The turn.</param>
    /// <param name="shutdown">The runner shuts down: interrupt the turn and give it back.</param>
    public async Task Run(ClaimedTurn turn, CancellationToken shutdown)
    {
        await using var lease = new TurnLease(turns, turn, options.Value.Lease, time, log);
        var started = time.GetTimestamp();
        try
        {
            var (reaction, answered, cost) = await Attempt(turn, shutdown, lease.Lost);
            await Settle(turn, reaction, answered, new(cost, time.GetElapsedTime(started)));
        }
        catch (OperationCanceledException) when (lease.Lost.IsCancellationRequested)
        {
            log.LogWarning("{SessionKey} wake {Wake}: the turn was lost and its process killed.", turn.SessionKey, turn.WakeNumber);
        }
    }

    async Task<(Reaction, bool Answered, decimal CostUsd)> Attempt(ClaimedTurn turn, CancellationToken shutdown, CancellationToken lost)
    {
        var failures = turn.Attempt - turn.Interruptions;

        if (turn.Events is [])
            return (new Reaction.End(TurnOutcome.Completed, "every event had expired before the turn began"), false, 0);

        // Earlier attempts died without a word, or there would have been a reaction to them.
        if (failures > options.Value.MaxAttempts)
            return (Reaction.To(new ClaudeResult.Crashed("no runner survived it"), failures, options.Value, time.GetUtcNow()), false, 0);

        var claudeSession = turn.ClaudeSession ?? await Begin(turn, instead: null, lost)
            ?? throw new OperationCanceledException(lost);

        // An id that an earlier attempt chose may have a transcript by now: resuming tells.
        var (resume, acted, cost) = (turn.ClaudeSession is not null, turn.Acted, 0m);

        for (var runs = 1; runs <= MaxRuns; runs++)
        {
            var run = await Run(turn, claudeSession, resume, shutdown, lost);
            (cost, acted) = (cost + run.CostUsd, acted || run.Acted);

            switch (run.Result)
            {
                case ClaudeResult.SessionLost { Why: null } when !claudeSession.Opened && runs < 3:
                    resume = false;
                    break;

                case ClaudeResult.AlreadyBegun:
                    resume = true;
                    break;

                case ClaudeResult.SessionLost { Why: var why }:
                    why ??= new(ResumeUnavailable.NotResumable, "the one before it could not be resumed");

                    if (NoFresh(turn, why, acted) is { } reason)
                        return (new Reaction.GiveBack(new TurnReturn.Park(null, reason)), false, cost);

                    if (await Begin(turn, why, lost) is not { } fresh)
                    {
                        return (new Reaction.GiveBack(new TurnReturn.Park(null,
                            "the session could not be resumed, and this wake has begun a fresh one already")), false, cost);
                    }

                    log.LogWarning("{SessionKey} wake {Wake}: Claude session {Lost} is not resumed ({Class}); beginning {Fresh}.",
                        turn.SessionKey, turn.WakeNumber, claudeSession.Id, why.Class, fresh.Id);
                    (claudeSession, resume) = (fresh, false);
                    break;

                default:
                    return (Reaction.To(run.Result, failures, options.Value, time.GetUtcNow()), run.Answered, cost);
            }
        }

        return (Reaction.To(new ClaudeResult.Misconfigured($"contradictory answers about Claude session {claudeSession.Id}"),
            failures, options.Value, time.GetUtcNow()), false, cost);
    }

    // What forbids a fresh session, for people; null when nothing does.
    string? NoFresh(ClaimedTurn turn, ResumeUnavailable why, bool acted)
    {
        var profile = profiles.Value.Of(turn.Profile);

        if (profile.Resume is ResumePolicy.Always)
            return $"the session cannot be gone on with ({why.Detail}), and its profile never begins a fresh one";

        return acted && !profile.FreshAfterActing
            ? $"the session cannot be gone on with ({why.Detail}), and this wake had called tools already; a fresh session might do the "
                + "same again. See what it did, then wake the session again to begin a fresh one"
            : null;
    }

    async Task<ClaudeRun> Run(
        ClaimedTurn turn, ClaudeSession claudeSession, bool resume, CancellationToken shutdown, CancellationToken lost)
    {
        var profile = profiles.Value.Of(turn.Profile);
        await using var memory = new SessionMemory(transcripts, turn, claudeSession.Id, claude.ConfigFolder, log);

        if (resume && Freshness.Of(await memory.Bring(lost), claudeSession, turn, profile, time.GetUtcNow()) is { } why)
            return new(new ClaudeResult.SessionLost(why), Answered: false, Acted: false, 0);

        memory.Keep();
        var (opened, told) = (false, 0);
        var run = await claude.Run(
            new(claudeSession.Id, resume, turn.Workspace, profile, ClaudeCommand.MessageIdOf(turn), turn.IsRepetition,
                prompt.For(turn with { ClaudeSession = claudeSession })),
            Heard, shutdown, lost);

        await memory.Save(entirely: true);
        return run;

        void Heard(ClaudeOutput output)
        {
            if (output.Opened && !opened)
            {
                opened = true;
                _ = NoteOpened(turn, claudeSession.Id);
            }

            if (output.Told > told)
            {
                told = output.Told;
                memory.Grew(output.Acted);
            }
        }
    }

    // Early, so that a crash in this very turn leaves a session that is known to have a memory. Nothing waits for it: the
    // turn's ending notes it as well.
    async Task NoteOpened(ClaimedTurn turn, Guid claudeSessionId)
    {
        try
        {
            await sessions.ClaudeSessionOpened(turn.SessionId, claudeSessionId, CancellationToken.None);
        }
        catch (NpgsqlException failed)
        {
            log.LogWarning("{SessionKey} wake {Wake}: that the session was opened could not be noted ({Reason}).",
                turn.SessionKey, turn.WakeNumber, failed.Message);
        }
    }

    // The id is in the store before the CLI hears of it, so that a crash in between leaves no session nobody knows.
    async Task<ClaudeSession?> Begin(ClaimedTurn turn, ResumeUnavailable? instead, CancellationToken lost)
    {
        var id = Guid.NewGuid();
        return await sessions.BeginClaudeSession(turn, id, instead, CancellationToken.None).WaitAsync(lost)
            ? new(id, Opened: false, instead?.Detail ?? Sessions.First, turn.WakeNumber)
            : null;
    }

    async Task Settle(ClaimedTurn turn, Reaction reaction, bool answered, TurnCost cost)
    {
        // Not cancelled by a shutdown: what the turn came to is worth the moment it takes.
        switch (reaction)
        {
            case Reaction.End end:
                if (!await turns.End(turn, end.Outcome, end.Note, cost, CancellationToken.None))
                    break;

                log.LogInformation("{SessionKey} wake {Wake}: {Outcome}. {Note}", turn.SessionKey, turn.WakeNumber, end.Outcome, end.Note ?? "");
                await bus.Publish(new TurnEnded(turn.SessionId, turn.WakeNumber, end.Outcome), CancellationToken.None);
                return;

            case Reaction.GiveBack back:
                if (!await turns.GiveBack(turn, back.How, answered, cost, CancellationToken.None))
                    break;

                log.LogWarning("{SessionKey} wake {Wake}: given back, {Note}", turn.SessionKey, turn.WakeNumber, back.How.Note);
                return;
        }

        log.LogWarning("{SessionKey} wake {Wake}: the turn belongs to another runner now; this one's ending is dropped.",
            turn.SessionKey, turn.WakeNumber);
    }
}
