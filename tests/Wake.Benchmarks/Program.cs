using System.Diagnostics;
using Npgsql;
using RabbitMQ.Client;
using Wake.Benchmarks;
using Wake.ServiceDefaults;
using Wake.Store;
using Wake.Contracts;
using Microsoft.Extensions.Options;
using MassTransit;
using System.Collections.Concurrent;

var pg = "Host=127.0.0.1;Port=15432;Username=wake;Database=";
var amqp = "amqp://guest:guest@127.0.0.1:15672/";

var window = int.Parse(args[0]); 
var n = int.Parse(args[1]);


for (var rep = 0; rep < n; rep++)
{
    var db = $"bench{rep}";
    await using (var admin = NpgsqlDataSource.Create(pg + "postgres"))
    {
        await admin.CreateCommand($"drop database if exists {db} with (force)").ExecuteNonQueryAsync();
        await admin.CreateCommand($"create database {db}").ExecuteNonQueryAsync();
    }
    await using var database = Postgres.DataSource(pg + db);
    var process = Process.Start(new ProcessStartInfo("dotnet", [ "/work/main/services/Wake.Coordinator/bin/Release/net10.0/Wake.Coordinator.dll"])
    {
        Environment =
        {
            ["ConnectionStrings__Wake"] = pg + db,
            ["MessageBus__Host"] = "rabbitmq://guest:guest@127.0.0.1:15672/",
            ["Profiles__default__QuietWindow"] = TimeSpan.FromMilliseconds(window).ToString(),
            ["Profiles__default__Ceiling"] = TimeSpan.FromMilliseconds(window).ToString(),
            ["ASPNETCORE_URLS"] = "http://127.0.0.1:18080",
            ["Logging__LogLevel__Default"] = "Warning",
            ["TieredPGO"] = "0",
        },
    })!;
    using var http = new HttpClient();
    while (true)
    {
        try { if ((await http.GetAsync("http://127.0.0.1:18080/health/ready")).IsSuccessStatusCode) break; } catch (HttpRequestException) { }
        await Task.Delay(100);
    }
    for (var round = 0; round < 3; round++) {
    var messages = Messages.Generate(1000, 4, 5, $"r{round}");
    // sessions
    await using (var c = database.CreateCommand(
        """
        with s as (insert into sessions (id, key, workspace, profile) select gen_random_uuid(), x, '/', 'default' from unnest($1) x returning id, key),
        t as (insert into wake_timers (session_id) select id from s)
        insert into watches (id, session_id, subject) select gen_random_uuid(), id, key from s
        """))
    {
        c.Parameters.AddWithValue(messages.Subjects.ToArray());
        await c.ExecuteNonQueryAsync();
    }
    await database.CreateCommand("analyze").ExecuteNonQueryAsync();

    var turns = new Turns(database);
    var dispatched = new ConcurrentDictionary<Guid, TimeSpan>();
    var reasons = new ConcurrentDictionary<string, int>();
    var jobs = 0;
    var clock = new Stopwatch();
    var all = new TaskCompletionSource();
    var bus = Bus.Factory.CreateUsingRabbitMq(x =>
    {
        x.Host("rabbitmq://guest:guest@127.0.0.1:15672/");
        x.ReceiveEndpoint("resume-session", e =>
        {
            e.SetQuorumQueue();
            e.PrefetchCount = 32;
            e.ConcurrentMessageLimit = 16;
            e.Handler<ResumeSession>(async ctx =>
            {
                var m = ctx.Message;
                Interlocked.Increment(ref jobs);
                dispatched.TryAdd(m.SessionId, clock.Elapsed);
                if (dispatched.Count == messages.Subjects.Count) all.TrySetResult();
                if (await turns.Claim(m.SessionId, m.WakeNumber, "bench", TimeSpan.FromMinutes(1), default) is TurnClaim.Granted g)
                {
                    foreach (var ev in g.Turn.Events) reasons.AddOrUpdate(ev.Reason, 1, (_, i) => i + 1);
                    await turns.End(g.Turn, TurnOutcome.Completed, null, default, default);
                    await ctx.Publish(new TurnEnded(m.SessionId, m.WakeNumber, TurnOutcome.Completed));
                }
            });
        });
    });
    await bus.StartAsync();

    var factory = new ConnectionFactory { Uri = new(amqp) };
    await using var connection = await factory.CreateConnectionAsync();
    await using var channel = await connection.CreateChannelAsync(new(true, true));
    // floor
    await channel.ExchangeDeclareAsync("bench.floor", "topic", false, true);
    await channel.QueueDeclareAsync("bench-floor", true, false, false, new Dictionary<string, object?> { ["x-queue-type"] = "quorum" });
    await channel.QueueBindAsync("bench-floor", "bench.floor", "#");
    var floorClock = Stopwatch.StartNew();
    {
        await using var cc = await connection.CreateChannelAsync();
        await cc.BasicQosAsync(0, 1000, false);
        var got = 0; var floorDone = new TaskCompletionSource();
        var consumer = new RabbitMQ.Client.Events.AsyncEventingBasicConsumer(cc);
        consumer.ReceivedAsync += async (_, d) => { await cc.BasicAckAsync(d.DeliveryTag, false); if (++got == messages.Json.Count) floorDone.SetResult(); };
        await cc.BasicConsumeAsync("bench-floor", false, consumer);
        floorClock.Restart();
        await Publish(channel, "bench.floor", messages.Json);
        await floorDone.Task;
        floorClock.Stop();
    }
    var cpu0 = process.TotalProcessorTime;
    clock.Start();
    await Publish(channel, "wake.events", messages.Json);
    var published = clock.Elapsed;
    TimeSpan ingested;
    while (true)
    {
        await using var c = database.CreateCommand("select (select count(*) from events) + (select count(*) from decisions where kind = 'duplicate')");
        if ((long)(await c.ExecuteScalarAsync())! >= messages.Events.Count) { ingested = clock.Elapsed; break; }
        await Task.Delay(20);
    }
    await all.Task;
    var wall = dispatched.Values.Max();
    while (reasons.Count < messages.Facts) await Task.Delay(20);
    await Task.Delay(300);
    process.Refresh();
    Console.WriteLine($"floor {floorClock.ElapsedMilliseconds} ms; published {published.TotalMilliseconds:0} ingest {ingested.TotalMilliseconds:0} ms ({floorClock.Elapsed / ingested:0.00} x floor)  wall {wall.TotalMilliseconds:0}  jobs {jobs} distinct {reasons.Count} dup {reasons.Values.Count(x => x > 1)} cpu {(process.TotalProcessorTime - cpu0).TotalMilliseconds:0}");
    await bus.StopAsync(); await channel.QueueDeleteAsync("bench-floor"); await database.CreateCommand("truncate events, decisions, inbox").ExecuteNonQueryAsync();
    }
    process.Kill(); await process.WaitForExitAsync();
}

static async Task Publish(IChannel channel, string exchange, IReadOnlyList<byte[]> bodies)
{
    var properties = new BasicProperties { Persistent = true, ContentType = "application/json" };
    var flying = new Queue<ValueTask>();
    foreach (var body in bodies)
    {
        if (flying.Count >= 200) await flying.Dequeue();
        flying.Enqueue(channel.BasicPublishAsync(exchange, "x", false, properties, body));
    }
    while (flying.TryDequeue(out var one)) await one;
}
