using MassTransit;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.ServiceDefaults;

namespace Wake.Runner;

/// <summary>
/// The queues this runner consumes from: its pool's, its pool's for urgent wakes, and its own for affinity. While all
/// slots are taken it does not consume, so that other runners get the work, nor during a <see cref="RunnerPause"/>
/// or while people have drained it.
/// When the process stops, it stops consuming and interrupts the turns that run.
/// </summary>
sealed class RunnerEndpoints(
    IReceiveEndpointConnector connector,
    RunnerSlots slots,
    RunnerPause pause,
    RunnerDrain drain,
    RunnerName name,
    WarmSessions warmSessions,
    IOptions<RunnerOptions> options,
    IOptions<MessageBusOptions> bus,
    TimeProvider time,
    ILogger<RunnerEndpoints> log
) : BackgroundService
{
    volatile bool isConsuming;

    /// <summary>Whether it consumes from any queue.</summary>
    public bool IsConsuming => isConsuming;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        pause.OnStarted = slots.NotifyChanged;
        List<QueueSubscription> subscriptions = [.. Subscribe()];
        foreach (var subscription in subscriptions)
            await subscription.Endpoint.Ready;
        isConsuming = true;

        await BackgroundLoop.Run(
            log,
            "Consuming from the queues",
            Follow,
            TimeSpan.FromSeconds(1),
            time,
            stoppingToken
        );

        async Task<TimeSpan> Follow(CancellationToken cancel)
        {
            await slots
                .WaitForChange(pause.TimeLeft ?? Timeout.InfiniteTimeSpan, cancel)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await pause.EndIfElapsed(cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

            foreach (var subscription in subscriptions)
                await StartOrStop(subscription, cancel);

            isConsuming = subscriptions.Exists(x => x.IsConsuming);
            return TimeSpan.Zero;
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await slots.Interrupt();
        await base.StopAsync(cancellationToken);
        await slots.WhenEnded().WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await warmSessions.Close().WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    // Here and not in the consumer: an endpoint that stops waits for its consumers.
    async Task StartOrStop(QueueSubscription subscription, CancellationToken stopping)
    {
        var full = slots.Taken >= subscription.Slots || pause.Reason is not null || drain.IsDrained;
        if ((full || stopping.IsCancellationRequested) && subscription.IsConsuming)
        {
            await subscription.Endpoint.ReceiveEndpoint.Stop(CancellationToken.None);
            subscription.IsConsuming = false;
        }
        else if (!full && !subscription.IsConsuming)
        {
            await subscription.Endpoint.ReceiveEndpoint.Start(stopping).Ready;
            subscription.IsConsuming = true;
        }
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

        yield return Subscribe(
            RunnerQueues.ForRunner(name.Value),
            all,
            endpoint =>
            {
                endpoint.ConfigureConsumeTopology = false;
                var rabbit = (IRabbitMqReceiveEndpointConfigurator)endpoint;

                // A message that expires is dead-lettered to the pool; the queue itself expires when the runner stays
                // away.
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

    /// <summary>A queue, and how many slots may be taken while it is consumed from.</summary>
    sealed class QueueSubscription(HostReceiveEndpointHandle endpoint, int slots)
    {
        public HostReceiveEndpointHandle Endpoint => endpoint;

        public int Slots => slots;

        public bool IsConsuming { get; set; } = true;
    }
}
