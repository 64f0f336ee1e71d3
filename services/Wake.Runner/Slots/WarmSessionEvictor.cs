using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// Ends processes that stay although they must not: their session was closed or has another Claude session by now,
/// another runner has gone on with it, or somebody has opened it in a terminal. Says in the store which are here, and
/// ends them all when it cannot: by then a session registered anew may have begun.
/// </summary>
sealed class WarmSessionEvictor(
    WarmSessions warm,
    TurnHolds holds,
    ClaudeCli claude,
    RunnerName name,
    IOptions<RunnerOptions> options,
    TimeProvider time,
    ILogger<WarmSessionEvictor> log
) : BackgroundService
{
    static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);

    // When the store heard last that they are here.
    long renewedAt;

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        BackgroundLoop.Run(log, "Asking which processes may stay", Poll, PollInterval, time, stoppingToken);

    async Task<TimeSpan> Poll(CancellationToken cancel)
    {
        try
        {
            await Sweep(cancel).WaitAsync(options.Value.Lease / 3, time, cancel);
        }
        catch (Exception) when (!cancel.IsCancellationRequested)
        {
            if (time.GetElapsedTime(renewedAt) > options.Value.Lease - PollInterval)
            {
                foreach (var (session, _) in warm.All())
                    await Evict(session, "the store could not be told that it stays");
            }

            throw;
        }

        return PollInterval;
    }

    async Task Sweep(CancellationToken cancel)
    {
        var (runner, all) = (options.Value, warm.All());
        if (all is not [])
        {
            var open = OpenSessions.List(claude.ConfigFolder).Select(x => x.ClaudeSessionId).ToHashSet();
            foreach (var (session, _) in all.Where(x => open.Contains(x.ClaudeSessionId)))
                await Evict(session, "somebody has opened it elsewhere");

            var may = await holds.FindAllowedWarm(name.Value, all, cancel);
            foreach (var (session, _) in all.Where(x => !may.Contains(x.SessionId)))
                await Evict(session, "it was closed, or goes on elsewhere");
        }

        if (warm.DrainEnded() is not [] and var ended)
            await holds.RenewWarm(name.Value, ended, TimeSpan.Zero, cancel);

        // Each that stays has just been noted for a whole lease, so that the first renewal can wait.
        var asked = time.GetTimestamp();
        if (all is [])
        {
            renewedAt = asked;
        }
        else if (time.GetElapsedTime(renewedAt) > runner.Lease / 3)
        {
            await holds.RenewWarm(name.Value, [.. warm.All().Select(x => x.ClaudeSessionId)], runner.Lease, cancel);
            renewedAt = asked;
        }
    }

    async Task Evict(Guid session, string why)
    {
        if (!warm.Has(session))
            return;

        log.LogInformation("The process that stayed with session {SessionId} is ended: {Why}.", session, why);
        await warm.Evict(session);
    }
}
