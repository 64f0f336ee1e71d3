using Wake.Contracts;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>
/// What came during a turn has a turn of its own, decided when the turn before ends. Nobody sweeps here: a command that
/// is sent was decided on the message that the test sent.
/// </summary>
public sealed class FollowingUp(TestStore store) : IClassFixture<TestStore>, IAsyncLifetime
{
    static readonly CancellationToken Cancel = CancellationToken.None;

    LoopbackCoordinator coordinator = null!;

    public async Task InitializeAsync() => coordinator = await LoopbackCoordinator.Start(store);

    public async Task DisposeAsync() => await coordinator.DisposeAsync();

    [Fact]
    public async Task Costs_one_message_and_one_transaction_each()
    {
        const int followUps = 5;
        var session = await store.Session("busy");
        await Observe("busy", "event 0");
        await coordinator.Tell(new WakeDue(session));

        for (var wake = 1; wake <= followUps; wake++)
        {
            var turn = await Claim(session, wake);
            Assert.Equal([$"event {wake - 1}"], turn.Events.Select(x => x.Reason));
            await Observe("busy", $"event {wake}");
            await End(turn);
        }

        await End(await Claim(session, followUps + 1));
        await Eventually.Holds(async () => await TimerIs(session, "due_at is null"));
        Assert.False(coordinator.Commands.TryPeek(out _));
    }

    [Fact]
    public async Task Waits_for_the_end_of_the_quiet_window()
    {
        var session = await store.Session("patient", "minute");
        await Observe("patient", "first");
        await coordinator.Tell(new WakeDue(session));
        var turn = await Claim(session, 1);

        await Observe("patient", "second");
        await End(turn);

        await Eventually.Holds(async () => await TimerIs(session, "owed_at is null"));
        Assert.True(await TimerIs(session, "due_at > clock_timestamp() + interval '30 seconds'"));
        Assert.False(coordinator.Commands.TryPeek(out _));
    }

    [Fact]
    public async Task Is_owed_until_somebody_claims_it()
    {
        var session = await store.Session("unlucky");
        await Observe("unlucky", "first");
        await coordinator.Tell(new WakeDue(session));
        var turn = await Claim(session, 1);
        await Observe("unlucky", "second");
        await End(turn);

        // Lost on its way, as when the coordinator dies between commit and send.
        await Command(session, 2);
        Assert.True(await TimerIs(session, "owed_at > clock_timestamp()"));

        await coordinator.Tell(new WakeDue(session));
        Assert.Equal(["second"], (await Claim(session, 2)).Events.Select(x => x.Reason));
    }

    [Fact]
    public async Task Has_answered_the_person_who_asked_for_it()
    {
        var session = await store.Session("asked");
        await Observe("asked", "first");
        await coordinator.Tell(new WakeDue(session));
        var turn = await Claim(session, 1);
        await Observe("asked", "look at it now", urgent: true);
        await End(turn);

        Assert.True((await Command(session, 2)).Urgent);
        var followUp = await store.ClaimTurn(session, 2);
        await store.Turns.Release(
            followUp,
            new TurnRelease.Retry(TimeSpan.FromMinutes(10), "the API fails"),
            answered: false,
            default,
            Cancel
        );
        await coordinator.Tell(new WakeDue(session));

        // The backoff is nothing that they have seen.
        await Eventually.Holds(async () =>
            await TimerIs(session, "owed_at > clock_timestamp() + interval '5 minutes'")
        );
        Assert.False(coordinator.Commands.TryPeek(out _));
    }

    Task<IReadOnlyList<IntakeResult>> Observe(string key, string reason, bool urgent = false) =>
        store.Accept(WakeSystem.Event(key, reason, reason: reason) with { Urgent = urgent });

    async Task<ResumeSession> Command(Guid session, int wake)
    {
        var command = await coordinator.NextCommand();
        Assert.Equal((session, wake), (command.SessionId, command.WakeNumber));
        return command;
    }

    async Task<ClaimedTurn> Claim(Guid session, int wake)
    {
        await Command(session, wake);
        return await store.ClaimTurn(session, wake);
    }

    async Task End(ClaimedTurn turn)
    {
        Assert.True(await store.Turns.EndTurn(turn, TurnOutcome.Completed, null, default, Cancel));
        await coordinator.Tell(new TurnEnded(turn.SessionId, turn.WakeNumber, TurnOutcome.Completed));
    }

    Task<bool> TimerIs(Guid session, string condition) =>
        store.Scalar<bool>($"select coalesce({condition}, false) from wake_timers where session_id = $1", session);
}
