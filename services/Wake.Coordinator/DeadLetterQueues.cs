using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Wake.Contracts;
using Wake.Producing;
using Wake.ServiceDefaults;

namespace Wake.Cli;

/// <summary>
/// Dead-lettered messages, in RabbitMQ's error queues. A message is acknowledged only after the broker has confirmed
/// its republication: an interruption may duplicate a message and never loses one.
/// </summary>
sealed class DeadLetters : IAsyncDisposable
{
    // Enough to recognise a message by.
    const int MaxExcerptLength = 200;

    readonly IConnection connection;
    readonly string self;

    DeadLetters(IConnection connection, string self) => (this.connection, this.self) = (connection, self);

    /// <summary>Where they lie, unless a pool of runners has queues of its own.</summary>
    public static IReadOnlyList<string> Queues { get; } =
    [
        EventExchange.ErrorQueue,
        .. from queue in (string[])
            [
                "session-wake",
                RunnerQueues.ForPool(RunnerQueues.DefaultPool),
                RunnerQueues.UrgentForPool(RunnerQueues.DefaultPool),
            ]
        from kind in (string[])["error", "skipped"]
        select $"{queue}_{kind}",
    ];

    public static async Task<DeadLetters> Connect(MessageBusOptions bus, CancellationToken cancel) =>
        new(await EventExchange.Connect(bus, "wake-redrive", cancel), EventExchange.GetUserName(bus));

    /// <summary>Goes through the dead letters of a queue once, sending again those that are
    /// <paramref name="chosen"/>.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="chosen">Which to send again.</param>
    /// <param name="trust">Whether what is sent again is vouched for by whoever sends it.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <returns>All of them; null when there is no such queue.</returns>
    public async Task<IReadOnlyList<DeadLetter>?> RedriveQueue(
        string queue,
        Func<DeadLetter, bool> chosen,
        bool trust,
        CancellationToken cancel
    )
    {
        await using var channel = await connection.CreateChannelAsync(
            new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true),
            cancel
        );

        uint waiting;
        try
        {
            waiting = (await channel.QueueDeclarePassiveAsync(queue, cancel)).MessageCount;
        }
        catch (OperationInterruptedException none) when (none.ShutdownReason?.ReplyCode == 404)
        {
            return null;
        }

        var deadLetters = new List<DeadLetter>();
        while (deadLetters.Count < waiting && await channel.BasicGetAsync(queue, autoAck: false, cancel) is { } got)
        {
            var headers = Headers(got);
            var text = Encoding.UTF8.GetString(got.Body.Span);
            var deadLetter = new DeadLetter(
                queue,
                Reason(got, headers),
                EventText.Truncate(text, MaxExcerptLength),
                false
            );
            deadLetter = deadLetter with { Redriven = chosen(deadLetter with { Body = text }) };

            var (exchange, routingKey) = deadLetter.Redriven ? OriginalAddress(queue, headers) : ("", queue);

            // One that stays goes to the end of its queue instead of back to where it was: RabbitMQ 4 counts how often
            // a message was given back, and drops it in the end.
            var properties = new BasicProperties(got.BasicProperties)
            {
                Headers = deadLetter.Redriven ? WithoutFaultHeaders(headers) : headers,
            };

            // The broker lets nobody say another's name. What was not its own is a stranger's again, unless somebody
            // answers for it.
            if (got.BasicProperties.UserId != self)
            {
                properties.Headers.Remove(EventExchange.VerifiedHeader);
                properties.UserId = deadLetter.Redriven && trust ? self : null;
            }

            await channel.BasicPublishAsync(exchange, routingKey, mandatory: true, properties, got.Body, cancel);
            await channel.BasicAckAsync(got.DeliveryTag, multiple: false, CancellationToken.None);
            deadLetters.Add(deadLetter);
        }

        return deadLetters;
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();

    static Dictionary<string, object?> Headers(BasicGetResult got) =>
        new(got.BasicProperties.Headers ?? new Dictionary<string, object?>());

    static (string Exchange, string RoutingKey) OriginalAddress(string queue, Dictionary<string, object?> headers) =>
        queue == EventExchange.ErrorQueue
            ? (EventExchange.Name, Text(headers, EventExchange.RoutingKeyHeader) ?? "event")
            : ("", queue[..queue.LastIndexOf('_')]);

    // What the message was given on its way here would be wrong on its second way.
    static Dictionary<string, object?> WithoutFaultHeaders(Dictionary<string, object?> headers) =>
        headers
            .Where(x =>
                !x.Key.StartsWith("MT-Fault-", StringComparison.Ordinal)
                && !x.Key.StartsWith("x-", StringComparison.Ordinal)
                && x.Key is not (EventExchange.ReasonHeader or EventExchange.RoutingKeyHeader or "MT-Reason")
            )
            .ToDictionary();

    static string Reason(BasicGetResult got, Dictionary<string, object?> headers) =>
        Text(headers, EventExchange.ReasonHeader)
        ?? Text(headers, "MT-Fault-Message")
        ?? (
            got.BasicProperties.IsHeadersPresent() && headers.ContainsKey("x-death")
                ? "RabbitMQ gave up delivering it"
                : "not known here"
        );

    static string? Text(Dictionary<string, object?> headers, string name) =>
        headers.TryGetValue(name, out var value) && value is byte[] bytes ? Encoding.UTF8.GetString(bytes) : null;
}

/// <summary>One message that could not be handled.</summary>
/// <param name="Queue">Where it lies, or lay.</param>
/// <param name="Reason">Why it could not be handled.</param>
/// <param name="Body">What it says: its beginning.</param>
/// <param name="Redriven">Whether it was sent again.</param>
sealed record DeadLetter(string Queue, string Reason, string Body, bool Redriven);
