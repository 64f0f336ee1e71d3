using Microsoft.Extensions.Options;
using RabbitMQ.Client.Exceptions;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>
/// Writes down what lies in RabbitMQ's error queues, so that people see it, and does with it what they want. Here,
/// since the coordinator puts it there in its own name, and what it vouched for stays so when it is sent again.
/// </summary>
sealed class DeadLetterDesk(
    DeadLetters letters,
    IOptions<MessageBusOptions> bus,
    TimeProvider time,
    ILogger<DeadLetterDesk> log
) : BackgroundService
{
    // A person who presses a button looks at the page for as long.
    static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    // As many messages may be others than before. To look at them moves each to the end of its queue.
    static readonly TimeSpan LookAgainAfter = TimeSpan.FromMinutes(1);

    // MassTransit makes a queue with the first message for it. RabbitMQ writes each question for one that is not there
    // into its log.
    static readonly TimeSpan AskAgainAfter = TimeSpan.FromMinutes(5);

    readonly Dictionary<string, Seen> seen = [];
    DeadLetterQueues? queues;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await BackgroundLoop.Run(log, "Looking after dead letters", Look, Interval, time, stoppingToken);
        }
        finally
        {
            await Disconnect();
        }
    }

    async Task<TimeSpan> Look(CancellationToken cancel)
    {
        try
        {
            queues ??= await DeadLetterQueues.Connect(bus.Value, cancel);
            var wished = await letters.ListWished(cancel);
            foreach (var queue in DeadLetterQueues.Queues)
                await LookOrPass(queues, queue, wished.Contains(queue), cancel);
        }
        catch
        {
            await Disconnect();
            throw;
        }

        return Interval;
    }

    // A user of the broker who may not read one queue may read the others.
    async Task LookOrPass(DeadLetterQueues broker, string queue, bool isWished, CancellationToken cancel)
    {
        try
        {
            await Look(broker, queue, isWished, cancel);
        }
        catch (OperationInterruptedException refused)
            when (refused.ShutdownReason?.ReplyCode == RabbitMQ.Client.Constants.AccessRefused)
        {
            log.LogWarning("{Queue} cannot be looked into: {Reason}", queue, refused.ShutdownReason.ReplyText);
            seen[queue] = new(null, time.GetTimestamp());
        }
    }

    async Task Look(DeadLetterQueues broker, string queue, bool isWished, CancellationToken cancel)
    {
        var last = seen.GetValueOrDefault(queue);
        var now = time.GetTimestamp();
        if (last is { Count: null } && time.GetElapsedTime(last.At, now) < AskAgainAfter)
            return;

        var count = await broker.Count(queue, cancel);
        if (
            count == last?.Count
            && !isWished
            && (count is null or 0 || time.GetElapsedTime(last!.At, now) < LookAgainAfter)
        )
        {
            if (count is null)
                seen[queue] = new(null, now);
            return;
        }

        // Not as many as lie there afterwards: what was sent again may be back by then, and nobody has looked at it.
        var left = count;
        var isDone = await letters.Update(
            queue,
            async wishes =>
            {
                var contents = await GoThrough(broker, queue, wishes, cancel);
                left = contents.IsWhole ? contents.Lying.Count : count - contents.Gone.Count;
                return contents;
            },
            cancel
        );
        if (isDone)
            seen[queue] = new(left, now);
    }

    static async Task<QueueContents> GoThrough(
        DeadLetterQueues broker,
        string queue,
        IReadOnlyDictionary<string, DeadLetterRow> wishes,
        CancellationToken cancel
    )
    {
        var found = await broker.GoThrough(queue, Decide, cancel, DeadLetters.MaxPerQueue) ?? [];
        return new(
            [.. found.Where(x => x.Fate is DeadLetterFate.Stays).Select(x => (x.Id, x.Reason, x.Body))],
            [.. found.Where(x => x.Fate is not DeadLetterFate.Stays).Select(x => x.Id)],
            found.Count < DeadLetters.MaxPerQueue
        );

        DeadLetterFate Decide(DeadLetter found) =>
            wishes.GetValueOrDefault(found.Id) switch
            {
                { Wish: DeadLetterWish.Drop } => DeadLetterFate.Dropped,
                { Wish: DeadLetterWish.Redrive, Trust: true } => DeadLetterFate.RedrivenInOwnName,
                { Wish: DeadLetterWish.Redrive } => DeadLetterFate.Redriven,
                _ => DeadLetterFate.Stays,
            };
    }

    async Task Disconnect()
    {
        if (queues is not null)
            await queues.DisposeAsync();
        queues = null;
    }

    // Null: there is no such queue, or none that we may see.
    sealed record Seen(long? Count, long At);
}
