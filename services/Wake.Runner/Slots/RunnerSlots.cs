using System.Diagnostics.CodeAnalysis;
using MassTransit;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// The turns this runner can run at the same time. While all slots are taken it does not consume, so that other runners
/// get the work, and as little during a <see cref="RunnerPause"/>; when the process stops it interrupts what runs and
/// gives it back.
/// </summary>
sealed class RunnerSlots(
    IReceiveEndpointConnector connector,
    IServiceProvider services,
    RunnerName name,
    WarmSessions warm,
    RunnerPause standstill,
    IOptions<RunnerOptions> options,
    IOptions<MessageBusOptions> bus,
    TimeProvider time,
    ILogger<RunnerSlots> log
) : BackgroundService, IHealthCheck
{
    readonly Lock taking = new();
    readonly HashSet<Task> running = [];
    readonly SemaphoreSlim changed = new(0);
    readonly CancellationTokenSource stop = new();
    int taken,
        staggered;
    long nextStart;
    bool stopping;
    volatile bool consuming;

    /// <summary>Takes a slot; false when all are taken, or the runner stops or takes no work.</summary>
    /// <param name="urgent">Whether one may be taken that is kept for wakes that a person waits for.</param>
    /// <param name="slot">The slot.</param>
    public bool TryAcquire(bool urgent, [NotNullWhen(true)] out Slot? slot)
    {
        lock (taking)
        {
            slot =
                stopping
                || taken >= options.Value.Slots + (urgent ? options.Value.UrgentSlots : 0)
                || standstill.Reason is not null
                    ? null
                    : new(this);
            if (slot is null)
                return false;

            taken++;
        }

        changed.Release();
        return true;
    }

    public Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context,
        CancellationToken cancellationToken = default
    )
    {
        if (standstill.Reason is { } why)
            return Task.FromResult(HealthCheckResult.Unhealthy(why));

        var busy = Volatile.Read(ref taken) >= options.Value.Slots;
        return Task.FromResult(
            consuming || busy ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy("Not consuming.")
        );
    }

    /// <summary>Waits, with the first turns after the start, until their time has come.</summary>
    public async Task StaggerStart(CancellationToken cancel)
    {
        TimeSpan wait;
        lock (taking)
        {
            if (staggered++ >= options.Value.Slots)
                return;

            var now = time.GetTimestamp();
            var at = Math.Max(now, nextStart);
            nextStart = at + (long)(options.Value.StaggerStart.TotalSeconds * time.TimestampFrequency);
            wait = time.GetElapsedTime(now, at);
        }

        await Task.Delay(wait, time, cancel);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        standstill.OnStarted = () => changed.Release();
        List<QueueSubscription> intakes = [.. Subscribe()];
        foreach (var intake in intakes)
            await intake.Endpoint.Ready;
        consuming = true;

        while (!stoppingToken.IsCancellationRequested)
        {
            Task woken = changed.WaitAsync(standstill.TimeLeft ?? Timeout.InfiniteTimeSpan, stoppingToken);
            await woken.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await standstill.EndIfElapsed(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

            foreach (var intake in intakes)
            {
                var full = Volatile.Read(ref taken) >= intake.Slots || standstill.Reason is not null;

                // Here and not in the consumer: an endpoint that stops waits for its consumers.
                if ((full || stoppingToken.IsCancellationRequested) && intake.IsConsuming)
                {
                    await intake.Endpoint.ReceiveEndpoint.Stop(CancellationToken.None);
                    intake.IsConsuming = false;
                }
                else if (!full && !intake.IsConsuming)
                {
                    await intake.Endpoint.ReceiveEndpoint.Start(stoppingToken).Ready;
                    intake.IsConsuming = true;
                }
            }

            consuming = intakes.Exists(x => x.IsConsuming);
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

    IEnumerable<QueueSubscription> Subscribe()
    {
        var (runner, all) = (options.Value, options.Value.Slots + options.Value.UrgentSlots);
        var pool = RunnerQueues.ForPool(runner.Pool);

        yield return Subscribe(
            pool,
            runner.Slots,
            endpoint => endpoint.ConfigureConsumeTopology = runner.Pool == RunnerQueues.DefaultPool
        );
        if (runner.UrgentSlots > 0)
            yield return Subscribe(
                RunnerQueues.UrgentForPool(runner.Pool),
                all,
                endpoint => endpoint.ConfigureConsumeTopology = false
            );
        if (bus.Value.InMemory)
            yield break;

        var own = RunnerQueues.ForRunner(name.Value);
        yield return Subscribe(
            own,
            all,
            endpoint =>
            {
                endpoint.ConfigureConsumeTopology = false;
                var rabbit = (IRabbitMqReceiveEndpointConfigurator)endpoint;

                // Should this runner be dead or busy, any other of the pool takes them; should it be gone for good, its
                // queue goes too.
                rabbit.SetQueueArgument("x-message-ttl", (int)AffinityQueue.MessageTtl.TotalMilliseconds);
                rabbit.SetQueueArgument("x-dead-letter-exchange", pool);
                rabbit.QueueExpiration = AffinityQueue.Expiry;
                rabbit.SetExchangeArgument("alternate-exchange", pool);
            }
        );
    }

    QueueSubscription Subscribe(string queue, int slots, Action<IReceiveEndpointConfigurator> configure) =>
        new(
            connector.ConnectReceiveEndpoint(
                queue,
                (context, endpoint) =>
                {
                    configure(endpoint);
                    MessageBus.ConfigureEndpoint(context, queue, endpoint);
                    endpoint.PrefetchCount = 1;
                    endpoint.ConcurrentMessageLimit = 1;
                    endpoint.ConfigureConsumer<ResumeSessionConsumer>(context);
                }
            ),
            slots
        );

    void StartTurn(Slot slot, ClaimedTurn turn, long asked)
    {
        var run = Task.Run(
            async () =>
            {
                try
                {
                    await services.GetRequiredService<TurnRunner>().RunTurn(turn, asked, stop.Token);
                }
                catch (Exception failed)
                {
                    // The top of this turn's own task. Its lease runs out and the wake is sent again.
                    log.LogError(
                        failed,
                        "{SessionKey} wake {Wake}: the turn could not be run.",
                        turn.SessionKey,
                        turn.WakeNumber
                    );
                }
                finally
                {
                    slot.Release();
                }
            },
            CancellationToken.None
        );

        lock (taking)
            running.Add(run);
        _ = run.ContinueWith(Forget, TaskScheduler.Default);

        void Forget(Task ended)
        {
            lock (taking)
                running.Remove(ended);
        }
    }

    /// <summary>A queue, and how many slots may be taken while it is consumed from.</summary>
    sealed class QueueSubscription(HostReceiveEndpointHandle endpoint, int slots)
    {
        public HostReceiveEndpointHandle Endpoint => endpoint;

        public int Slots => slots;

        public bool IsConsuming { get; set; } = true;
    }

    /// <summary>One slot: either a turn runs in it, or it is free again when disposed.</summary>
    public sealed class Slot(RunnerSlots slots) : IDisposable
    {
        bool used;

        /// <summary>Runs a turn in this slot, and frees it after.</summary>
        /// <param name="turn">The turn.</param>
        /// <param name="asked">When its claim was sent.</param>
        public void StartTurn(ClaimedTurn turn, long asked)
        {
            used = true;
            slots.StartTurn(this, turn, asked);
        }

        internal void Release()
        {
            lock (slots.taking)
                slots.taken--;
            slots.changed.Release();
        }

        public void Dispose()
        {
            if (!used)
                Release();
        }
    }
}
