using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;
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
        await Task.Delay(Interval, time, stoppingToken);
        await Task.WhenAll(
            Repeat("Deleting old transcripts", PruneTranscripts),
            Repeat("Deleting workspaces of closed sessions", workspaces.DeleteExpired)
        );

        Task Repeat(string what, Func<CancellationToken, Task> duty) =>
            BackgroundLoop.Run(
                log,
                what,
                async cancel =>
                {
                    await duty(cancel);
                    return Interval;
                },
                Interval,
                time,
                stoppingToken
            );
    }

    async Task PruneTranscripts(CancellationToken cancel)
    {
        var deleted = await transcripts.Prune(options.Value.TranscriptRetention, cancel);
        if (deleted > 0)
            log.LogInformation("Deleted {Count} transcripts of sessions that are over.", deleted);
    }
}
