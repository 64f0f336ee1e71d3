using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Wake.Contracts;
using Wake.ServiceDefaults;

namespace Wake.Producing;

/// <summary>
/// Publishes to RabbitMQ and waits for its confirmation. Connects when first needed and again whenever it must; what
/// was not confirmed is sent once more, and the dedup key makes one fact of both.
/// </summary>
sealed class BrokerPublisher(IOptions<MessageBusOptions> bus, ILogger<BrokerPublisher> log)
    : IEventPublisher,
        IHealthCheck,
        IAsyncDisposable
{
    // Enough that a burst does not wait for one round trip after the other, few enough to repeat after a lost
    // connection.
    const int MaxUnconfirmed = 64;

    // The protocol's limit for a routing key, in bytes.
    const int MaxRoutingKey = 255;

    static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(500);

    readonly SemaphoreSlim unconfirmed = new(MaxUnconfirmed);
    readonly SemaphoreSlim connecting = new(1);
    string? user;
    IConnection? connection;
    IChannel? channel;
    bool unroutable;
    int refused;

    public async Task Publish(IReadOnlyList<ExternalEventObserved> events, CancellationToken cancel) =>
        await Task.WhenAll(events.Select(x => Publish(x, cancel)));

    public async Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context,
        CancellationToken cancellationToken = default
    )
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        bound.CancelAfter(TimeSpan.FromSeconds(5));
        try
        {
            // An open socket proves nothing, and all that a producer may publish is events: it counts what became of
            // those, and that the broker answers on their connection.
            await OpenChannel(bound.Token);
            if (!await EventExchange.Exists(connection!, bound.Token))
                return HealthCheckResult.Unhealthy("RabbitMQ does not have the exchange of the events.");
            return Volatile.Read(ref refused) is > 0 and var waiting
                ? HealthCheckResult.Unhealthy($"RabbitMQ has not taken {waiting} events yet.")
                : HealthCheckResult.Healthy();
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            return HealthCheckResult.Unhealthy("RabbitMQ does not answer.");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (connection is not null)
            await connection.DisposeAsync();
        unconfirmed.Dispose();
        connecting.Dispose();
    }

    async Task Publish(ExternalEventObserved observed, CancellationToken cancel)
    {
        var body = EventJson.Serialize(observed);
        var routingKey = Encoding.UTF8.GetByteCount(observed.Type) <= MaxRoutingKey ? observed.Type : "event";

        using var activity = Tracing.Start(Tracing.Publish, ActivityKind.Producer, default);
        activity?.SetTag("messaging.system", "rabbitmq");
        activity?.SetTag("messaging.operation.name", "publish");
        activity?.SetTag("messaging.operation.type", "send");
        activity?.SetTag("messaging.destination.name", $"{EventExchange.Name}:{routingKey}");
        activity?.SetTag(Tracing.Events, new[] { observed.Id });

        var properties = new BasicProperties
        {
            Persistent = true,
            ContentType = "application/json",
            UserId = user ??= EventExchange.GetUserName(bus.Value),
            Headers = Headers(observed.DedupScope),
        };

        var wasRefused = false;
        await unconfirmed.WaitAsync(cancel);
        try
        {
            for (; ; await Task.Delay(RetryDelay, cancel))
            {
                IChannel? used = null;
                try
                {
                    used = await OpenChannel(cancel);
                    await used.BasicPublishAsync(
                        EventExchange.Name,
                        routingKey,
                        mandatory: true,
                        properties,
                        body,
                        cancel
                    );
                    return;
                }
                // For anything else no message is to blame: the broker is gone, the queue is full or deleted, or the
                // channel lost count of its confirms (rabbitmq-dotnet-client 1900) and never finds it again.
                catch (Exception failed) when (!cancel.IsCancellationRequested && failed is not ArgumentException)
                {
                    if (!wasRefused)
                        Interlocked.Increment(ref refused);
                    wasRefused = true;
                    log.LogWarning("RabbitMQ has not taken an event ({Reason}); trying again.", failed.Message);
                    await DiscardChannel(used, failed is PublishException { IsReturn: true });
                }
            }
        }
        finally
        {
            if (wasRefused)
                Interlocked.Decrement(ref refused);
            unconfirmed.Release();
        }
    }

    static Dictionary<string, object?> Headers(string scope)
    {
        Dictionary<string, object?> headers = new() { [EventExchange.VerifiedHeader] = scope };
        if (TraceContext.Current is { TraceParent: { } parent } trace)
        {
            headers["traceparent"] = parent;
            if (trace.TraceState is { } state)
                headers["tracestate"] = state;
        }

        return headers;
    }

    async Task<IChannel> OpenChannel(CancellationToken cancel)
    {
        await connecting.WaitAsync(cancel);
        try
        {
            if (channel is { IsOpen: true })
                return channel;

            if (connection is not null)
                await connection.DisposeAsync();

            connection = await EventExchange.Connect(bus.Value, "wake-producer", cancel);

            // Without the client's own limiter, which slows down long before its limit; ours is above.
            var opened = await connection.CreateChannelAsync(
                new(
                    publisherConfirmationsEnabled: true,
                    publisherConfirmationTrackingEnabled: true,
                    outstandingPublisherConfirmationsRateLimiter: null
                ),
                cancel
            );

            // A producer with a user of its own finds it made. What is there and leads nowhere may still be mended by
            // one that may.
            var declare = unroutable || !await EventExchange.Exists(connection, cancel);
            unroutable = false;
            if (declare)
                await EventExchange.Declare(opened, cancel);
            return channel = opened;
        }
        finally
        {
            connecting.Release();
        }
    }

    async Task DiscardChannel(IChannel? used, bool returned)
    {
        await connecting.WaitAsync(CancellationToken.None);
        try
        {
            // Another event may have replaced it already.
            if (used is not null && used == channel)
                (channel, unroutable) = (null, returned);
        }
        finally
        {
            connecting.Release();
        }
    }
}
