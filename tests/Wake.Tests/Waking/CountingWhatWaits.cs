using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>What the metrics say about sessions that owe a turn: how many, in which way, and for how long.</summary>
public sealed class CountingWhatWaits(TestStore store) : IClassFixture<TestStore>
{
    static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task A_session_is_counted_once_wherever_it_is_on_its_way()
    {
        var backlog = new Backlog(store.Database);
        var cancel = CancellationToken.None;
        var session = await store.Session("repo#1", "minute");
        Assert.Equal([], await Waiting());

        await store.Accept(WakeSystem.Event("repo#1", "merged"));
        await store.Execute("update inbox set routed_at = routed_at - interval '1 hour'");
        Assert.Equal(["collecting 1 after 60 min"], await Waiting());

        await Execute(new SagaWrite.OpenTurn(session, 1, Minute, TraceParent: null, TraceState: null));
        await store.Execute("update turns set dispatched_at = dispatched_at - interval '10 minutes'");
        Assert.Equal(["dispatched 1 after 10 min"], await Waiting());

        var turn = Assert.IsType<TurnClaim.Granted>(await store.Turns.Claim(session, 1, "runner", Minute, cancel)).Turn;
        Assert.InRange(turn.WakeLatency!.Value.TotalMinutes, 59, 61);
        Assert.Equal(["running 1 after 0 min"], await Waiting());

        // Its runner is dead, and nobody has taken it since.
        await store.Execute("update turns set lease_until = clock_timestamp() - interval '5 minutes'");
        Assert.Equal(["dispatched 1 after 5 min"], await Waiting());
        turn = Assert.IsType<TurnClaim.Granted>(await store.Turns.Claim(session, 1, "another", Minute, cancel)).Turn;

        await store.Turns.Release(
            turn,
            new TurnRelease.Park(null, "an account problem"),
            answered: false,
            default,
            cancel
        );
        Assert.Equal(["parked 1 after 0 min"], await Waiting());

        async Task<IEnumerable<string>> Waiting() =>
            (await backlog.GetByState(cancel))
                .Where(x => x.Sessions > 0)
                .Select(x => $"{x.State} {x.Sessions} after {Math.Round(x.Oldest.TotalMinutes)} min");
    }

    async Task Execute(SagaWrite write)
    {
        await using var batch = store.Database.CreateBatch();
        batch.BatchCommands.Add(SagaStatements.For([write]).Single());
        await batch.ExecuteNonQueryAsync();
    }
}
