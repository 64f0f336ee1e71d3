using Microsoft.Extensions.Options;
using Npgsql;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// Ends processes that stay although they must not: their session was closed or has another Claude session by now,
/// another runner has gone on with it, or somebody has opened it in a terminal. Says in the store which are here, and
/// ends them all when it cannot: by then a session registered anew may have begun.
/// </summary>
sealed class WarmSessionsWatch(
    WarmSessions warm,
    TurnHolds holds,
    ClaudeCli claude,
    RunnerName name,
    IOptions<RunnerOptions> options,
    TimeProvider time,
    ILogger<WarmSessionsWatch> log
) : BackgroundService
{
    static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    // When the store heard last that they are here.
    long renewed;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await Look(stoppingToken).WaitAsync(options.Value.Lease / 3, time, stoppingToken);
            }
            catch (Exception down) when (down is NpgsqlException or TimeoutException)
            {
                log.LogWarning("Whether processes may stay could not be asked ({Reason}); trying again.", down.Message);

                if (time.GetElapsedTime(renewed) > options.Value.Lease - Tick)
                {
                    foreach (var (session, _) in warm.All())
                        await End(session, "the store could not be told that it stays");
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }

            await Task.Delay(Tick, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    async Task Look(CancellationToken cancel)
    {
        var (runner, all) = (options.Value, warm.All());
        if (all is not [])
        {
            var open = OpenSessions.In(claude.ConfigFolder).Select(x => x.ClaudeSessionId).ToHashSet();
            foreach (var (session, _) in all.Where(x => open.Contains(x.ClaudeSessionId)))
                await End(session, "somebody has opened it elsewhere");

            var may = await holds.MayStay(name.Value, all, cancel);
            foreach (var (session, _) in all.Where(x => !may.Contains(x.SessionId)))
                await End(session, "it was closed, or goes on elsewhere");
        }

        if (warm.TakeEnded() is not [] and var ended)
            await holds.RenewWarm(name.Value, ended, TimeSpan.Zero, cancel);

        // Each that stays has just been noted for a whole lease, so that the first renewal can wait.
        var asked = time.GetTimestamp();
        if (all is [])
        {
            renewed = asked;
        }
        else if (time.GetElapsedTime(renewed) > runner.Lease / 3)
        {
            await holds.RenewWarm(name.Value, [.. warm.All().Select(x => x.ClaudeSessionId)], runner.Lease, cancel);
            renewed = asked;
        }
    }

    async Task End(Guid session, string why)
    {
        if (!warm.Has(session))
            return;

        log.LogInformation("The process that stayed with session {SessionId} is ended: {Why}.", session, why);
        await warm.End(session);
    }
}
