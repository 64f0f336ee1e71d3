using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>Several coordinators and several runners on one database are one Wake.</summary>
[Trait("Starts", "processes")]
public sealed class SharingTheWork : IAsyncLifetime
{
    WakeSystem wake = null!;

    public async Task InitializeAsync()
    {
        // Nobody dies here, so no lease has to be waited for, nor is one lost on a starved machine.
        wake = await WakeSystem.Create(
            Transport.RabbitMq,
            new Dictionary<string, string> { ["Runner__Lease"] = "00:01:00" }
        );

        // Who scales runners by their queues wants the broker's address by its other name.
        var amqp = new Dictionary<string, string>
        {
            ["MessageBus__Host"] = $"{new UriBuilder(wake.Broker!) { Scheme = "amqp" }.Uri}",
        };
        await Task.WhenAll(
            wake.StartProcess("Wake.Gateway"),
            wake.StartProcess("Wake.Coordinator"),
            wake.StartProcess("Wake.Coordinator", amqp),
            wake.StartProcess("Wake.Runner"),
            wake.StartProcess("Wake.Runner", amqp)
        );
    }

    public Task DisposeAsync() => wake.DisposeAsync().AsTask();

    [Fact]
    public async Task Two_coordinators_and_two_runners_take_one_turn_per_burst()
    {
        var keys = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => wake.WatchingSession()));

        // Each fact is observed three times; the two coordinators share the queue.
        await wake.Publish([
            .. from observation in Enumerable.Range(0, 3)
            from key in keys
            from fact in (string[])["merged", "deployed"]
            select WakeSystem.Event(WakeSystem.Subject(key), fact),
        ]);

        foreach (var key in keys)
            await wake.WaitForTurnEnd(key, 1);
        await wake.WaitUntilIdle();

        foreach (var key in keys)
        {
            var turns = await wake.Turns(key);
            Assert.Equal(["deployed", "merged"], turns.SelectMany(x => x.Reasons).Order());
            Assert.All(turns, x => Assert.Equal(1, x.Attempt));
            Assert.Equal(turns.Count, FakeTranscript.Of(wake, await wake.Show(key)).UserMessages.Count);
        }

        var runners = await wake.Scalar<long>("select count(distinct runner) from turns");
        Assert.Equal(2, runners);
    }

    [Fact]
    public async Task The_same_command_delivered_to_two_runners_is_one_turn()
    {
        var key = await wake.WatchingSession("instant");
        using var hold = new HoldFile();
        await wake.Publish(
            WakeSystem.Event(WakeSystem.Subject(key), "merged", reason: $"merged [[fake:hold {hold.Path}]]")
        );
        await hold.Reached();
        var id = await wake.Scalar<Guid>("select id from sessions where key = $1", key);

        await using (var bus = await TestBus.Start(wake.Broker!))
        {
            for (var i = 0; i < 10; i++)
                await bus.Publish(new Contracts.ResumeSession(id, key, 1));
        }

        hold.Release();
        await wake.WaitForTurnEnd(key, 1);
        await wake.WaitUntilIdle();

        Assert.Equal(1, Assert.Single(await wake.Turns(key)).Attempt);
        Assert.Single(FakeTranscript.Of(wake, await wake.Show(key)).UserMessages);
    }
}
