using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>Says in the store how this runner is, and learns there whether it is drained.</summary>
sealed class RunnerReport(
    Runners runners,
    RunnerName name,
    RunnerPause pause,
    RunnerDrain drain,
    RunnerSlots slots,
    WarmSessions warm,
    ClaudeProbe probe,
    TimeProvider time,
    ILogger<RunnerReport> log
) : BackgroundService
{
    // Who drains a runner waits for it.
    static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    // What is reported is written again when it is another, and this often as a sign of life.
    static readonly TimeSpan RepeatInterval = TimeSpan.FromMinutes(1);

    // The CLI is updated while the runner runs.
    static readonly TimeSpan VersionInterval = TimeSpan.FromMinutes(10);

    RunnerState? reported;
    string? version;
    long reportedAt,
        askedAt;

    /// <inheritdoc />
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        // Before any turn is taken, where the database answers. Else the first pass finds out.
        try
        {
            await FollowDrain(await runners.IsDrained(name.Value, cancellationToken));
        }
        catch (Exception away) when (PostgresErrors.IsFailure(away))
        {
            log.LogWarning("Whether {Name} is drained cannot be read ({Reason}).", name.Value, away.Message);
        }

        await base.StartAsync(cancellationToken);
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        BackgroundLoop.Run(log, "Reporting how the runner is", Report, Interval, time, stoppingToken);

    async Task<TimeSpan> Report(CancellationToken cancel)
    {
        await FollowDrain(await runners.IsDrained(name.Value, cancel));

        var now = time.GetTimestamp();
        if (askedAt == 0 || time.GetElapsedTime(askedAt, now) >= VersionInterval)
            (version, askedAt) = (await probe.FindVersion(cancel) ?? version, now);

        var isDue = reported is null || time.GetElapsedTime(reportedAt, now) >= RepeatInterval;
        var state = new RunnerState(
            warm.All().Count,
            isDue ? ProcessTable.MemoryOfOwnRuns() + Environment.WorkingSet : reported!.MemoryBytes,
            version,
            pause.Reason
        );
        if (isDue || state != reported)
        {
            await runners.Report(name.Value, state, cancel);
            (reported, reportedAt) = (state, now);
        }

        return Interval;
    }

    async Task FollowDrain(bool isDrained)
    {
        if (isDrained != drain.IsDrained)
        {
            drain.IsDrained = isDrained;
            slots.NotifyChanged();
            if (isDrained)
                log.LogInformation("This runner is drained: it begins no turn.");
            else
                log.LogInformation("This runner takes work again.");
        }

        // Also those that have stayed since: a turn that ends leaves its process.
        if (isDrained)
        {
            foreach (var (session, _) in warm.All())
                await warm.Evict(session);
        }
    }
}

/// <summary>Whether people have drained this runner: the turns that run end, and no other begins.</summary>
sealed class RunnerDrain
{
    volatile bool drained;

    public bool IsDrained
    {
        get => drained;
        set => drained = value;
    }
}
