using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using RabbitMQ.Client;
using Wake.Contracts;
using Wake.Producing;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>Any program may publish plain JSON; what is no event harms nobody.</summary>
[Trait("Starts", "processes")]
public sealed class PublishingOverAmqp(RabbitMqSystem shared) : IClassFixture<RabbitMqSystem>
{
    readonly WakeSystem wake = shared.System;

    [Fact]
    public async Task A_message_that_is_no_event_goes_to_the_error_queue_with_a_reason_and_its_neighbours_are_taken_in()
    {
        var key = await wake.WatchingSession();
        string[] hostile =
        [
            "",
            "{",
            "null",
            "[]",
            "42",
            "\"text\"",
            "{}",
            """{"id":"x"}""",
            """{"id":"","source":"s","type":"t","subject":"s","reason":"r"}""",
            """{"id":"x","source":"s","type":"t","subject":"a\u0000b","reason":"r"}""",
            """{"id":"x","source":"s","type":"t","subject":"half \ud83d","reason":"r"}""",
            """{"id":"x","source":"s","type":"t","subject":"s","reason":"r","delivery":"later"}""",
            """{"id":"x","source":"s","type":"wake.requested","subject":"s","reason":"r"}""",
            """{"id":"x","source":"wake:request","type":"t","subject":"s","reason":"r"}""",
            """{"id":"x","source":"s","type":"t","subject":"s","reason":"r","urgent":true}""",
            """{"id":"x","source":"s","type":"t","subject":"s","reason":"r","sessions":["anybody"]}""",
            """{"id":"x","source":"s","type":"t","subject":"s","reason":"r","delivery":1}""",
            """{"id":"x","source":"s","type":"t","subject":"s","reason":"r","expires":"yesterday"}""",
            """{"id":"x","source":"s","type":"t","subject":"s","reason":"r","related":"not a list"}""",
            $$"""{"id":"x","source":"s","type":"t","subject":"{{new string('s', 600)}}","reason":"r"}""",
            $$"""{"id":"x","source":"s","type":"t","subject":"s","reason":"r","data":"{{new string('d', 300_000)}}"}""",
            $$"""{"id":"x","source":"s","type":"t","subject":"s","reason":"r","data":{{string.Concat(Enumerable.Repeat("[", 100))}}{{string.Concat(Enumerable.Repeat("]", 100))}}}""",
        ];
        byte[][] unreadable =
        [
            [0xC3, 0x28, 0xFF],
            [
                .. """{"id":"x","source":"s","type":"t","subject":"s","reason":"r","data":{"a":"""u8,
                .. "\""u8,
                0xC3,
                0x28,
                .. "\"}}"u8,
            ],
            [
                .. """{"id":"x","source":"s","type":"t","subject":"s","reason":"r","data":{"""u8,
                .. "\""u8,
                0xFF,
                .. "\":1}}"u8,
            ],
        ];
        var channel = await wake.Amqp();

        // Good ones before, between and after.
        for (var i = 0; i < hostile.Length; i++)
        {
            await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), $"fact {i}"));
            await channel.BasicPublishAsync(
                "wake.events",
                "any",
                true,
                new BasicProperties(),
                Encoding.UTF8.GetBytes(hostile[i])
            );
        }
        foreach (var bytes in unreadable)
            await channel.BasicPublishAsync("wake.events", "any", true, new BasicProperties(), bytes);

        await Eventually.Holds(async () =>
            await channel.MessageCountAsync("wake-events_error") == hostile.Length + unreadable.Length
        );
        await wake.WaitUntilIdle();
        Assert.Equal(
            Enumerable.Range(0, hostile.Length).Select(x => $"fact {x}"),
            (await wake.Turns(key)).SelectMany(x => x.Reasons)
        );

        for (var i = 0; i < hostile.Length + unreadable.Length; i++)
        {
            var refused = await channel.BasicGetAsync("wake-events_error", autoAck: true);
            var reason = Encoding.UTF8.GetString((byte[])refused!.BasicProperties.Headers!["wake-reason"]!);
            Assert.False(string.IsNullOrWhiteSpace(reason));
            Assert.DoesNotContain("Wake.Contracts", reason);
        }
    }

    [Fact]
    public async Task A_message_of_which_something_is_only_shown_and_unreadable_is_taken_in()
    {
        var key = await wake.WatchingSession();
        var channel = await wake.Amqp();
        byte[] body =
        [
            0xEF,
            0xBB,
            0xBF,
            .. Encoding.UTF8.GetBytes(
                $$"""{"id":4712,"source":"s","type":"t","subject":"{{WakeSystem.Subject(key)}}","reason":"half \ud83d","time":"noon"}"""
            ),
        ];

        await channel.BasicPublishAsync("wake.events", "any", true, new BasicProperties(), body);

        Assert.Equal(["half \ufffd"], (await wake.WaitForTurnEnd(key, 1)).Reasons);
        Assert.Equal(2, await wake.Scalar<int>("select cardinality(warnings) from events where id = '4712'"));
    }

    [Fact]
    public async Task Only_a_publisher_that_the_broker_vouches_for_names_a_session_or_calls_an_event_urgent()
    {
        var key = await wake.Session();
        var channel = await wake.Amqp();
        var named = WakeSystem.Event("named", "x") with { Sessions = [key], Urgent = true };
        var own = new Uri(wake.Broker!.ToString()).UserInfo.Split(':')[0];

        // Nobody says another's name: the broker closes the channel.
        await using (
            var probe = await new ConnectionFactory
            {
                Uri = new UriBuilder(wake.Broker!) { Scheme = "amqp" }.Uri,
            }.CreateConnectionAsync()
        )
        {
            var forging = await probe.CreateChannelAsync(
                new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true)
            );
            await Assert.ThrowsAnyAsync<Exception>(async () =>
                await forging.BasicPublishAsync(
                    "wake.events",
                    "any",
                    true,
                    new BasicProperties { UserId = "somebody" },
                    EventJson.Serialize(named)
                )
            );
        }

        await channel.BasicPublishAsync(
            "wake.events",
            "any",
            true,
            new BasicProperties { UserId = own },
            EventJson.Serialize(named with { Id = "by user" })
        );
        Assert.Equal(["x"], (await wake.WaitForTurnEnd(key, 1)).Reasons);

        await channel.BasicPublishAsync(
            "wake.events",
            "any",
            true,
            new BasicProperties(),
            EventJson.Serialize(named with { Id = "by nobody", DedupKey = "y" })
        );
        var refused = await Eventually.Sees(
            async () => await channel.BasicGetAsync("wake-events_error", autoAck: true),
            "it is refused"
        );
        Assert.Contains(
            "Coordinator:TrustedPublishers",
            Encoding.UTF8.GetString((byte[])refused.BasicProperties.Headers!["wake-reason"]!)
        );
        Assert.Equal(0, await wake.Scalar<long>("select count(*) from events where id = 'by nobody'"));
    }

    // A second coordinator, which trusts an exchange besides: its owner lets only some write there.
    [Fact]
    public async Task What_comes_by_an_exchange_that_the_owner_names_is_trusted()
    {
        await using var other = await WakeSystem.Create(Transport.RabbitMq);
        await other.StartProcess("Wake.Gateway");
        await other.StartProcess(
            "Wake.Coordinator",
            new Dictionary<string, string> { ["Coordinator__TrustedExchanges__0"] = "ops.trusted" }
        );
        var key = await other.Session();
        var channel = await other.Amqp();
        var urgent = WakeSystem.Event("ops", "x") with { Sessions = [key], Urgent = true };

        await channel.BasicPublishAsync(
            "wake.events",
            "any",
            true,
            new BasicProperties(),
            EventJson.Serialize(urgent with { Id = "open" })
        );
        await channel.BasicPublishAsync(
            "ops.trusted",
            "any",
            true,
            new BasicProperties(),
            EventJson.Serialize(urgent with { Id = "trusted" })
        );

        await Eventually.Holds(async () => await channel.MessageCountAsync("wake-events_error") == 1);
        await Eventually.Holds(async () =>
            await other.Scalar<long>(
                "select count(*) from events where id = 'trusted' and urgent and sessions = array[$1]",
                key
            ) == 1
        );
        Assert.Equal(0, await other.Scalar<long>("select count(*) from events where id = 'open'"));
    }

    [Fact]
    public async Task Nobody_else_has_verified_anything_and_hides_what_a_producer_has()
    {
        var channel = await wake.Amqp();
        var fact = WakeSystem.Event("merged", "x") with
        {
            Type = "github.pull_request.merged",
            Source = "github:webhook",
        };
        var own = new Uri(wake.Broker!.ToString()).UserInfo.Split(':')[0];
        Task Publish(string id, string? user, string scope) =>
            channel
                .BasicPublishAsync(
                    "wake.events",
                    "any",
                    true,
                    new BasicProperties
                    {
                        UserId = user,
                        Headers = new Dictionary<string, object?> { ["wake-verified"] = scope },
                    },
                    EventJson.Serialize(fact with { Id = id })
                )
                .AsTask();

        await Publish("forged", null, "github");
        await Publish("for wake", own, "wake");
        await Publish("genuine", own, "github");
        await Publish("again", own, "github");

        await Eventually.Holds(async () =>
            await wake.Scalar<long>("select count(*) from duplicates where observation = 'again'") == 1
        );
        Assert.Equal(
            $"forged=amqp: for wake=amqp:{own} genuine=github",
            await wake.Scalar<string>(
                "select string_agg(id || '=' || scope, ' ' order by seq) from events where subject = 'merged'"
            )
        );
    }

    [Fact]
    public async Task The_trace_a_message_belongs_to_is_kept_with_its_event()
    {
        const string parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        var observed = WakeSystem.Event("traced", "x");
        var channel = await wake.Amqp();
        var properties = new BasicProperties { Headers = new Dictionary<string, object?> { ["traceparent"] = parent } };

        await channel.BasicPublishAsync("wake.events", observed.Type, true, properties, EventJson.Serialize(observed));

        await Eventually.Holds(async () =>
            await wake.Scalar<long>("select count(*) from events where id = $1", observed.Id) == 1
        );
        Assert.Equal(parent, await wake.Scalar<string>("select traceparent from events where id = $1", observed.Id));
    }

    [Fact]
    public async Task The_front_comes_back_when_the_broker_drops_its_connections_and_its_queue()
    {
        var key = await wake.WatchingSession();
        var channel = await wake.Amqp();

        // RabbitMQ cancels its consumer, as it does when a node goes.
        await channel.QueueDeleteAsync("wake-events");
        await Eventually.Holds(
            async () =>
            {
                await using var probe = await new ConnectionFactory
                {
                    Uri = new UriBuilder(wake.Broker!) { Scheme = "amqp" }.Uri,
                }.CreateConnectionAsync();
                await using var asking = await probe.CreateChannelAsync();
                try
                {
                    return await asking.ConsumerCountAsync("wake-events") > 0;
                }
                catch (RabbitMQ.Client.Exceptions.OperationInterruptedException)
                {
                    return false;
                }
            },
            "a coordinator consumes again"
        );

        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged"));
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
    }

    // A RabbitMQ.Client before 7.2.1 loses count of its channel's confirms when publishes are given up that wait for
    // their turn on it (rabbitmq-dotnet-client 1900): they and those beside them fail, and so does every later one.
    [Fact]
    public async Task What_is_given_up_while_the_wire_is_slow_fails_nothing_beside_it_and_nothing_later()
    {
        const int Rounds = 3,
            Batches = 5,
            PerBatch = 40,
            Kept = 200;
        var key = await wake.Session();
        await using var wire = new TcpProxy(wake.Broker!.Port);
        await using var services = Producer(new UriBuilder(wake.Broker) { Port = wire.Port }.Uri);
        var publisher = services.GetRequiredService<IEventPublisher>();

        // So much that the wire and what is before it are full at the last batch.
        var data = JsonSerializer.SerializeToElement(new string('d', 100_000));
        await Publish("first", CancellationToken.None);
        for (var round = 1; round <= Rounds; round++)
        {
            wire.HoldUpstream();
            List<Task> kept = [];
            for (var batch = 1; batch <= Batches; batch++)
            {
                using var givingUp = new CancellationTokenSource();
                var givenUp = Enumerable
                    .Range(1, PerBatch)
                    .Select(number => Publish($"given up-{round}-{batch}-{number}", givingUp.Token))
                    .ToList();
                if (batch == Batches)
                    kept =
                    [
                        .. Enumerable
                            .Range(1, Kept)
                            .Select(number => Publish($"kept-{round}-{number}", CancellationToken.None)),
                    ];
                await givingUp.CancelAsync();
                foreach (var publish in givenUp)
                    await Assert.ThrowsAnyAsync<OperationCanceledException>(() => publish);
            }

            wire.Release();
            await Task.WhenAll(kept).WaitAsync(TimeSpan.FromSeconds(60));
        }

        await Publish("last", CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(20));
        await Eventually.Holds(
            async () =>
                await wake.Scalar<long>("select count(*) from events where subject like $1", $"{key}-kept-%")
                == Rounds * Kept,
            "all that were kept are taken in"
        );

        Task Publish(string what, CancellationToken cancel) =>
            publisher.Publish([WakeSystem.Event($"{key}-{what}", "happened") with { Data = data }], cancel);
    }

    [Fact]
    public async Task A_producer_whose_broker_accepts_connections_and_nothing_else_is_not_ready()
    {
        await using var wire = new TcpProxy(wake.Broker!.Port);
        await using var services = Producer(new UriBuilder(wake.Broker) { Port = wire.Port }.Uri);
        var health = services.GetRequiredService<HealthCheckService>();
        Assert.Equal(HealthStatus.Healthy, (await health.CheckHealthAsync()).Status);

        wire.HoldUpstream();
        var held = await health.CheckHealthAsync();
        Assert.Equal(HealthStatus.Unhealthy, held.Status);
        Assert.Equal("RabbitMQ does not answer.", held.Entries["wake-events"].Description);

        wire.Release();
        await Eventually.Holds(async () => (await health.CheckHealthAsync()).Status == HealthStatus.Healthy);
    }

    // As a program does that uses Wake's own door.
    internal static ServiceProvider Producer(Uri broker)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration["MessageBus:Host"] = broker.ToString();
        builder.AddBrokerPublisher();
        builder.Services.AddLogging();
        return builder.Services.BuildServiceProvider();
    }
}
