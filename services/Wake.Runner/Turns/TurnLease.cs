using System.Diagnostics;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// Renews the lease that <see cref="Turns.Claim"/> took, while the turn runs. <see cref="Lost"/> fires when another
/// runner holds the turn, or when the lease has expired by the local clock, because the store does not answer or this
/// process was frozen: by then another runner's CLI may be writing, and whatever runs here must die.
/// </summary>
sealed class TurnLease : IAsyncDisposable
{
    readonly CancellationTokenSource lost;
    readonly CancellationTokenSource end = new();
    readonly Task renewing;
    readonly LeaseWatchdog watchdog;
    readonly ClaimedTurn turn;

    /// <param name="turns">Where it is renewed.</param>
    /// <param name="watchdog">Ends what the turn runs should this process be frozen when the lease is over.</param>
    /// <param name="turn">The turn.</param>
    /// <param name="lease">How long it is ours.</param>
    /// <param name="claimedAt">When the claim was sent. It counts from there: how long its answer took nobody
    /// knows.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">The log.</param>
    public TurnLease(
        Turns turns,
        LeaseWatchdog watchdog,
        ClaimedTurn turn,
        TimeSpan lease,
        long claimedAt,
        TimeProvider time,
        ILogger log
    )
    {
        (this.watchdog, this.turn) = (watchdog, turn);
        lost = new(Remaining(lease, claimedAt, time), time);
        watchdog.SetLease(turn.SessionId, turn.Epoch, Remaining(lease, claimedAt, time));
        renewing = RenewLoop(turns, lease, time, log);
    }

    /// <summary>
    /// Fires when the turn is no longer ours. Not to be given to the database: a query in flight asks the server to
    /// cancel it from within the callback, and when the server is cut off that holds up everybody else who waits for
    /// this.
    /// </summary>
    public CancellationToken Lost => lost.Token;

    async Task RenewLoop(Turns turns, TimeSpan lease, TimeProvider time, ILogger log)
    {
        // A renewal every few seconds would bury what the turn did.
        Activity.Current = null;

        using var ticks = new PeriodicTimer(lease / 3, time);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(end.Token, lost.Token);

        while (true)
        {
            try
            {
                await ticks.WaitForNextTickAsync(over.Token);

                var sentAt = time.GetTimestamp();
                var renewed = await turns
                    .Renew(turn, lease, CancellationToken.None)
                    .WaitAsync(lease / 3, time, over.Token);

                if (!renewed)
                {
                    log.LogWarning(
                        "The turn of {SessionKey} wake {Wake} belongs to another runner now.",
                        turn.SessionKey,
                        turn.WakeNumber
                    );
                    await lost.CancelAsync();
                    return;
                }

                lost.CancelAfter(Remaining(lease, sentAt, time));
                watchdog.SetLease(turn.SessionId, turn.Epoch, Remaining(lease, sentAt, time));
            }
            catch (Exception down) when (PostgresErrors.IsFailure(down))
            {
                log.LogWarning(
                    "The lease of {SessionKey} wake {Wake} could not be renewed ({Reason}); trying again.",
                    turn.SessionKey,
                    turn.WakeNumber,
                    down.Message
                );
            }
            catch (OperationCanceledException)
            {
                // The turn is over, or lost.
                return;
            }
        }
    }

    // Nothing is left when the answer was slow, or this process was frozen over it.
    static TimeSpan Remaining(TimeSpan lease, long since, TimeProvider time) =>
        lease - time.GetElapsedTime(since) is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero;

    public async ValueTask DisposeAsync()
    {
        await end.CancelAsync();
        await renewing;
        watchdog.ClearLease(turn.SessionId, turn.Epoch);
        end.Dispose();
        lost.Dispose();
    }
}
