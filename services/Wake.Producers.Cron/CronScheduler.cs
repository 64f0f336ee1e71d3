using Microsoft.Extensions.Options;
using Quartz;
using Wake.Producing;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Producers.Cron;

/// <summary>
/// Publishes an event at every fire time of every schedule. Quartz says when that is; its own job store would keep jobs
/// and triggers in eleven tables, where one time per schedule and a dedup key do.
/// </summary>
sealed class CronScheduler(
    CronScheduleStore times,
    IEventPublisher publisher,
    IOptions<CronOptions> options,
    SourceReports reports,
    TimeProvider clock,
    ILogger<CronScheduler> log
) : BackgroundService
{
    // Also how soon what a dead replica owed is looked for.
    static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    // The clocks of this machine and of the database drift apart, and somebody may set them.
    static readonly TimeSpan MaxSleep = TimeSpan.FromMinutes(1);

    // The next times that people know of.
    readonly Dictionary<string, DateTimeOffset?> reported = [];

    // Without a schedule nothing of Quartz is even loaded.
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        options.Value.Count == 0 ? Task.CompletedTask : FireSchedules(stoppingToken);

    async Task FireSchedules(CancellationToken stopping)
    {
        // One name however its settings are spelt: settings know no case.
        var jobs = options
            .Value.Select(x => (Name: x.Key.ToLowerInvariant(), Schedule: x.Value, Times: x.Value.ParseExpression()))
            .ToList();

        await BackgroundLoop.Run(log, "Looking at the schedules", FireAllDue, RetryDelay, clock, stopping);

        async Task<TimeSpan> FireAllDue(CancellationToken cancel)
        {
            var wait = MaxSleep;
            foreach (var (name, schedule, expression) in jobs)
            {
                if (await FireDueTimes(name, schedule, expression, cancel) is var next && next < wait)
                    wait = next;
            }

            return wait;
        }
    }

    // Says how long nothing will be due.
    async Task<TimeSpan> FireDueTimes(
        string name,
        CronSchedule schedule,
        CronExpression expression,
        CancellationToken cancel
    )
    {
        var terms = $"{expression.CronExpressionString} {schedule.TimeZone}";
        DateTimeOffset? missed = null;
        var decision = await times.ClaimDueTimes(
            name,
            terms,
            (after, now) =>
            {
                missed = DueTimes.FindMissed(expression, after, now);
                return DueTimes.Find(expression, after, now, schedule.CatchUp);
            },
            cancel
        );

        if (decision.FireTimes is not [])
        {
            await publisher.Publish([.. decision.FireTimes.Select(x => schedule.CreateEvent(name, x))], cancel);
            await times.MarkPublished(name, decision.FireTimes, cancel);
        }

        if (decision.LockedByAnotherReplica)
            return RetryDelay;

        var due = expression.GetNextValidTimeAfter(decision.Now);
        await Report(name, due, decision, missed, cancel);
        return due is { } next ? next - decision.Now : MaxSleep;
    }

    // For people, once for each of its times; no time is late because of it.
    async Task Report(
        string name,
        DateTimeOffset? next,
        FireTimesClaim decision,
        DateTimeOffset? missed,
        CancellationToken cancel
    )
    {
        DateTimeOffset? fired = decision.FireTimes is [.., var last] ? last : null;
        if (fired is null && missed is null && reported.TryGetValue(name, out var known) && known == next)
            return;

        try
        {
            await reports.NoteSchedule(name, next, fired, missed, cancel);
            reported[name] = next;
        }
        catch (Exception away) when (PostgresErrors.IsFailure(away))
        {
            log.LogDebug("Where the schedule {Name} stands could not be noted: {Reason}", name, away.Message);
        }
    }
}
