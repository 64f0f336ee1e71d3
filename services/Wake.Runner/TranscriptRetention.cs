using Microsoft.Extensions.Options;
using Npgsql;
using Wake.Store;

namespace Wake.Runner;

/// <summary>Deletes the transcripts that nobody will go on from. Every runner does; a second one finds nothing to do.</summary>
sealed class TranscriptRetention(
    Transcripts transcripts, IOptions<RunnerOptions> options, TimeProvider time, ILogger<TranscriptRetention> log) : BackgroundService
{
    static readonly TimeSpan Interval = TimeSpan.FromHours(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var hours = new PeriodicTimer(Interval, time);

        while (await hours.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                var deleted = await transcripts.Prune(options.Value.KeepTranscripts, stoppingToken);
                if (deleted > 0)
                    log.LogInformation("Deleted {Count} transcripts of sessions that are over.", deleted);
            }
            catch (NpgsqlException failed)
            {
                log.LogWarning("Old transcripts could not be deleted ({Reason}); trying again in an hour.", failed.Message);
            }
        }
    }
}
