using Wake.Contracts;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>
/// The coordinator is killed with SIGKILL at each point where something is committed and not yet said. A wire that can
/// be held stands between it and RabbitMQ: what it says no longer arrives, what it is told still does.
/// </summary>
[Trait("Starts", "processes")]
public sealed class SurvivingADeadCoordinator : IAsyncLifetime
{
    WakeSystem wake = null!;
    TcpProxy wire = null!;
    ServiceProcess coordinator = null!;

    public async Task InitializeAsync()
    {
        wake = await WakeSystem.Create(Transport.RabbitMq);
        wire = new(wake.Broker!.Port);
        var started = await Task.WhenAll(
            wake.StartProcess("Wake.Gateway"),
            wake.StartProcess("Wake.Runner"),
            wake.StartProcess(
                "Wake.Coordinator",
                new Dictionary<string, string>
                {
                    ["MessageBus__Host"] = new UriBuilder(wake.Broker) { Port = wire.Port }.ToString(),
                }
            )
        );
        coordinator = started[2];
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await wire.DisposeAsync();
    }

    [Fact]
    public async Task After_the_intake_committed_and_before_it_was_acknowledged()
    {
        var key = await wake.WatchingSession("patient");
        wire.HoldUpstream();
        var observed = WakeSystem.Event(WakeSystem.Subject(key), "merged");

        await wake.Publish(observed);
        await Eventually.Holds(async () =>
            await wake.Scalar<long>("select count(*) from events where id = $1", observed.Id) == 1
        );
        await KillAndReplace();

        await HasTakenOneTurn(key);
        await Eventually.Holds(
            async () => (await wake.ExplainEvent(observed.Id)).Duplicates is [_],
            "the redelivered message is a duplicate"
        );
    }

    [Fact]
    public async Task After_the_sweep_and_before_the_saga_was_told()
    {
        var key = await wake.WatchingSession("instant");
        wire.HoldUpstream();

        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged"));
        await Eventually.Holds(async () =>
            await wake.Scalar<long>("select count(*) from wake_timers where owed_at is not null") == 1
        );
        Assert.Equal(0, await wake.Scalar<long>("select count(*) from turns"));
        await KillAndReplace();

        await HasTakenOneTurn(key);
    }

    [Fact]
    public async Task After_the_saga_committed_and_before_the_command_was_sent()
    {
        var key = await wake.WatchingSession("instant");
        wire.HoldUpstream();
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged"));
        await Eventually.Holds(async () =>
            await wake.Scalar<long>("select count(*) from wake_timers where owed_at is not null") == 1
        );

        // Its sweeper cannot say so; the test says it in its place.
        await using (var bus = await TestBus.Start(wake.Broker!))
            await bus.Publish(new WakeDue(await wake.Scalar<Guid>("select id from sessions where key = $1", key)));
        await Eventually.Holds(async () =>
            await wake.Scalar<long>("select count(*) from turns where attempt = 0") == 1
        );
        await KillAndReplace();

        await HasTakenOneTurn(key);
    }

    async Task KillAndReplace()
    {
        await coordinator.Kill();
        wire.Cut();
        await wake.StartProcess("Wake.Coordinator");
    }

    async Task HasTakenOneTurn(string key)
    {
        var turn = await wake.WaitForTurnEnd(key, 1);
        await wake.WaitUntilIdle();

        Assert.Equal(["merged"], turn.Reasons);
        Assert.Single(await wake.Turns(key));
        Assert.Single(FakeTranscript.Of(wake, await wake.Show(key)).UserMessages);
    }
}
