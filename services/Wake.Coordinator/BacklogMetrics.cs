using Npgsql;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>Measures what waits: sessions for their turns, and messages that were no events for somebody to look at
/// them.</summary>
sealed class BacklogMetrics(
    Backlog backlog,
    TimeProvider time,
    ILogger<BacklogMetrics> log,
    EventQueueConsumer? events = null
) : BackgroundService
{
    // What is behind is so for minutes before anybody can do something about it.
    static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        do
        {
            // Nobody listens, so nobody asks.
            if (!WakeMetrics.SessionsWaiting.Enabled)
                continue;

            try
            {
                await RecordBacklog(stoppingToken);
            }
            catch (Exception down)
                when (down is NpgsqlException or TimeoutException || EventExchange.IsConnectionLost(down))
            {
                log.LogDebug("What waits was not measured ({Reason}).", down.Message);
            }
        } while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    async Task RecordBacklog(CancellationToken cancel)
    {
        foreach (var line in await backlog.GetByState(cancel))
        {
            WakeMetrics.SessionsWaiting.Record(line.Sessions, new KeyValuePair<string, object?>("state", line.State));
            WakeMetrics.SessionsWaitingAge.Record(
                line.Oldest.TotalSeconds,
                new KeyValuePair<string, object?>("state", line.State)
            );
        }

        if (events is not null && await events.CountDeadLetters(cancel) is { } dead)
            WakeMetrics.DeadLetters.Record(dead);
    }
}
