using Npgsql;
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
    public async Task After_a_set_was_locked_and_before_it_was_decided_about()
    {
        var keys = await ManySessions();
        await using (var reader = await wake.Database.OpenConnectionAsync())
        {
            await using var transaction = await reader.BeginTransactionAsync();
            await using var stop = new NpgsqlCommand("lock table session_wakes", reader, transaction);
            await stop.ExecuteNonQueryAsync();

            await Happens(keys);
            await Eventually.Holds(
                () =>
                    wake.Scalar<bool>(
                        """
                        select exists (select from pg_locks where not granted and relation = 'session_wakes'::regclass)
                        """
                    ),
                "it reads what holds"
            );
            Assert.Equal(
                0,
                await wake.Scalar<long>(
                    "select count(*) from (select from wake_timers where due_at <= now() for update skip locked) free"
                )
            );
            await coordinator.Kill();
        }

        Assert.Equal(0, await wake.Scalar<long>("select count(*) from turns"));
        await Replace();

        await HaveTakenOneTurn(keys);
    }

    [Fact]
    public async Task After_a_set_was_committed_and_before_a_command_was_sent()
    {
        var keys = await ManySessions();
        wire.HoldUpstream();

        await Happens(keys);
        await HaveATurn(keys);
        Assert.Equal(0, await wake.Scalar<long>("select count(*) from turns where attempt > 0"));
        await KillAndReplace();

        await HaveTakenOneTurn(keys);
    }

    [Fact]
    public async Task Between_the_commands_of_a_set()
    {
        var keys = await ManySessions();
        wire.HoldUpstreamFrom("urn:message:Wake.Contracts:ResumeSession", time: 8);

        await Happens(keys);
        await HaveATurn(keys);
        await Eventually.Holds(
            async () => await wake.Scalar<long>("select count(*) from turns where ended_at is not null") > 0,
            "some are taken"
        );
        Assert.NotEqual(0, await wake.Scalar<long>("select count(*) from turns where attempt = 0"));
        await KillAndReplace();

        await HaveTakenOneTurn(keys);
    }

    [Fact]
    public async Task After_the_next_turn_was_decided_and_before_its_command_was_sent()
    {
        var key = await wake.WatchingSession("instant");
        using var hold = new HoldFile();
        await wake.Post(WakeSystem.Event(WakeSystem.Subject(key), "merged", reason: $"[[fake:hold {hold.Path}]]"));
        await hold.Reached();
        await wake.Post(WakeSystem.Event(WakeSystem.Subject(key), "deployed"));
        wire.HoldUpstream();

        hold.Release();
        await Eventually.Holds(async () =>
            await wake.Scalar<long>("select count(*) from turns where wake_number = 2 and attempt = 0") == 1
        );
        await KillAndReplace();

        Assert.Equal(["deployed"], (await wake.WaitForTurnEnd(key, 2)).Reasons);
        await wake.WaitUntilIdle();
        Assert.Equal(2, (await wake.Turns(key)).Count);
        Assert.Equal(2, FakeTranscript.Of(wake, await wake.Show(key)).UserMessages.Count);
    }

    Task<string[]> ManySessions() => Task.WhenAll(Enumerable.Range(0, 20).Select(_ => wake.WatchingSession("instant")));

    // Through the gateway: all of it is due at the same moment.
    async Task Happens(string[] keys) =>
        await wake.Post([.. keys.Select(x => WakeSystem.Event(WakeSystem.Subject(x), "merged"))]);

    Task HaveATurn(string[] keys) =>
        Eventually.Holds(
            async () => await wake.Scalar<long>("select count(*) from turns") == keys.Length,
            "it is decided about all of them"
        );

    async Task HaveTakenOneTurn(string[] keys)
    {
        foreach (var key in keys)
            await HasTakenOneTurn(key);
    }

    async Task KillAndReplace()
    {
        await coordinator.Kill();
        await Replace();
    }

    async Task Replace()
    {
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
