using Microsoft.Extensions.Options;
using Npgsql;
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

        using var hours = new PeriodicTimer(Interval, time);
        while (await hours.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                var deleted = await retention.DeleteOlderThan(age, stoppingToken);
                if (deleted > 0)
                    log.LogInformation("Deleted {Count} events of more than {Days} days ago.", deleted, age.TotalDays);
            }
            catch (NpgsqlException failed)
            {
                log.LogWarning("Old events could not be deleted ({Reason}); trying again in an hour.", failed.Message);
            }
        }
    }
}
