using System.Diagnostics;
using System.Text;
using System.Threading.Channels;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using Npgsql;
using RabbitMQ.Client;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>
/// The AMQP front of the intake: plain JSON from any program, published to the topic exchange
/// <see cref="EventExchange.Name"/>. Takes whatever has arrived, commits it in one transaction and acknowledges all of
/// it at once.
/// </summary>
/// <remarks>
/// On RabbitMQ.Client rather than MassTransit: one acknowledgement per batch is worth a factor of two to three, and a
/// message that is no event goes to <see cref="EventExchange.ErrorQueue"/> with its reason while the rest of its batch
/// is taken in.
/// </remarks>
sealed class EventQueueConsumer(
    Intake intake,
    SweepSignal signal,
    IOptions<MessageBusOptions> bus,
    IOptions<CoordinatorOptions> options,
    ILogger<EventQueueConsumer> log
) : BackgroundService, IHealthCheck
{
    // Taking in a lonely event and the few that arrive meanwhile never comes near it.
    const int BurstThreshold = 50;

    static readonly TimeSpan ReconnectDelay = TimeSpan.FromSeconds(1);

    volatile bool consuming;
    volatile IChannel? currentChannel;
    string? ownUser;

    /// <inheritdoc />
    public Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context,
        CancellationToken cancellationToken = default
    ) =>
        Task.FromResult(
            consuming ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy("Not connected to RabbitMQ.")
        );

    /// <summary>How many messages wait in the error queue; null while there is no connection to ask.</summary>
    public async Task<long?> CountDeadLetters(CancellationToken cancel) =>
        currentChannel is { IsOpen: true } channel
            ? await channel.MessageCountAsync(EventExchange.ErrorQueue, cancel)
            : null;

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await BackgroundLoop.Run(
            log,
            "Consuming events",
            ConsumeUntilLost,
            ReconnectDelay,
            TimeProvider.System,
            stoppingToken
        );

        async Task<TimeSpan> ConsumeUntilLost(CancellationToken cancel)
        {
            try
            {
                await Consume(cancel);
            }
            finally
            {
                (consuming, currentChannel) = (false, null);
            }

            return ReconnectDelay;
        }
    }

    // One connection's life. What it had not acknowledged comes again on the next: delivery tags mean nothing there.
    async Task Consume(CancellationToken cancel)
    {
        await using var connection = await EventExchange.Connect(bus.Value, "wake-events", cancel);
        await using var channel = await connection.CreateChannelAsync(
            new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true),
            cancel
        );

        await EventExchange.Declare(channel, cancel);
        foreach (var trusted in options.Value.TrustedExchanges)
        {
            await channel.ExchangeDeclareAsync(trusted, ExchangeType.Topic, durable: true, cancellationToken: cancel);
            await channel.QueueBindAsync(EventExchange.Queue, trusted, "#", cancellationToken: cancel);
        }

        currentChannel = channel;

        var arrived = Channel.CreateUnbounded<ReceivedMessage>(new() { SingleReader = true, SingleWriter = true });
        channel.ChannelShutdownAsync += (_, why) =>
        {
            arrived.Writer.TryComplete(new IOException(why.ReplyText));
            return Task.CompletedTask;
        };

        // Bounds what is in memory: two batches, one being committed and one arriving.
        await channel.BasicQosAsync(
            0,
            (ushort)Math.Min(options.Value.IntakeBatchSize * 2, ushort.MaxValue),
            false,
            cancel
        );
        await channel.BasicConsumeAsync(
            EventExchange.Queue,
            autoAck: false,
            new BatchingConsumer(channel, arrived.Writer, IsTrustedPublisher),
            cancel
        );
        consuming = true;

        List<ReceivedMessage> batch = new(options.Value.IntakeBatchSize);
        while (await arrived.Reader.WaitToReadAsync(cancel))
        {
            batch.Clear();
            while (batch.Count < options.Value.IntakeBatchSize && arrived.Reader.TryRead(out var arrival))
                batch.Add(arrival);

            var isBurst = batch.Count >= BurstThreshold;
            if (isBurst)
                signal.BeginBurst();
            try
            {
                foreach (var refused in batch.Where(x => x.Problem is not null))
                    await SendToErrorQueue(channel, refused, refused.Problem!, cancel);

                await AcceptBatch(channel, batch.FindAll(x => x.Problem is null), cancel);
                await channel.BasicAckAsync(batch[^1].Tag, multiple: true, cancel);
            }
            finally
            {
                if (isBurst)
                    signal.EndBurst();
            }
        }
    }

    string OwnUser => ownUser ??= EventExchange.GetUserName(bus.Value);

    bool IsTrustedPublisher(string exchange, string? user) =>
        options.Value.TrustedExchanges.Contains(exchange)
        || (user is not null && (user == OwnUser || options.Value.TrustedPublishers.Contains(user)));

    async Task AcceptBatch(IChannel channel, List<ReceivedMessage> batch, CancellationToken cancel)
    {
        if (batch is [])
            return;

        using var activity = StartActivity(batch);

        for (var failures = 0; ; failures++)
        {
            try
            {
                await intake.Accept(
                    batch.ConvertAll(x => new Observation(x.Event!, x.Trace.TraceParent, x.Trace.TraceState, x.Scope)),
                    cancel,
                    due =>
                    {
                        signal.SweepIn(due);
                        return Task.CompletedTask;
                    }
                );
                return;
            }
            catch (Exception refused) when (RejectionReason(refused) is { } why)
            {
                // What the validation did not foresee. One of the batch is to blame: find it.
                if (batch is [var single])
                {
                    await SendToErrorQueue(channel, single, why, cancel);
                    return;
                }

                await AcceptBatch(channel, batch[..(batch.Count / 2)], cancel);
                await AcceptBatch(channel, batch[(batch.Count / 2)..], cancel);
                return;
            }
            catch (Exception failed) when (PostgresErrors.IsFailure(failed))
            {
                // Nothing is acknowledged, so nothing is lost; RabbitMQ keeps what keeps arriving.
                log.Log(
                    PostgresErrors.IsTransient(failed) ? LogLevel.Warning : LogLevel.Error,
                    "The intake cannot commit ({Reason}); trying again.",
                    failed.Message
                );
                await Task.Delay(TimeSpan.FromSeconds(Math.Min(10, 0.1 * Math.Pow(2, failures))), cancel);
            }
        }
    }

    // What came from one place goes on from there. A batch of several traces belongs to none and is linked to each.
    static Activity? StartActivity(List<ReceivedMessage> batch)
    {
        var first = batch[0].Trace;
        var alone = batch.TrueForAll(x => x.Trace == first);
        var activity = Tracing.Start(
            Tracing.Intake,
            ActivityKind.Consumer,
            alone ? first : default,
            batch.Select(x => x.Trace)
        );

        activity?.SetTag("messaging.system", "rabbitmq");
        activity?.SetTag("messaging.operation.name", "process");
        activity?.SetTag("messaging.operation.type", "process");
        activity?.SetTag("messaging.destination.name", $"{EventExchange.Name}:#:{EventExchange.Queue}");
        activity?.SetTag("messaging.batch.message_count", batch.Count);
        activity?.SetTag(Tracing.Events, batch.Take(Tracing.MaxEvents).Select(x => x.Event!.Id).ToArray());
        return activity;
    }

    // An event that cannot be taken in must not end the service, which would meet it again at its next start.
    static string? RejectionReason(Exception failure) =>
        failure switch
        {
            PostgresException => PostgresErrors.RejectionReason(failure),
            ObjectDisposedException => null,
            InvalidOperationException or ArgumentException or FormatException =>
                $"It cannot be taken in: {failure.Message}",
            _ => null,
        };

    async Task SendToErrorQueue(IChannel channel, ReceivedMessage refused, string reason, CancellationToken cancel)
    {
        log.LogWarning("A message to {Exchange} is no event: {Reason}", EventExchange.Name, reason);

        var properties = new BasicProperties
        {
            Persistent = true,
            ContentType = "application/json",
            Headers = new Dictionary<string, object?>
            {
                [EventExchange.ReasonHeader] = reason,
                [EventExchange.RoutingKeyHeader] = refused.RoutingKey,
            },
        };
        if (refused.IsTrusted)
        {
            // Sent again, it is what it was: only we can put it there in our own name.
            properties.UserId = OwnUser;
            properties.Headers[EventExchange.VerifiedHeader] = refused.Scope;
        }

        await channel.BasicPublishAsync(
            "",
            EventExchange.ErrorQueue,
            mandatory: true,
            properties,
            refused.Body,
            cancel
        );
    }

    /// <summary>One message, read where it arrives: either an event or the reason why it is none.</summary>
    readonly record struct ReceivedMessage(
        ulong Tag,
        string RoutingKey,
        ExternalEventObserved? Event,
        string? Problem,
        TraceContext Trace,
        bool IsTrusted,
        string Scope,
        ReadOnlyMemory<byte> Body
    );

    sealed class BatchingConsumer(
        IChannel channel,
        ChannelWriter<ReceivedMessage> arrived,
        Func<string, string?, bool> trusts
    ) : AsyncDefaultBasicConsumer(channel)
    {
        public override Task HandleBasicDeliverAsync(
            string consumerTag,
            ulong deliveryTag,
            bool redelivered,
            string exchange,
            string routingKey,
            IReadOnlyBasicProperties properties,
            ReadOnlyMemory<byte> body,
            CancellationToken cancellationToken = default
        )
        {
            // The body's memory is the client's again when this returns.
            _ = EventJson.TryParse(body.Span, out var observed, out var problem);
            var user = properties.IsUserIdPresent() ? properties.UserId : null;
            var trusted = trusts(exchange, user);
            if (observed is not null && !trusted && (observed.Urgent || observed.Sessions is { Count: > 0 }))
            {
                var whatToDo = user is null
                    ? "This one does not say who it is: let it set user-id, and name that user in "
                        + "Coordinator:TrustedPublishers."
                    : $"{user} is not: name it in Coordinator:TrustedPublishers.";
                problem = $"{(observed.Urgent ? "urgent" : "sessions")} is for publishers that are trusted. {whatToDo}";
            }

            arrived.TryWrite(
                new(
                    deliveryTag,
                    routingKey,
                    observed,
                    problem,
                    TraceOf(properties),
                    trusted,
                    ScopeOf(trusted ? Header(properties, EventExchange.VerifiedHeader) : null, user),
                    body.ToArray()
                )
            );
            return Task.CompletedTask;
        }

        // Of a stranger only that it came this way, and that the broker knows who it is. Nobody speaks for Wake here.
        static string ScopeOf(string? said, string? user) =>
            said is null or WakeRequested.VerifiedByWake ? $"amqp:{user}" : said;

        public override Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default)
        {
            // The queue was deleted or its node left: begin again with a new connection, which declares it.
            arrived.TryComplete(new IOException("RabbitMQ cancelled the consumer."));
            return base.HandleBasicCancelAsync(consumerTag, cancellationToken);
        }

        static TraceContext TraceOf(IReadOnlyBasicProperties properties) =>
            TraceContext.Parse(Header(properties, "traceparent"), Header(properties, "tracestate"));

        static string? Header(IReadOnlyBasicProperties properties, string name) =>
            properties.Headers is { } headers && headers.TryGetValue(name, out var value) && value is byte[] text
                ? Encoding.Latin1.GetString(text)
                : null;
    }
}
