using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;
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
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        BackgroundLoop.Run(
            log,
            "Looking back for new watches",
            LookBack,
            options.Value.PollInterval,
            time,
            stoppingToken
        );

    async Task<TimeSpan> LookBack(CancellationToken cancel)
    {
        if (await watches.RepeatLookBack(cancel) > 0)
            sweeper.SweepNow();
        await watches.DeleteExpired(cancel);
        return options.Value.PollInterval;
    }
}
