using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>
/// Looks back once more for watches that were just made, tells of those whose deadline has passed without an event, and
/// deletes those whose time is over. Beside the sweeper and not in it: nobody's turn waits for that. Every coordinator
/// does; a second one finds nothing to do.
/// </summary>
sealed class WatchLookBack(
    Watches watches,
    WatchDeadlines deadlines,
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

        // Before those that have expired meanwhile are deleted.
        var (told, more) = await deadlines.ReportSilent(options.Value.SilenceGrace, cancel);
        if (told > 0)
        {
            WakeMetrics.SilentWatches.Add(told);
            sweeper.SweepNow();
        }

        await watches.DeleteExpired(cancel);
        return more ? TimeSpan.Zero : options.Value.PollInterval;
    }
}
