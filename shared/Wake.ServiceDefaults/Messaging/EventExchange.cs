using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Wake.ServiceDefaults;

/// <summary>
/// Where events travel on RabbitMQ. Declared by whoever comes first, the coordinator or a producer, so that an event
/// published before the first coordinator ever ran waits for it.
/// </summary>
public static class EventExchange
{
    /// <summary>Where producers publish. Durable, topic; the routing key is free, the event's type is a good
    /// one.</summary>
    public const string Name = "wake.events";

    /// <summary>Where the events wait for a coordinator.</summary>
    public const string Queue = "wake-events";

    /// <summary>Where messages end that are no events, with <see cref="ReasonHeader"/> and
    /// <see cref="RoutingKeyHeader"/>.</summary>
    public const string ErrorQueue = "wake-events_error";

    /// <summary>The header that says in a sentence why a message was refused.</summary>
    public const string ReasonHeader = "wake-reason";

    /// <summary>The header with the routing key the message came with.</summary>
    public const string RoutingKeyHeader = "wake-routing-key";

    /// <summary>
    /// The header by which Wake's own producers say whose deliveries they have verified: <c>github</c>, or in whose
    /// name an event is only somebody's word. It counts from publishers that are trusted. Programs that publish leave
    /// it out.
    /// </summary>
    public const string VerifiedHeader = "wake-verified";

    /// <summary>
    /// The user that a process publishes as. In a message's property <c>user-id</c> the broker vouches for it: it
    /// refuses any other.
    /// </summary>
    public static string GetUserName(MessageBusOptions bus) => new ConnectionFactory { Uri = GetAddress(bus) }.UserName;

    /// <summary>A connection that does not mend itself: what was not confirmed or acknowledged on it is the caller's to
    /// repeat.</summary>
    public static Task<IConnection> Connect(MessageBusOptions bus, string name, CancellationToken cancel) =>
        new ConnectionFactory
        {
            Uri = GetAddress(bus),
            AutomaticRecoveryEnabled = false,
            ClientProvidedName = name,
        }.CreateConnectionAsync(cancel);

    /// <summary>Whether the broker, or the way to it, was lost: connect again.</summary>
    public static bool IsConnectionLost(Exception failure) =>
        failure
            is BrokerUnreachableException
                or OperationInterruptedException
                or AlreadyClosedException
                or IOException
                or TimeoutException;

    static Uri GetAddress(MessageBusOptions bus) =>
        new UriBuilder(bus.Host!) { Scheme = bus.Host!.Scheme.EndsWith('s') ? "amqps" : "amqp" }.Uri;

    /// <summary>
    /// Whether it is there. This needs no right to make it: RabbitMQ refuses to declare even what exists to whoever may
    /// not make it.
    /// </summary>
    public static async Task<bool> Exists(IConnection connection, CancellationToken cancel)
    {
        // It ends with the first that is missing.
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancel);
        try
        {
            await channel.ExchangeDeclarePassiveAsync(Name, cancel);
            await channel.QueueDeclarePassiveAsync(Queue, cancel);
            return true;
        }
        catch (OperationInterruptedException none) when (none.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            return false;
        }
    }

    /// <summary>Makes sure that it exists.</summary>
    public static async Task Declare(IChannel channel, CancellationToken cancel)
    {
        await channel.ExchangeDeclareAsync(Name, ExchangeType.Topic, durable: true, cancellationToken: cancel);
        await channel.QueueDeclareAsync(
            ErrorQueue,
            durable: true,
            exclusive: false,
            autoDelete: false,
            new Dictionary<string, object?> { ["x-queue-type"] = "quorum" },
            cancellationToken: cancel
        );

        // RabbitMQ 4 drops a message after 20 redeliveries unless it knows where to: a coordinator that crashes again
        // and again must not eat events.
        await channel.QueueDeclareAsync(
            Queue,
            durable: true,
            exclusive: false,
            autoDelete: false,
            new Dictionary<string, object?>
            {
                ["x-queue-type"] = "quorum",
                ["x-dead-letter-exchange"] = "",
                ["x-dead-letter-routing-key"] = ErrorQueue,
                ["x-dead-letter-strategy"] = "at-least-once",
                ["x-overflow"] = "reject-publish",
            },
            cancellationToken: cancel
        );
        await channel.QueueBindAsync(Queue, Name, "#", cancellationToken: cancel);
    }
}
