using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// What this runner is called: as the settings say, or, where another runner on the same database goes by that name,
/// with a number after it. Held in the database for as long as the process lives; a hold that breaks is taken again.
/// </summary>
sealed class RunnerName(
    RunnerNames names,
    Runners runners,
    IOptions<RunnerOptions> options,
    TimeProvider time,
    ILogger<RunnerName> log
) : BackgroundService
{
    // Between two attempts to reach the database.
    static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    static readonly string OwnVersion = typeof(RunnerName).Assembly.GetName().Version!.ToString(3);

    RunnerNameLock? held;

    /// <summary>The name. Known once this has been started, which is before any turn is claimed.</summary>
    public string Value { get; private set; } = "";

    /// <summary>Told the name when it has been taken.</summary>
    public Action<string>? OnAcquired { get; set; }

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        for (var number = 1; held is null; number++)
        {
            var suffix = number == 1 ? "" : $"-{number}";
            var room = Math.Min(options.Value.Name.Length, RunnerQueues.MaxRunnerName - suffix.Length);
            Value = $"{options.Value.Name[..room]}{suffix}";
            held = await Acquire(Value, before: null, cancellationToken);
        }

        if (Value != options.Value.Name)
            log.LogWarning(
                "Another runner on this database is called {Taken}; this one is called {Name}.",
                options.Value.Name,
                Value
            );

        OnAcquired?.Invoke(Value);
        await base.StartAsync(cancellationToken);
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        BackgroundLoop.Run(log, $"Holding the name {Value}", HoldAgain, RetryDelay, time, stoppingToken);

    async Task<TimeSpan> HoldAgain(CancellationToken cancel)
    {
        var lost = held!;
        await lost.WaitUntilLost(cancel);
        if (await Acquire(Value, lost, cancel) is not { } again)
            return RetryDelay;

        held = again;
        await lost.DisposeAsync();
        log.LogInformation("The connection that holds the name {Name} broke; it is held again.", Value);
        return TimeSpan.Zero;
    }

    // After the turns, whose slots were started later and so are stopped earlier.
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        if (held is not null)
            await held.DisposeAsync();
    }

    Task Register(string name, CancellationToken cancel) =>
        runners.Register(
            name,
            options.Value.Pool,
            options.Value.Slots,
            options.Value.UrgentSlots,
            options.Value.WarmSessions,
            OwnVersion,
            cancel
        );

    async Task<RunnerNameLock?> Acquire(string name, RunnerNameLock? before, CancellationToken cancel)
    {
        while (true)
        {
            try
            {
                if (await names.Acquire(name, before, cancel) is not { } held)
                    return null;

                try
                {
                    await Register(name, cancel);
                }
                catch
                {
                    // Or the next attempt would find the name taken.
                    await held.DisposeAsync();
                    throw;
                }

                return held;
            }
            catch (Exception down) when (PostgresErrors.IsFailure(down))
            {
                log.LogWarning(
                    "The name {Name} cannot be taken in the database ({Reason}); trying again.",
                    name,
                    down.Message
                );
                await Task.Delay(RetryDelay, time, cancel);
            }
        }
    }
}
