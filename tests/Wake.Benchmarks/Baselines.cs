using System.Diagnostics;
using Npgsql;
using NpgsqlTypes;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Wake.Benchmarks;

/// <summary>What the broker and the database do with the same messages when nothing is made of them.</summary>
static class Baselines
{
    // Less than half of the client's own limit on outstanding confirms: above that it delays every publish.
    const int Unconfirmed = 200;

    /// <summary>Publishes with confirms, a few hundred of them outstanding.</summary>
    public static async Task Publish(IChannel channel, string exchange, IReadOnlyList<byte[]> bodies)
    {
        var properties = new BasicProperties { Persistent = true, ContentType = "application/json" };
        var outstanding = new Queue<Task>();

        foreach (var body in bodies)
        {
            if (outstanding.Count == Unconfirmed)
                await outstanding.Dequeue();
            outstanding.Enqueue(
                channel.BasicPublishAsync(exchange, "bench", mandatory: false, properties, body).AsTask()
            );
        }

        while (outstanding.TryDequeue(out var confirm))
            await confirm;
    }

    /// <summary>A channel that confirms.</summary>
    public static Task<IChannel> Channel(IConnection connection) =>
        connection.CreateChannelAsync(
            new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true)
        );

    /// <summary>Seconds to publish with confirms and at the same time consume and acknowledge all, through a quorum
    /// queue.</summary>
    public static async Task<double> Broker(IConnection connection, IReadOnlyList<byte[]> bodies)
    {
        await using var queue = await FloorQueue.Open(connection);
        var received = 0;
        var all = new TaskCompletionSource();
        await queue.Consume(
            async (channel, delivery) =>
            {
                await channel.BasicAckAsync(delivery.DeliveryTag, multiple: false);
                if (++received == bodies.Count)
                    all.SetResult();
            }
        );

        var clock = Stopwatch.StartNew();
        await Publish(queue.Publisher, FloorQueue.Exchange, bodies);
        await all.Task;
        return clock.Elapsed.TotalSeconds;
    }

    /// <summary>Milliseconds from publishing one message to its delivery, for each, one at a time.</summary>
    public static async Task<List<double>> Delivery(
        IConnection connection,
        IReadOnlyList<byte[]> bodies,
        TimeSpan pause
    )
    {
        await using var queue = await FloorQueue.Open(connection);
        var times = new List<double>();
        var arrived = new TaskCompletionSource<long>();
        await queue.Consume(
            async (channel, delivery) =>
            {
                arrived.SetResult(Stopwatch.GetTimestamp());
                await channel.BasicAckAsync(delivery.DeliveryTag, multiple: false);
            }
        );

        foreach (var body in bodies)
        {
            arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
            var sent = Stopwatch.GetTimestamp();
            await Publish(queue.Publisher, FloorQueue.Exchange, [body]);
            times.Add(Stopwatch.GetElapsedTime(sent, await arrived.Task).TotalMilliseconds);
            await Task.Delay(pause);
        }

        return times;
    }

    /// <summary>Seconds to insert all into one table, 500 to a statement, on one connection; known keys are left
    /// out.</summary>
    public static async Task<double> Postgres(NpgsqlDataSource database, Messages messages)
    {
        await using var connection = await database.OpenConnectionAsync();
        await Execute("create table floor (dedup_key text primary key, body json not null)");

        var clock = Stopwatch.StartNew();
        foreach (
            var (keys, bodies) in messages
                .Events.Select(x => x.EffectiveDedupKey)
                .Chunk(500)
                .Zip(messages.Json.Chunk(500))
        )
        {
            await using var insert = new NpgsqlCommand(
                "insert into floor select * from unnest($1, $2) on conflict do nothing",
                connection
            );
            insert.Parameters.Add(new() { Value = keys, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
            insert.Parameters.Add(new() { Value = bodies, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Json });
            await insert.ExecuteNonQueryAsync();
        }

        var seconds = clock.Elapsed.TotalSeconds;
        await Execute("drop table floor");
        return seconds;

        async Task Execute(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync();
        }
    }

    /// <summary>A queue like those of Wake, for one measurement.</summary>
    sealed class FloorQueue : IAsyncDisposable
    {
        public const string Exchange = "bench-floor";

        readonly IChannel consumer;

        FloorQueue(IChannel publisher, IChannel consumer) => (Publisher, this.consumer) = (publisher, consumer);

        public IChannel Publisher { get; }

        public static async Task<FloorQueue> Open(IConnection connection)
        {
            var queue = new FloorQueue(await Channel(connection), await connection.CreateChannelAsync());
            await queue.Publisher.ExchangeDeclareAsync(Exchange, ExchangeType.Topic, durable: true);
            await queue.Publisher.QueueDeclareAsync(
                Exchange,
                durable: true,
                exclusive: false,
                autoDelete: false,
                new Dictionary<string, object?> { ["x-queue-type"] = "quorum" }
            );
            await queue.Publisher.QueueBindAsync(Exchange, Exchange, "#");
            return queue;
        }

        public async Task Consume(Func<IChannel, BasicDeliverEventArgs, Task> handle)
        {
            await consumer.BasicQosAsync(0, 1000, global: false);
            var events = new AsyncEventingBasicConsumer(consumer);
            events.ReceivedAsync += (_, delivery) => handle(consumer, delivery);
            await consumer.BasicConsumeAsync(Exchange, autoAck: false, events);
        }

        public async ValueTask DisposeAsync()
        {
            await consumer.DisposeAsync();
            await Publisher.QueueDeleteAsync(Exchange);
            await Publisher.ExchangeDeleteAsync(Exchange);
            await Publisher.DisposeAsync();
        }
    }
}
