using Microsoft.Extensions.Options;
using Npgsql;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>
/// Looks back once more for watches that were just made, and deletes those whose time is over. Beside the sweeper and
/// not in it: nobody's turn waits for that. Every coordinator does; a second one finds nothing to do.
/// </summary>
sealed class WatchLookBack(
    Watches watches,
    SweepSignal sweeper,
    IOptions<CoordinatorOptions> options,
    TimeProvider time,
    ILogger<WatchLookBack> log
) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Value.PollInterval, time);
        do
        {
            try
            {
                if (await watches.RepeatLookBack(stoppingToken) > 0)
                    sweeper.SweepNow();
                await watches.DeleteExpired(stoppingToken);
            }
            catch (Exception failed) when (failed is NpgsqlException or TimeoutException)
            {
                log.LogWarning("Looking back for new watches failed ({Reason}); trying again.", failed.Message);
            }
        } while (await timer.WaitForNextTickAsync(stoppingToken));
    }
}
