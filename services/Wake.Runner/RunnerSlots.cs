using System.Diagnostics.CodeAnalysis;
using MassTransit;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// The turns this runner can run at the same time. While all slots are taken it does not consume, so that other runners get
/// the work, and as little during a <see cref="Standstill"/>; when the process stops it interrupts what runs and gives it back.
/// </summary>
sealed class RunnerSlots(
    IReceiveEndpointConnector connector, IServiceProvider services, WarmSessions warm, Standstill standstill, IOptions<RunnerOptions> options,
    ILogger<RunnerSlots> log)
    : BackgroundService, IHealthCheck
{
    /// <summary>The queue that every runner of the pool consumes from.</summary>
    public const string Queue = "resume-session";

    readonly Lock taking = new();
    readonly HashSet<Task> running = [];
    readonly SemaphoreSlim changed = new(0);
    readonly CancellationTokenSource stop = new();
    int taken;
    bool stopping;
    volatile bool consuming;

    /// <summary>Takes a slot; false when all are taken, or the runner stops or takes no work.</summary>
    public bool TryTake([NotNullWhen(true)] out Slot? slot)
    {
        lock (taking)
        {
            slot = stopping || taken == options.Value.Slots || standstill.Why is not null ? null : new(this);
            if (slot is null)
                return false;

            taken++;
        }

        changed.Release();
        return true;
    }

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        if (standstill.Why is { } why)
            return Task.FromResult(HealthCheckResult.Unhealthy(why));

        var busy = Volatile.Read(ref taken) == options.Value.Slots;
        return Task.FromResult(consuming || busy ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy("Not consuming."));
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        standstill.Begun = () => changed.Release();
        var endpoint = Connect();
        await endpoint.Ready;
        consuming = true;

        while (!stoppingToken.IsCancellationRequested)
        {
            Task woken = changed.WaitAsync(standstill.Left ?? Timeout.InfiniteTimeSpan, stoppingToken);
            await woken.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await standstill.EndIfOver(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var full = Volatile.Read(ref taken) == options.Value.Slots || standstill.Why is not null;

            // Here and not in the consumer: an endpoint that stops waits for its consumers.
            if ((full || stoppingToken.IsCancellationRequested) && consuming)
            {
                await endpoint.ReceiveEndpoint.Stop(CancellationToken.None);
                consuming = false;
            }
            else if (!full && !consuming)
            {
                await endpoint.ReceiveEndpoint.Start(stoppingToken).Ready;
                consuming = true;
            }
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        Task[] left;
        lock (taking)
        {
            stopping = true;
            left = [.. running];
        }

        if (left is not [])
            log.LogInformation("Stopping: interrupting {Count} turns.", left.Length);

        await stop.CancelAsync();
        await base.StopAsync(cancellationToken);
        await Task.WhenAll(left).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await warm.Close().WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public override void Dispose()
    {
        base.Dispose();
        changed.Dispose();
        stop.Dispose();
    }

    HostReceiveEndpointHandle Connect() => connector.ConnectReceiveEndpoint(Queue, (context, endpoint) =>
    {
        MessageBus.HandlingPolicy(context, Queue, endpoint);
        endpoint.PrefetchCount = 1;
        endpoint.ConcurrentMessageLimit = 1;
        endpoint.ConfigureConsumer<ResumeSessionConsumer>(context);
    });

    void Run(Slot slot, ClaimedTurn turn)
    {
        var run = Task.Run(async () =>
        {
            try
            {
                await services.GetRequiredService<TurnRunner>().Run(turn, stop.Token);
            }
            catch (Exception failed)
            {
                // The top of this turn's own task. Its lease runs out and the wake is sent again.
                log.LogError(failed, "{SessionKey} wake {Wake}: the turn could not be run.", turn.SessionKey, turn.WakeNumber);
            }
            finally
            {
                slot.Free();
            }
        }, CancellationToken.None);

        lock (taking)
            running.Add(run);
        _ = run.ContinueWith(Forget, TaskScheduler.Default);

        void Forget(Task ended)
        {
            lock (taking)
                running.Remove(ended);
        }
    }

    /// <summary>One slot: either a turn runs in it, or it is free again when disposed.</summary>
    public sealed class Slot(RunnerSlots slots) : IDisposable
    {
        bool used;

        /// <summary>Runs a turn in this slot, and frees it after.</summary>
        public void Run(ClaimedTurn turn)
        {
            used = true;
            slots.Run(this, turn);
        }

        internal void Free()
        {
            lock (slots.taking)
                slots.taken--;
            slots.changed.Release();
        }

        public void Dispose()
        {
            if (!used)
                Free();
        }
    }
}
