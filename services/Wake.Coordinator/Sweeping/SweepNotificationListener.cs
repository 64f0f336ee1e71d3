using Npgsql;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>Hears other processes call the sweepers (the gateway after an intake) and passes it on within this
/// one.</summary>
sealed class SweepNotificationListener(
    NpgsqlDataSource database,
    SweepSignal signal,
    TimeProvider time,
    ILogger<SweepNotificationListener> log
) : BackgroundService
{
    // Until it listens again the sweeper finds by polling what it is not called for.
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        BackgroundLoop.Run(log, "Listening for calls", Listen, TimeSpan.FromSeconds(1), time, stoppingToken);

    async Task<TimeSpan> Listen(CancellationToken cancel)
    {
        await using var listener = await ChannelListener.Open(
            database,
            WakeTimers.Channel,
            _ => signal.SweepNow(),
            cancel
        );
        while (true)
            await listener.Connection.WaitAsync(cancel);
    }
}
