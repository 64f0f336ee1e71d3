using Npgsql;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>Measures what waits: sessions for their turns, and messages that were no events for somebody to look at
/// them.</summary>
sealed class BacklogMeasures(
    Backlog backlog,
    TimeProvider time,
    ILogger<BacklogMeasures> log,
    ObservedEvents? events = null
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
            if (!Measures.SessionsWaiting.Enabled)
                continue;

            try
            {
                await Measure(stoppingToken);
            }
            catch (Exception down) when (down is NpgsqlException or TimeoutException || EventExchange.IsLost(down))
            {
                log.LogDebug("What waits was not measured ({Reason}).", down.Message);
            }
        } while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    async Task Measure(CancellationToken cancel)
    {
        foreach (var line in await backlog.Read(cancel))
        {
            Measures.SessionsWaiting.Record(line.Sessions, new KeyValuePair<string, object?>("state", line.State));
            Measures.SessionsWaitingAge.Record(
                line.Oldest.TotalSeconds,
                new KeyValuePair<string, object?>("state", line.State)
            );
        }

        if (events is not null && await events.DeadLetters(cancel) is { } dead)
            Measures.DeadLetters.Record(dead);
    }
}
