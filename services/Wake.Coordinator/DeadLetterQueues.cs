using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Wake.Contracts;
using Wake.ServiceDefaults;

namespace Wake.Coordinator;

/// <summary>
/// RabbitMQ's error queues, and the dead-lettered messages in them. A message is acknowledged only after the broker has
/// confirmed its republication: an interruption may duplicate a message and never loses one.
/// </summary>
public sealed class DeadLetterQueues : IAsyncDisposable
{
    /// <summary>The length of an excerpt, in characters: enough to recognise a message by.</summary>
    public const int MaxExcerptLength = 200;

    // A queue that one connection alone can have stands for the right to go through the others.
    const string TurnQueue = "wake-redrive";

    static readonly TimeSpan TurnRetryDelay = TimeSpan.FromMilliseconds(50),
        TurnTimeout = TimeSpan.FromSeconds(30);

    readonly IConnection connection;
    readonly string self;

    DeadLetterQueues(IConnection connection, string self) => (this.connection, this.self) = (connection, self);

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

    /// <summary>Connects as the user of the bus.</summary>
    public static async Task<DeadLetterQueues> Connect(MessageBusOptions bus, CancellationToken cancel) =>
        new(await EventExchange.Connect(bus, "wake-redrive", cancel), EventExchange.GetUserName(bus));

    /// <summary>How many messages lie in a queue; null when there is no such queue, or none that we may see.</summary>
    public async Task<long?> Count(string queue, CancellationToken cancel)
    {
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancel);
        try
        {
            return (await channel.QueueDeclarePassiveAsync(queue, cancel)).MessageCount;
        }
        catch (OperationInterruptedException none)
            when (none.ShutdownReason?.ReplyCode is Constants.NotFound or Constants.AccessRefused)
        {
            return null;
        }
    }

    /// <summary>Goes through the dead letters of a queue once, and does with each what is
    /// <paramref name="decided"/>.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="decided">What to do with it. It is given the whole of its body.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <param name="limit">The most that it goes through.</param>
    /// <returns>What it went through; null when there is no such queue.</returns>
    public async Task<IReadOnlyList<DeadLetter>?> GoThrough(
        string queue,
        Func<DeadLetter, DeadLetterFate> decided,
        CancellationToken cancel,
        int limit = int.MaxValue
    )
    {
        await using var channel = await connection.CreateChannelAsync(
            new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true),
            cancel
        );

        await using var turn = await TakeTurn(cancel);
        uint waiting;
        try
        {
            waiting = (await channel.QueueDeclarePassiveAsync(queue, cancel)).MessageCount;
        }
        catch (OperationInterruptedException none) when (none.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            return null;
        }

        var deadLetters = new List<DeadLetter>();
        while (
            deadLetters.Count < Math.Min(waiting, limit)
            && await channel.BasicGetAsync(queue, autoAck: false, cancel) is { } got
        )
        {
            var headers = Headers(got);
            var text = Encoding.UTF8.GetString(got.Body.Span);
            var reason = StorableText.Sanitize(StorableText.Head(Reason(got, headers), EventLimits.MaxReasonLength));
            var whole = new DeadLetter(GetId(queue, got), queue, reason, text, DeadLetterFate.Stays);
            var fate = decided(whole);
            try
            {
                if (fate is not DeadLetterFate.Dropped)
                    await Publish(channel, queue, got, headers, fate, cancel);
            }
            catch (PublishException) when (fate is not DeadLetterFate.Stays)
            {
                // Where it came from does not take it. Given back again and again RabbitMQ would drop it.
                fate = DeadLetterFate.Stays;
                await Publish(channel, queue, got, headers, fate, cancel);
            }

            deadLetters.Add(whole with { Body = Excerpt(text), Fate = fate });
            await channel.BasicAckAsync(got.DeliveryTag, multiple: false, CancellationToken.None);
        }

        return deadLetters;
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();

    // Who looked meanwhile would miss the message that another has in hand. The queue ends with its connection at the
    // latest. Null: a user that may make no queue looks all the same.
    async Task<Turn?> TakeTurn(CancellationToken cancel)
    {
        for (var begun = Stopwatch.GetTimestamp(); ; )
        {
            var channel = await connection.CreateChannelAsync(cancellationToken: cancel);
            try
            {
                await channel.QueueDeclareAsync(TurnQueue, false, true, true, cancellationToken: cancel);
                return new(channel);
            }
            catch (OperationInterruptedException refused)
                when (refused.ShutdownReason?.ReplyCode is Constants.AccessRefused)
            {
                await channel.DisposeAsync();
                return null;
            }
            catch (OperationInterruptedException taken)
                when (taken.ShutdownReason?.ReplyCode is Constants.ResourceLocked
                    && Stopwatch.GetElapsedTime(begun) < TurnTimeout
                )
            {
                await channel.DisposeAsync();
            }

            await Task.Delay(TurnRetryDelay, cancel);
        }
    }

    sealed class Turn(IChannel channel) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            if (channel.IsOpen)
                await channel.QueueDeleteAsync(TurnQueue, cancellationToken: CancellationToken.None);
            await channel.DisposeAsync();
        }
    }

    async Task Publish(
        IChannel channel,
        string queue,
        BasicGetResult got,
        Dictionary<string, object?> headers,
        DeadLetterFate fate,
        CancellationToken cancel
    )
    {
        var stays = fate is DeadLetterFate.Stays;
        var (exchange, routingKey) = stays ? ("", queue) : OriginalAddress(queue, headers);

        // One that stays goes to the end of its queue instead of back to where it was: RabbitMQ 4 counts how often a
        // message was given back, and drops it in the end.
        var properties = new BasicProperties(got.BasicProperties)
        {
            Headers = stays ? headers : WithoutFaultHeaders(headers),
        };

        // The broker lets nobody say another's name. What was not its own is a stranger's again, unless somebody
        // answers for it.
        if (got.BasicProperties.UserId != self)
        {
            properties.Headers.Remove(EventExchange.VerifiedHeader);
            properties.UserId = fate is DeadLetterFate.RedrivenInOwnName ? self : null;
        }

        await channel.BasicPublishAsync(exchange, routingKey, mandatory: true, properties, got.Body, cancel);
    }

    // The same message is the same whenever it is looked at.
    static string GetId(string queue, BasicGetResult got)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{queue}\n{got.BasicProperties.MessageId}\n"));
        hash.AppendData(got.Body.Span);
        return Convert.ToHexStringLower(hash.GetHashAndReset()[..16]);
    }

    static string Excerpt(string text)
    {
        var head = StorableText.Sanitize(StorableText.Head(text, MaxExcerptLength));
        return head.Length < text.Length ? $"{StorableText.Head(head, MaxExcerptLength - 1)}…" : head;
    }

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
/// <param name="Id">Tells it from others: of the queue and the whole message.</param>
/// <param name="Queue">Where it lies, or lay.</param>
/// <param name="Reason">Why it could not be handled.</param>
/// <param name="Body">What it says; of a list its beginning.</param>
/// <param name="Fate">What became of it.</param>
public sealed record DeadLetter(string Id, string Queue, string Reason, string Body, DeadLetterFate Fate);

/// <summary>What becomes of a dead letter.</summary>
public enum DeadLetterFate
{
    /// <summary>It lies where it lay.</summary>
    Stays,

    /// <summary>It is sent again.</summary>
    Redriven,

    /// <summary>It is sent again, and whoever sends it answers for what it says.</summary>
    RedrivenInOwnName,

    /// <summary>It is gone.</summary>
    Dropped,
}
