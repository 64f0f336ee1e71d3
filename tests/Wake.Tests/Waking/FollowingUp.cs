using System.Threading.Channels;
using MassTransit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Wake.Contracts;
using Wake.Coordinator;
using Wake.ServiceDefaults;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>
/// What came during a turn has a turn of its own, decided when the turn before ends. Nobody sweeps here: a command that
/// is sent was decided on the message that the test sent.
/// </summary>
[Trait("Starts", "processes")]
public sealed class FollowingUp(TestStore store) : IClassFixture<TestStore>, IAsyncLifetime
{
    static readonly CancellationToken Cancel = CancellationToken.None;

    readonly Channel<ResumeSession> commands = Channel.CreateUnbounded<ResumeSession>();
    IHost host = null!;

    public async Task InitializeAsync()
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(
            new Dictionary<string, string?> { ["MessageBus:Host"] = "loopback://following-up" }
        );
        builder.Services.AddSingleton(store.Database);
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<SweepSignal>();
        builder.Services.AddValidatedOptions<CoordinatorOptions>(CoordinatorOptions.Section);
        builder.AddMessageBus(bus => bus.AddSessionWake());

        host = builder.Build();
        var bus = host.Services.GetRequiredService<IBusControl>();
        var overheard = new Overheard(commands.Writer);
        bus.ConnectPublishObserver(overheard);
        bus.ConnectSendObserver(overheard);
        await host.StartAsync();
    }

    public async Task DisposeAsync()
    {
        await host.StopAsync();
        host.Dispose();
    }

    [Fact]
    public async Task Costs_one_message_and_one_transaction_each()
    {
        const int followUps = 5;
        var session = await store.Session("busy");
        await Observe("busy", "event 0");
        await Tell(new WakeDue(session));

        for (var wake = 1; wake <= followUps; wake++)
        {
            var turn = await Claim(session, wake);
            Assert.Equal([$"event {wake - 1}"], turn.Events.Select(x => x.Reason));
            await Observe("busy", $"event {wake}");
            await End(turn);
        }

        await End(await Claim(session, followUps + 1));
        await Eventually.Holds(async () => await TimerIs(session, "due_at is null"));
        Assert.False(commands.Reader.TryPeek(out _));
    }

    [Fact]
    public async Task Waits_for_the_end_of_the_quiet_window()
    {
        var session = await store.Session("patient", "minute");
        await Observe("patient", "first");
        await Tell(new WakeDue(session));
        var turn = await Claim(session, 1);

        await Observe("patient", "second");
        await End(turn);

        await Eventually.Holds(async () => await TimerIs(session, "owed_at is null"));
        Assert.True(await TimerIs(session, "due_at > clock_timestamp() + interval '30 seconds'"));
        Assert.False(commands.Reader.TryPeek(out _));
    }

    [Fact]
    public async Task Is_owed_until_somebody_claims_it()
    {
        var session = await store.Session("unlucky");
        await Observe("unlucky", "first");
        await Tell(new WakeDue(session));
        var turn = await Claim(session, 1);
        await Observe("unlucky", "second");
        await End(turn);

        // Lost on its way, as when the coordinator dies between commit and send.
        await Command(session, 2);
        Assert.True(await TimerIs(session, "owed_at > clock_timestamp()"));

        await Tell(new WakeDue(session));
        Assert.Equal(["second"], (await Claim(session, 2)).Events.Select(x => x.Reason));
    }

    [Fact]
    public async Task Has_answered_the_person_who_asked_for_it()
    {
        var session = await store.Session("asked");
        await Observe("asked", "first");
        await Tell(new WakeDue(session));
        var turn = await Claim(session, 1);
        await Observe("asked", "look at it now", urgent: true);
        await End(turn);

        Assert.True((await Command(session, 2)).Urgent);
        var followUp = await Claimed(session, 2);
        await store.Turns.Release(
            followUp,
            new TurnRelease.Retry(TimeSpan.FromMinutes(10), "the API fails"),
            answered: false,
            default,
            Cancel
        );
        await Tell(new WakeDue(session));

        // The backoff is nothing that they have seen.
        await Eventually.Holds(async () =>
            await TimerIs(session, "owed_at > clock_timestamp() + interval '5 minutes'")
        );
        Assert.False(commands.Reader.TryPeek(out _));
    }

    Task<IReadOnlyList<IntakeResult>> Observe(string key, string reason, bool urgent = false) =>
        store.Accept(WakeSystem.Event(key, reason, reason: reason) with { Urgent = urgent });

    Task Tell<T>(T message)
        where T : class => host.Services.GetRequiredService<IBus>().Publish(message);

    async Task<ResumeSession> Command(Guid session, int wake)
    {
        var command = await commands.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal((session, wake), (command.SessionId, command.WakeNumber));
        return command;
    }

    async Task<ClaimedTurn> Claim(Guid session, int wake)
    {
        await Command(session, wake);
        return await Claimed(session, wake);
    }

    async Task<ClaimedTurn> Claimed(Guid session, int wake) =>
        Assert
            .IsType<TurnClaim.Granted>(await store.Turns.Claim(session, wake, "test", TimeSpan.FromMinutes(10), Cancel))
            .Turn;

    async Task End(ClaimedTurn turn)
    {
        Assert.True(await store.Turns.EndTurn(turn, TurnOutcome.Completed, null, default, Cancel));
        await Tell(new TurnEnded(turn.SessionId, turn.WakeNumber, TurnOutcome.Completed));
    }

    Task<bool> TimerIs(Guid session, string condition) =>
        store.Scalar<bool>($"select coalesce({condition}, false) from wake_timers where session_id = $1", session);

    // Some commands are published and some, those of people for one, are sent.
    sealed class Overheard(ChannelWriter<ResumeSession> commands) : IPublishObserver, ISendObserver
    {
        public Task PrePublish<T>(PublishContext<T> context)
            where T : class => Task.CompletedTask;

        public Task PostPublish<T>(PublishContext<T> context)
            where T : class => Hear(context.Message);

        public Task PublishFault<T>(PublishContext<T> context, Exception exception)
            where T : class => Task.CompletedTask;

        public Task PreSend<T>(SendContext<T> context)
            where T : class => Task.CompletedTask;

        public Task PostSend<T>(SendContext<T> context)
            where T : class => Hear(context.Message);

        public Task SendFault<T>(SendContext<T> context, Exception exception)
            where T : class => Task.CompletedTask;

        Task Hear(object message)
        {
            if (message is ResumeSession command)
                commands.TryWrite(command);
            return Task.CompletedTask;
        }
    }
}
