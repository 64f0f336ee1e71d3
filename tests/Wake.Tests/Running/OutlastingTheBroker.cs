using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using Wake.Contracts;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>RabbitMQ takes a channel from whoever keeps a message too long; turns take longer than it waits.</summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class OutlastingTheBroker
{
    [Fact]
    public async Task A_turn_longer_than_the_brokers_patience_runs_once_and_disturbs_nobody()
    {
        await using var node = await RabbitNode.Start(
            "-rabbit consumer_timeout 5000 -rabbit channel_tick_interval 500",
            hosts: 1,
            guardedHosts: 0
        );
        var address = node.NewVirtualHost();
        await using var wake = await WakeSystem.Start(
            Transport.RabbitMq,
            new Dictionary<string, string> { ["MessageBus__Host"] = address.ToString() }
        );
        using var hold = new HoldFile();
        var (patient, neighbour) = (await wake.WatchingSession("instant"), await wake.WatchingSession("instant"));
        await wake.Post(
            WakeSystem.Event(WakeSystem.Subject(patient), "merged", reason: $"merged [[fake:hold {hold.Path}]]")
        );
        await hold.Reached();

        await PatienceIsOver(address);
        await wake.Post(WakeSystem.Event(WakeSystem.Subject(neighbour), "deployed"));
        await PatienceIsOver(address);

        Assert.Equal(
            (TurnOutcome.Completed, 1),
            ((await wake.WaitForTurnEnd(neighbour, 1)).Outcome, (await wake.WaitForTurnEnd(neighbour, 1)).Attempt)
        );
        Assert.Equal(
            (SessionState.Running, 1),
            ((await wake.Show(patient)).State, (await wake.Show(patient)).LastTurn!.Attempt)
        );
        hold.Release();
        Assert.Equal(
            (TurnOutcome.Completed, 1),
            ((await wake.WaitForTurnEnd(patient, 1)).Outcome, (await wake.WaitForTurnEnd(patient, 1)).Attempt)
        );
        Assert.Single(FakeTranscript.Of(wake, await wake.Show(patient)).UserMessages);
        Assert.DoesNotContain(wake.Processes, x => x.Log.Contains("PRECONDITION_FAILED"));
    }

    // Somebody who keeps a message shows when the broker loses its patience.
    static async Task PatienceIsOver(Uri address)
    {
        await using var connection = await new ConnectionFactory
        {
            Uri = new UriBuilder(address) { Scheme = "amqp" }.Uri,
        }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        var queue = (await channel.QueueDeclareAsync()).QueueName;
        var lost = new TaskCompletionSource<string>();
        channel.ChannelShutdownAsync += (_, shutdown) =>
        {
            lost.TrySetResult(shutdown.ReplyText);
            return Task.CompletedTask;
        };
        var consumer = new AsyncEventingBasicConsumer(channel);
        await channel.BasicConsumeAsync(queue, autoAck: false, consumer);
        await channel.BasicPublishAsync("", queue, "kept"u8.ToArray());

        Assert.Contains("PRECONDITION_FAILED", await lost.Task.WaitAsync(TimeSpan.FromSeconds(60)));
    }
}
