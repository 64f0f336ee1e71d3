using System.Diagnostics;
using Npgsql;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// Keeps a turn for as long as it runs. <see cref="Lost"/> fires when the store says that it is somebody else's, and also when
/// the lease is over by our own clock, whether the store does not answer or this process was frozen: by then another
/// runner's CLI may be writing, and whatever runs here must die.
/// </summary>
sealed class TurnLease : IAsyncDisposable
{
    readonly CancellationTokenSource lost;
    readonly CancellationTokenSource end = new();
    readonly Task keeping;

    public TurnLease(Turns turns, ClaimedTurn turn, TimeSpan lease, TimeProvider time, ILogger log)
    {
        lost = new(lease, time);
        keeping = Keep(turns, turn, lease, time, log);
    }

    /// <summary>
    /// Fires when the turn is no longer ours. Not to be given to the database: a query in flight asks the server to cancel it
    /// from within the callback, and when the server is cut off that holds up everybody else who waits for this.
    /// </summary>
    public CancellationToken Lost => lost.Token;

    async Task Keep(Turns turns, ClaimedTurn turn, TimeSpan lease, TimeProvider time, ILogger log)
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

                var asked = time.GetTimestamp();
                var renewed = await turns.Renew(turn, lease, CancellationToken.None).WaitAsync(lease / 3, time, over.Token);

                if (!renewed)
                {
                    log.LogWarning("The turn of {SessionKey} wake {Wake} belongs to another runner now.", turn.SessionKey, turn.WakeNumber);
                    await lost.CancelAsync();
                    return;
                }

                lost.CancelAfter(lease - time.GetElapsedTime(asked));
            }
            catch (Exception down) when (down is NpgsqlException or TimeoutException)
            {
                log.LogWarning("The lease of {SessionKey} wake {Wake} could not be renewed ({Reason}); trying again.",
                    turn.SessionKey, turn.WakeNumber, down.Message);
            }
            catch (OperationCanceledException)
            {
                // The turn is over, or lost.
                return;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await end.CancelAsync();
        await keeping;
        end.Dispose();
        lost.Dispose();
    }
}
