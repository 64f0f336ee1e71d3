using System.Text;
using RabbitMQ.Client;
using Wake.Contracts;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>Any program may publish plain JSON; what is no event harms nobody.</summary>
public sealed class PublishingOverAmqp(RabbitMqSystem shared) : IClassFixture<RabbitMqSystem>
{
    readonly WakeSystem wake = shared.System;

    [Fact]
    public async Task A_message_that_is_no_event_goes_to_the_error_queue_with_a_reason_and_its_neighbours_are_taken_in()
    {
        var key = await wake.WatchingSession();
        string[] hostile =
        [
            "", "{", "null", "[]", "42", "\"text\"", "{}", """{"id":"x"}""",
            """{"id":"","source":"s","type":"t","subject":"s","reason":"r"}""",
            """{"id":"x","source":"s","type":"t","subject":"s","reason":"a\u0000b"}""",
            """{"id":"x","source":"s","type":"t","subject":"s","reason":"half \ud83d"}""",
            """{"id":"x","source":"s","type":"t","subject":"s","reason":"r","delivery":"later"}""",
            """{"id":"x","source":"s","type":"t","subject":"s","reason":"r","delivery":1}""",
            """{"id":"x","source":"s","type":"t","subject":"s","reason":"r","time":"yesterday"}""",
            """{"id":"x","source":"s","type":"t","subject":"s","reason":"r","related":"not a list"}""",
            $$"""{"id":"x","source":"s","type":"t","subject":"{{new string('s', 600)}}","reason":"r"}""",
            $$"""{"id":"x","source":"s","type":"t","subject":"s","reason":"r","data":"{{new string('d', 300_000)}}"}""",
            $$"""{"id":"x","source":"s","type":"t","subject":"s","reason":"r","data":{{string.Concat(Enumerable.Repeat("[", 100))}}{{string.Concat(Enumerable.Repeat("]", 100))}}}""",
        ];
        byte[][] unreadable =
        [
            [0xC3, 0x28, 0xFF],
            [.. """{"id":"x","source":"s","type":"t","subject":"s","reason":"r","data":{"a":"""u8, .. "\""u8, 0xC3, 0x28, .. "\"}}"u8],
            [.. """{"id":"x","source":"s","type":"t","subject":"s","reason":"r","data":{"""u8, .. "\""u8, 0xFF, .. "\":1}}"u8],
        ];
        var channel = await wake.Amqp();

        // Good ones before, between and after.
        for (var i = 0; i < hostile.Length; i++)
        {
            await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), $"fact {i}"));
            await channel.BasicPublishAsync("wake.events", "any", true, new BasicProperties(), Encoding.UTF8.GetBytes(hostile[i]));
        }
        foreach (var bytes in unreadable)
            await channel.BasicPublishAsync("wake.events", "any", true, new BasicProperties(), bytes);

        await Eventually.Holds(async () => await channel.MessageCountAsync("wake-events_error") == hostile.Length + unreadable.Length);
        await wake.Quiet();
        Assert.Equal(
            Enumerable.Range(0, hostile.Length).Select(x => $"fact {x}"),
            (await wake.Turns(key)).SelectMany(x => x.Reasons));

        for (var i = 0; i < hostile.Length + unreadable.Length; i++)
        {
            var refused = await channel.BasicGetAsync("wake-events_error", autoAck: true);
            var reason = Encoding.UTF8.GetString((byte[])refused!.BasicProperties.Headers!["wake-reason"]!);
            Assert.False(string.IsNullOrWhiteSpace(reason));
            Assert.DoesNotContain("Wake.Contracts", reason);
        }
    }

    [Fact]
    public async Task The_trace_a_message_belongs_to_is_kept_with_its_event()
    {
        const string parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        var observed = WakeSystem.Event("traced", "x");
        var channel = await wake.Amqp();
        var properties = new BasicProperties { Headers = new Dictionary<string, object?> { ["traceparent"] = parent } };

        await channel.BasicPublishAsync("wake.events", observed.Type, true, properties, EventJson.Write(observed));

        await Eventually.Holds(async () => await wake.Scalar<long>("select count(*) from events where id = $1", observed.Id) == 1);
        Assert.Equal(parent, await wake.Scalar<string>("select traceparent from events where id = $1", observed.Id));
    }

    [Fact]
    public async Task The_front_comes_back_when_the_broker_drops_its_connections_and_its_queue()
    {
        var key = await wake.WatchingSession();
        var channel = await wake.Amqp();

        // RabbitMQ cancels its consumer, as it does when a node goes.
        await channel.QueueDeleteAsync("wake-events");
        await Eventually.Holds(async () =>
        {
            await using var probe = await new ConnectionFactory { Uri = new UriBuilder(wake.Broker!) { Scheme = "amqp" }.Uri }.CreateConnectionAsync();
            await using var asking = await probe.CreateChannelAsync();
            try
            {
                return await asking.ConsumerCountAsync("wake-events") > 0;
            }
            catch (RabbitMQ.Client.Exceptions.OperationInterruptedException)
            {
                return false;
            }
        }, "a coordinator consumes again");

        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged"));
        Assert.Equal(TurnOutcome.Completed, (await wake.Ended(key, 1)).Outcome);
    }
}
