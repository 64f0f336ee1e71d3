using Npgsql;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>Hears other processes call the sweepers (the gateway after an intake) and passes it on within this
/// one.</summary>
sealed class SweepNotificationListener(
    NpgsqlDataSource database,
    SweepSignal signal,
    ILogger<SweepNotificationListener> log
) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            try
            {
                await using var connection = await database.OpenConnectionAsync(cancel);
                connection.Notification += (_, _) => signal.SweepNow();

                await using (var listen = new NpgsqlCommand($"listen {WakeTimers.Channel}", connection))
                    await listen.ExecuteNonQueryAsync(cancel);

                while (true)
                    await connection.WaitAsync(cancel);
            }
            catch (NpgsqlException lost)
            {
                // Meanwhile the sweeper finds by polling what it is not called for.
                log.LogWarning("Listening for calls was interrupted ({Reason}); connecting again.", lost.Message);
                await Task.Delay(TimeSpan.FromSeconds(1), cancel)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (OperationCanceledException) when (cancel.IsCancellationRequested)
            {
                return;
            }
        }
    }
}
