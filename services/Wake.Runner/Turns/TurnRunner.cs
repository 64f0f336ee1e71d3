using MassTransit;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// One turn, from its claim to its ending: holds its lease while <see cref="ResumeWithFreshFallback"/> runs it, and
/// settles it, which is to record in the store what came of it.
/// </summary>
sealed class TurnRunner(
    Turns turns,
    ResumeWithFreshFallback attempt,
    LeaseWatchdog watchdog,
    WarmSessions warmSessions,
    AffinityQueue affinity,
    RunnerPause pause,
    IBus bus,
    IOptions<RunnerOptions> options,
    TimeProvider time,
    ILogger<TurnRunner> log
)
{
    // Delay between retries of the final write when PostgreSQL is unreachable.
    static readonly TimeSpan StoreRetryDelay = TimeSpan.FromSeconds(1);

    /// <summary>Runs a claimed turn and records its outcome in the store before it returns.</summary>
    /// <param name="running">The turn. Told to stop, it is interrupted and released.</param>
    /// <param name="claimedAt">When its claim was sent, from which its lease counts.</param>
    public async Task RunTurn(RunningTurn running, long claimedAt)
    {
        var turn = running.Turn;
        using var telemetry = new TurnTelemetry(turn, time);
        await using var lease = new TurnLease(turns, watchdog, turn, options.Value.Lease, claimedAt, time, log);
        var started = time.GetTimestamp();
        var settled = false;
        try
        {
            lease.Lost.ThrowIfCancellationRequested();
            var ended = WithReason(await attempt.RunAttempt(turn, running.Stop, lease.Lost), running.Why);
            settled = await Settle(
                turn,
                ended with
                {
                    Cost = ended.Cost with { Duration = time.GetElapsedTime(started) },
                },
                lease.Lost
            );
            if (settled)
                telemetry.SetOutcome(ended.Reaction, ended.Cost);
        }
        catch (OperationCanceledException) when (lease.Lost.IsCancellationRequested)
        {
            log.LogWarning(
                "{SessionKey} wake {Wake}: the turn was lost and its process killed.",
                turn.SessionKey,
                turn.WakeNumber
            );
        }
        finally
        {
            if (!settled)
                await warmSessions.Evict(turn.SessionId);
        }
    }

    // An interruption is put down to the runner, unless somebody has asked for it.
    static AttemptOutcome WithReason(AttemptOutcome ended, string? why) =>
        why is not null
        && ended.Reaction is Reaction.Release { How: TurnRelease.Retry { Interrupted: true } how } release
            ? ended with
            {
                Reaction = release with { How = how with { Note = why } },
            }
            : ended;

    // Not cancelled by a shutdown: the outcome of the turn is worth the moment it takes. False: the turn was no longer
    // ours.
    async Task<bool> Settle(ClaimedTurn turn, AttemptOutcome ended, CancellationToken lost)
    {
        // Before the turn is recorded as over: the session's next one may be this runner's, milliseconds from then.
        if (!MayStayWarm(ended))
            await warmSessions.Evict(turn.SessionId);

        var settled = ended.Reaction switch
        {
            Reaction.End end => await End(turn, end, ended, lost),
            Reaction.Release release => await Release(turn, release.How, ended, lost),
            Reaction.PauseRunner stop => await PauseAndRelease(turn, stop, ended, lost),
            _ => false,
        };

        if (!settled)
            log.LogWarning(
                "{SessionKey} wake {Wake}: the turn belongs to another runner now; this one's ending is dropped.",
                turn.SessionKey,
                turn.WakeNumber
            );
        return settled;
    }

    async Task<bool> End(ClaimedTurn turn, Reaction.End end, AttemptOutcome ended, CancellationToken lost)
    {
        var (note, next) = (NoteFor(end, end.Note), affinity.For(turn, end.Unsaved is not null));
        if (
            !await RetryWhileUnavailable(
                turn,
                () =>
                    turns.EndTurn(
                        turn,
                        end.Outcome,
                        note,
                        ended.Cost,
                        CancellationToken.None,
                        next,
                        lastWords: end.LastWords
                    ),
                lost
            )
        )
            return false;

        log.LogInformation(
            "{SessionKey} wake {Wake}: {Outcome}. {Note}",
            turn.SessionKey,
            turn.WakeNumber,
            end.Outcome,
            note ?? ""
        );
        await bus.Publish(new TurnEnded(turn.SessionId, turn.WakeNumber, end.Outcome), CancellationToken.None);
        return true;
    }

    async Task<bool> Release(ClaimedTurn turn, TurnRelease how, AttemptOutcome ended, CancellationToken lost)
    {
        how = how with { Note = NoteFor(ended.Reaction, how.Note)! };
        if (
            !await RetryWhileUnavailable(
                turn,
                () => turns.Release(turn, how, ended.Acknowledged, ended.Cost, CancellationToken.None),
                lost
            )
        )
            return false;

        log.LogWarning("{SessionKey} wake {Wake}: given back, {Note}", turn.SessionKey, turn.WakeNumber, how.Note);
        return true;
    }

    // Paused before the turn is free again, so that the turn goes to another runner if there is one.
    Task<bool> PauseAndRelease(
        ClaimedTurn turn,
        Reaction.PauseRunner stop,
        AttemptOutcome ended,
        CancellationToken lost
    )
    {
        pause.StartOrExtend(stop.Why, stop.Until);
        return Release(turn, stop.How, ended, lost);
    }

    // Of a turn that was not run nothing has reached the process.
    static bool MayStayWarm(AttemptOutcome ended) =>
        ended.Reaction is Reaction.End { Outcome: TurnOutcome.Completed or TurnOutcome.Stale };

    static string? NoteFor(Reaction reaction, string? note) =>
        TurnNote.Join(
            note,
            reaction.Unsaved is { } why ? $"its memory is incomplete in the store: {why}" : null,
            reaction.Remarks
        );

    // The write is fenced by the epoch, so it is safe to retry until it is answered or the turn is lost. After a failed
    // attempt IsAttemptReported tells whether that one was committed.
    async Task<bool> RetryWhileUnavailable(ClaimedTurn turn, Func<Task<bool>> write, CancellationToken lost)
    {
        var began = time.GetTimestamp();
        for (var unsure = false; ; unsure = true)
        {
            try
            {
                return await write().WaitAsync(lost)
                    || unsure && await turns.IsAttemptReported(turn, CancellationToken.None).WaitAsync(lost);
            }
            catch (Exception down)
                when (PostgresErrors.IsTransient(down) && time.GetElapsedTime(began) < options.Value.Lease)
            {
                log.LogWarning(
                    "{SessionKey} wake {Wake}: what the turn came to could not be written down ({Reason}); "
                        + "trying again.",
                    turn.SessionKey,
                    turn.WakeNumber,
                    down.Message
                );
                if (unsure)
                    await Task.Delay(StoreRetryDelay, time, lost);
            }
        }
    }
}
