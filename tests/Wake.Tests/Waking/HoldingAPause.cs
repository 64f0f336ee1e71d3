using Wake.Contracts;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>Whom a pause covers, and that none slips through between its dispatch and its claim.</summary>
public sealed class HoldingAPause(TestStore store) : IClassFixture<TestStore>, IAsyncLifetime
{
    static readonly CancellationToken Cancel = CancellationToken.None;

    readonly Pauses pauses = new(store.Database);
    LoopbackCoordinator coordinator = null!;

    public async Task InitializeAsync() => coordinator = await LoopbackCoordinator.Start(store);

    public async Task DisposeAsync()
    {
        foreach (var pause in await pauses.List(Cancel))
            await pauses.End(pause.Id, Cancel);
        await coordinator.DisposeAsync();
    }

    [Fact]
    public async Task A_turn_that_was_dispatched_before_is_not_claimed()
    {
        var session = await Dispatched("between");
        var pause = await Pause(new(PauseScope.Session, "between", null, null, false, null));

        Assert.IsType<TurnClaim.NotDue>(await Claim(session));
        await Observe("between", "second", urgent: true);
        await coordinator.Tell(new WakeDue(session));
        Assert.Equal("infinity", await store.Timer(session));
        Assert.False(coordinator.Commands.TryPeek(out _));

        Assert.True(await pauses.End(pause.Id, Cancel));
        Assert.Equal("due", await store.Timer(session));
        await coordinator.Tell(new WakeDue(session));
        await Command(session);
        var granted = Assert.IsType<TurnClaim.Granted>(await Claim(session));
        Assert.Equal(["first", "second"], granted.Turn.Events.Select(x => x.Reason));
    }

    // Else a claim that had looked before the pause would take the turn after it.
    [Fact]
    public async Task A_pause_begins_when_the_claims_that_are_under_way_are_written()
    {
        await using var connection = await store.Database.OpenConnectionAsync();
        await using var claiming = await connection.BeginTransactionAsync();
        await using (var claim = new Npgsql.NpgsqlCommand(Pauses.LockAgainstNew, connection, claiming))
            await claim.ExecuteNonQueryAsync();

        var pausing = Pause(new(PauseScope.Profile, "nobody's", null, null, false, null));
        await Waits("ExclusiveLock");
        Assert.DoesNotContain(await pauses.List(Cancel), x => x.Name == "nobody's");

        await claiming.CommitAsync();
        await pausing;
    }

    [Fact]
    public async Task A_claim_waits_for_a_pause_that_is_being_made_and_finds_it()
    {
        var session = await Dispatched("meanwhile");
        await using var connection = await store.Database.OpenConnectionAsync();
        await using var pausing = await connection.BeginTransactionAsync();
        await using (
            var pause = new Npgsql.NpgsqlCommand(
                $"""
                {Pauses.LockAgainstClaims};
                insert into pauses (id, scope, name, interrupts) values (gen_random_uuid(), 'session', 'meanwhile', false)
                """,
                connection,
                pausing
            )
        )
            await pause.ExecuteNonQueryAsync();

        var claim = Claim(session);
        await Waits("ShareLock");
        await pausing.CommitAsync();

        Assert.IsType<TurnClaim.NotDue>(await claim);
    }

    [Theory]
    [InlineData(PauseScope.All, null, "covered and other")]
    [InlineData(PauseScope.Session, "covered", "covered")]
    [InlineData(PauseScope.Profile, "minute", "covered")]
    [InlineData(PauseScope.Pool, "large", "covered")]
    [InlineData(PauseScope.Pool, "small", "other")]
    [InlineData(PauseScope.Pool, "default", "")]
    [InlineData(PauseScope.Route, "reviews", "covered")]
    public async Task A_pause_covers_the_sessions_of_its_scope(PauseScope scope, string? name, string expected)
    {
        await pauses.ReplacePools(
            new Dictionary<string, string> { ["default"] = "small", ["minute"] = "large" },
            Cancel
        );
        RouteDefinition route = new()
        {
            Subject = "cov*",
            Session = "{subject}",
            Workspace = "/",
        };
        Guid[] ids = [await Known("covered", "minute"), await Known("other", "default")];

        await Pause(new(scope, name, scope is PauseScope.Route ? route : null, null, false, null));

        var paused = await Pauses.Find(store.Database, ids, Cancel);
        Assert.Equal(
            expected,
            string.Join(
                " and ",
                ids.Zip(["covered", "other"]).Where(x => paused.ContainsKey(x.First)).Select(x => x.Second)
            )
        );
    }

    [Fact]
    public async Task Of_two_pauses_the_longer_one_counts()
    {
        var session = await store.Session("twice");
        var until = DateTimeOffset.UtcNow.AddHours(1);
        await Pause(new(PauseScope.Session, "twice", null, until, false, "one"));
        var open = await Pause(new(PauseScope.Session, "twice", null, null, false, "two"));
        await Observe("twice", "first");
        await coordinator.Tell(new WakeDue(session));
        Assert.Equal("infinity", await store.Timer(session));
        Assert.Null((await store.Sessions.Find("twice", Cancel))!.Paused!.Until);

        await pauses.End(open.Id, Cancel);
        await coordinator.Tell(new WakeDue(session));

        Assert.Equal("later", await store.Timer(session));
        Assert.InRange(
            (await store.Sessions.Find("twice", Cancel))!.Paused!.Until!.Value,
            until.AddMilliseconds(-1),
            until.AddMilliseconds(1)
        );
        Assert.False(coordinator.Commands.TryPeek(out _));
    }

    // As when the process that ends it dies between its two transactions.
    [Fact]
    public async Task What_waited_for_a_pause_is_looked_at_whoever_has_ended_it()
    {
        var session = await store.Session("left");
        var pause = await Pause(new(PauseScope.Session, "left", null, null, false, null));
        await Observe("left", "first");
        await coordinator.Tell(new WakeDue(session));
        await store.Execute("update pauses set ended_at = now() where id = $1", pause.Id);
        Assert.Equal("infinity", await store.Timer(session));

        Assert.True(await pauses.EndExpired(Cancel));

        Assert.Equal("due", await store.Timer(session));
        Assert.False(await pauses.EndExpired(Cancel));
    }

    async Task<Guid> Dispatched(string key)
    {
        var session = await store.Session(key);
        await Observe(key, "first");
        await coordinator.Tell(new WakeDue(session));
        await Command(session);
        return session;
    }

    Task Waits(string mode) =>
        Eventually.Holds(
            () =>
                store.Scalar<bool>(
                    $"""
                    select exists (select from pg_locks
                                   where locktype = 'advisory' and not granted and objid = {Pauses.Lock} and mode = $1)
                    """,
                    mode
                ),
            $"a {mode} waits"
        );

    async Task<Guid> Known(string key, string profile) =>
        (await store.Sessions.Find(key, Cancel))?.Id ?? await store.Session(key, profile);

    async Task<Pause> Pause(NewPause wanted) => (await pauses.Add(wanted, Cancel))!;

    Task<IReadOnlyList<IntakeResult>> Observe(string key, string reason, bool urgent = false) =>
        store.Accept(WakeSystem.Event(key, reason, reason: reason) with { Urgent = urgent });

    Task<TurnClaim> Claim(Guid session) => store.Turns.Claim(session, 1, "test", TimeSpan.FromMinutes(10), Cancel);

    async Task Command(Guid session)
    {
        var command = await coordinator.NextCommand();
        Assert.Equal((session, 1), (command.SessionId, command.WakeNumber));
    }
}
