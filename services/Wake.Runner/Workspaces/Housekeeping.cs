using Microsoft.Extensions.Options;
using Npgsql;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// Deletes what nobody will go on from: old transcripts in the store, and the workspaces made on this machine for
/// sessions that are closed. Every runner does; where it concerns the store, a second one finds nothing to do.
/// </summary>
sealed class Housekeeping(
    Transcripts transcripts,
    Workspaces workspaces,
    IOptions<RunnerOptions> options,
    TimeProvider time,
    ILogger<Housekeeping> log
) : BackgroundService
{
    static readonly TimeSpan Interval = TimeSpan.FromHours(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var hours = new PeriodicTimer(Interval, time);

        while (await hours.WaitForNextTickAsync(stoppingToken))
        {
            await RunTask(
                "Old transcripts",
                async () =>
                {
                    var deleted = await transcripts.Prune(options.Value.TranscriptRetention, stoppingToken);
                    if (deleted > 0)
                        log.LogInformation("Deleted {Count} transcripts of sessions that are over.", deleted);
                }
            );
            await RunTask("Workspaces of closed sessions", () => workspaces.DeleteExpired(stoppingToken));
        }
    }

    async Task RunTask(string what, Func<Task> duty)
    {
        try
        {
            await duty();
        }
        catch (Exception failed) when (failed is NpgsqlException or IOException or UnauthorizedAccessException)
        {
            log.LogWarning("{What} could not be deleted ({Reason}); trying again in an hour.", what, failed.Message);
        }
    }
}
