using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>Deletes, hourly, the events that are older than they are kept. Every coordinator does; a second one finds
/// nothing.</summary>
sealed class EventPruner(
    EventRetention retention,
    IOptions<CoordinatorOptions> options,
    TimeProvider time,
    ILogger<EventPruner> log
) : BackgroundService
{
    static readonly TimeSpan Interval = TimeSpan.FromHours(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.Value.EventRetention is not { } age)
            return;

        await Task.Delay(Interval, time, stoppingToken);
        await BackgroundLoop.Run(log, "Deleting old events", Prune, Interval, time, stoppingToken);

        async Task<TimeSpan> Prune(CancellationToken cancel)
        {
            var deleted = await retention.DeleteOlderThan(age, cancel);
            if (deleted > 0)
                log.LogInformation("Deleted {Count} events of more than {Days} days ago.", deleted, age.TotalDays);
            return Interval;
        }
    }
}
