using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>Looks for timers that are due, and has it decided about their sessions. Any number of replicas share the
/// work.</summary>
sealed class WakeSweeper(
    DueSessions due,
    ScheduledWakes scheduled,
    Pauses pauses,
    Breakers breakers,
    Sessions sessions,
    SweepSignal signal,
    IOptions<CoordinatorOptions> options,
    TimeProvider time,
    ILogger<WakeSweeper> log
) : BackgroundService
{
    // Looks follow each other at least at this distance: what becomes due in between is taken together.
    static readonly TimeSpan MinSweepInterval = TimeSpan.FromMilliseconds(10);

    // While events pour in, what is due waits for this long at most, unless a person waits for it: a turn shall be told
    // of the whole burst, and all of it is taken in the sooner when nothing else is done meanwhile.
    static readonly TimeSpan MaxBurstDelay = TimeSpan.FromSeconds(5);

    static readonly TimeSpan BurstSweepInterval = TimeSpan.FromMilliseconds(200);

    // A timer is set by a transaction that hardly ever takes longer than this, so a look that begins here sees it; and
    // PostgreSQL ends one that stands still, with the locks of others' timers, after ten seconds.
    static readonly TimeSpan SweepOverlap = TimeSpan.FromSeconds(15);

    static readonly TimeSpan LockedRetry = TimeSpan.FromMilliseconds(50);

    // A look at all timers is taken as often as it takes no more than a twentieth of the time: always, but while a
    // transaction that stays open has it pass every timer that was due since.
    const int FullSweepPauseFactor = 20;

    DateTimeOffset? sweptUpTo;
    long nextFullSweep;

    protected override async Task ExecuteAsync(CancellationToken cancel)
    {
        await SweepUntilStopped(cancel);
        await due.WaitForSends();
    }

    async Task SweepUntilStopped(CancellationToken cancel)
    {
        var fired = time.GetTimestamp();
        long? heldBackSince = null;

        while (!cancel.IsCancellationRequested)
        {
            var wait = options.Value.PollInterval;
            var looked = time.GetTimestamp();
            var holdsBack = signal.IsBurst && time.GetElapsedTime(heldBackSince ??= looked) < MaxBurstDelay;
            try
            {
                if (holdsBack)
                {
                    await due.Decide(options.Value.SweepBatchSize, sweptUpTo - SweepOverlap, cancel, urgentOnly: true);
                    wait = BurstSweepInterval;
                }
                else
                {
                    wait = await SweepOnce(cancel);
                    if (wait > TimeSpan.Zero)
                        heldBackSince = null;
                }

                if (time.GetElapsedTime(fired) >= options.Value.PollInterval)
                {
                    fired = time.GetTimestamp();
                    var hasFired = await scheduled.FireDue(cancel) > 0;
                    foreach (var opened in await breakers.Review(cancel))
                        BreakerNotice.Write(log, opened);
                    var hasEnded = await pauses.EndExpired(cancel);
                    var hasClosed = await CloseEnded(cancel);
                    if (hasFired || hasEnded || hasClosed)
                        wait = TimeSpan.Zero;
                }
            }
            catch (OperationCanceledException) when (cancel.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failed)
            {
                // Nothing is lost: what was decided and not sent is due again after RepeatAfter.
                BackgroundLoop.LogFailure(log, "Looking for due sessions", failed);
            }

            if (wait <= TimeSpan.Zero)
                continue;

            // Each batch of a burst would wake it.
            if (!holdsBack)
            {
                await signal.Wait(wait, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                wait = MinSweepInterval - time.GetElapsedTime(looked);
            }

            if (wait > TimeSpan.Zero)
                await Task.Delay(wait, time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Closes the sessions whose subject is over. Whether there is something to look at now.</summary>
    public async Task<bool> CloseEnded(CancellationToken cancel)
    {
        var closed = await sessions.CloseEnded(cancel);
        foreach (var key in closed)
            log.LogInformation("{SessionKey}: closed, its subject is over.", key);
        WakeMetrics.EndedSessions.Add(closed.Count);
        return await sessions.ReopenMissed(cancel) > 0 || closed is not [];
    }

    /// <summary>One look. Returns how long the next one can wait.</summary>
    public async Task<TimeSpan> SweepOnce(CancellationToken cancel)
    {
        var (count, next, looked, _) = await DecideDue(cancel);
        if (count == options.Value.SweepBatchSize)
            return TimeSpan.Zero;

        sweptUpTo = looked;

        // Somebody else has them locked.
        if (count == 0 && next <= TimeSpan.Zero)
            return LockedRetry;

        // A timer that is due within a millisecond is worth the wait, not a loop.
        return TimeSpan.FromTicks(
            Math.Clamp(next?.Ticks ?? long.MaxValue, TimeSpan.TicksPerMillisecond, options.Value.PollInterval.Ticks)
        );
    }

    async Task<DueSessions.Outcome> DecideDue(CancellationToken cancel)
    {
        var size = options.Value.SweepBatchSize;
        if (time.GetTimestamp() < nextFullSweep)
            return await due.Decide(size, sweptUpTo - SweepOverlap, cancel);

        var outcome = await due.Decide(size, since: null, cancel);
        nextFullSweep =
            time.GetTimestamp()
            + (long)(outcome.LookTime.TotalSeconds * FullSweepPauseFactor * time.TimestampFrequency);
        return outcome;
    }
}
