using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>Measures what waits: sessions for their turns, and messages that were no events for somebody to look at
/// them.</summary>
sealed class BacklogMetrics(
    Backlog backlog,
    Breakers breakers,
    TimeProvider time,
    ILogger<BacklogMetrics> log,
    EventQueueConsumer? events = null
) : BackgroundService
{
    // What is behind is so for minutes before anybody can do something about it.
    static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        BackgroundLoop.Run(log, "Measuring what waits", RecordBacklog, Interval, time, stoppingToken);

    async Task<TimeSpan> RecordBacklog(CancellationToken cancel)
    {
        // Nobody listens, so nobody asks.
        if (!WakeMetrics.SessionsWaiting.Enabled)
            return Interval;

        foreach (var line in await backlog.GetByState(cancel))
        {
            WakeMetrics.SessionsWaiting.Record(line.Sessions, new KeyValuePair<string, object?>("state", line.State));
            WakeMetrics.SessionsWaitingAge.Record(
                line.Oldest.TotalSeconds,
                new KeyValuePair<string, object?>("state", line.State)
            );
        }

        var (open, halfOpen) = await breakers.Count(cancel);
        WakeMetrics.BreakersOpen.Record(open, new KeyValuePair<string, object?>("state", "open"));
        WakeMetrics.BreakersOpen.Record(halfOpen, new KeyValuePair<string, object?>("state", "halfOpen"));

        if (events is not null && await events.CountDeadLetters(cancel) is { } dead)
            WakeMetrics.DeadLetters.Record(dead);
        return Interval;
    }
}
