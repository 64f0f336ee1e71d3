using Microsoft.Extensions.Options;
using Npgsql;
using Quartz;
using Wake.Producing;

namespace Wake.Producers.Cron;

/// <summary>
/// Publishes an event at every fire time of every schedule. Quartz says when that is; its own job store would keep jobs
/// and triggers in eleven tables, where one time per schedule and a dedup key do.
/// </summary>
sealed class CronJobs(
    CronTimes times,
    IEventPublisher publisher,
    IOptions<CronOptions> options,
    TimeProvider clock,
    ILogger<CronJobs> log
) : BackgroundService
{
    // Also how soon what a dead replica owed is looked for.
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);

    // The clocks of this machine and of the database drift apart, and somebody may set them.
    static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // One name however its settings are spelt: settings know no case.
        var jobs = options
            .Value.Select(x => (Name: x.Key.ToLowerInvariant(), Schedule: x.Value, Times: x.Value.Times()))
            .ToList();

        while (jobs is not [])
        {
            var wait = Longest;
            try
            {
                foreach (var (name, schedule, expression) in jobs)
                {
                    if (await Fire(name, schedule, expression, stoppingToken) is var next && next < wait)
                        wait = next;
                }
            }
            catch (Exception down) when (down is NpgsqlException or TimeoutException)
            {
                log.LogWarning("Schedules have to wait: {Reason}", down.Message);
                wait = Soon;
            }

            await Task.Delay(wait, clock, stoppingToken);
        }
    }

    // Says how long nothing will be due.
    async Task<TimeSpan> Fire(string name, CronSchedule schedule, CronExpression expression, CancellationToken cancel)
    {
        var terms = $"{expression.CronExpressionString} {schedule.TimeZone}";
        var decision = await times.Decide(
            name,
            terms,
            (after, now) => DueTimes.Of(expression, after, now, schedule.CatchUp),
            cancel
        );

        if (decision.Owed is not [])
        {
            await publisher.Publish([.. decision.Owed.Select(x => schedule.At(name, x))], cancel);
            await times.Fired(name, decision.Owed, cancel);
        }

        return decision.AnotherIsAtIt ? Soon
            : expression.GetNextValidTimeAfter(decision.Now) is { } next ? next - decision.Now
            : Longest;
    }
}
