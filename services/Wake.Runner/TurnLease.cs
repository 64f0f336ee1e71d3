using Npgsql;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// Keeps a turn for as long as it runs. When the store says it is somebody else's, or cannot be asked until the lease is
/// over by our own clock, <see cref="Lost"/> fires and whatever runs for it must die.
/// </summary>
sealed class TurnLease : IAsyncDisposable
{
    readonly CancellationTokenSource lost = new();
    readonly CancellationTokenSource end = new();
    readonly Task keeping;

    public TurnLease(Turns turns, ClaimedTurn turn, TimeSpan lease, TimeProvider time, ILogger log) =>
        keeping = Keep(turns, turn, lease, time, log);

    /// <summary>Fires when the turn is no longer ours.</summary>
    public CancellationToken Lost => lost.Token;

    async Task Keep(Turns turns, ClaimedTurn turn, TimeSpan lease, TimeProvider time, ILogger log)
    {
        using var ticks = new PeriodicTimer(lease / 3, time);
        var renewed = time.GetTimestamp();

        try
        {
            while (await ticks.WaitForNextTickAsync(end.Token))
            {
                // A process that was frozen for longer than its lease must not first ask and then be told: the CLI it
                // started may be writing while another runner's is.
                if (time.GetElapsedTime(renewed) >= lease)
                {
                    log.LogWarning("The lease of {SessionKey} wake {Wake} ran out unrenewed.", turn.SessionKey, turn.WakeNumber);
                    await lost.CancelAsync();
                    return;
                }

                try
                {
                    var asked = time.GetTimestamp();
                    using var bound = CancellationTokenSource.CreateLinkedTokenSource(end.Token);
                    bound.CancelAfter(lease / 3);

                    if (await turns.Renew(turn, lease, bound.Token))
                    {
                        renewed = asked;
                        continue;
                    }

                    log.LogWarning("The turn of {SessionKey} wake {Wake} belongs to another runner now.", turn.SessionKey, turn.WakeNumber);
                    await lost.CancelAsync();
                    return;
                }
                catch (Exception down) when (down is NpgsqlException or TimeoutException or OperationCanceledException && !end.IsCancellationRequested)
                {
                    log.LogWarning("The lease of {SessionKey} wake {Wake} could not be renewed ({Reason}); trying again.",
                        turn.SessionKey, turn.WakeNumber, down.Message);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The turn is over.
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
