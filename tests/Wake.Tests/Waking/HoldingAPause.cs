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
    readonly string ci = $"ci:{Guid.NewGuid()}";
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
        var session = await DispatchedSession("between");
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
        var session = await DispatchedSession("meanwhile");
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
        await pauses.ReplaceProfiles(
            new Dictionary<string, (string, CiPolicy?, ReportPolicy?)>
            {
                ["default"] = ("small", null, null),
                ["minute"] = ("large", null, null),
            },
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

    [Fact]
    public async Task Events_of_a_paused_source_wake_nobody_and_those_of_others_are_told_without_them()
    {
        var session = await store.Session("noisy", "instant");
        var pause = await Pause(new(PauseScope.Source, ci, null, null, false, "it is broken"));
        await Observe("noisy", "red", source: ci);
        await Look(session, Parked);

        await Observe("noisy", "reviewed");
        Assert.Equal("due", await store.Timer(session));
        await Observe("noisy", "red again", source: ci);
        Assert.Equal(["reviewed"], await Told(session, 1));
        await EndTurn(session, 1);
        await Look(session, Parked);
        var shown = Assert.Single(await pauses.List(Cancel), x => x.Id == pause.Id);
        Assert.Equal((1, 0), (shown.Sessions, shown.Running));
        Assert.Equal("it is broken", (await store.Sessions.Find("noisy", Cancel))!.Paused!.Reason);

        Assert.True(await pauses.End(pause.Id, Cancel));

        Assert.Equal("due", await store.Timer(session));
        Assert.Equal(["red", "red again"], await Told(session, 2));
    }

    // A look takes as long as much is held: with one for each, a storm would cost the square of itself.
    [Fact]
    public async Task What_is_held_too_is_looked_at_together_and_what_is_not_at_once()
    {
        var session = await store.Session("stormy", "instant");
        await Pause(new(PauseScope.Source, ci, null, null, false, null));
        await Observe("stormy", "red", source: ci);
        await Look(session, Parked);

        await Observe("stormy", "red again", source: ci);
        Assert.Equal("later", await store.Timer(session));
        var due = await DueAt();
        await Observe("stormy", "red once more", source: ci);
        Assert.Equal(due, await DueAt());

        await Observe("stormy", "reviewed");
        Assert.Equal("due", await store.Timer(session));
        Assert.Equal(["reviewed"], await Told(session, 1));

        Task<DateTime> DueAt() =>
            store.Scalar<DateTime>("select due_at from wake_timers where session_id = $1", session);
    }

    [Fact]
    public async Task What_is_held_does_not_shorten_the_quiet_window_of_what_else_comes()
    {
        var session = await store.Session("slow", "minute");
        await Pause(new(PauseScope.Source, ci, null, null, false, null));
        await Observe("slow", "red", source: ci);
        await store.Execute(
            "update wake_timers set ceiling_at = now() - interval '1 hour' where session_id = $1",
            session
        );
        await Look(session, Parked);

        await Observe("slow", "reviewed");

        Assert.Equal("later", await store.Timer(session));
        Assert.True(
            await store.Scalar<bool>(
                "select due_at < now() + interval '2 minutes' from wake_timers where session_id = $1",
                session
            )
        );
    }

    // A coordinator of the version before takes the timer without taking the mark off.
    [Fact]
    public async Task A_mark_that_was_left_behind_shortens_no_quiet_window()
    {
        var session = await store.Session("marked", "minute");
        await Observe("marked", "one");
        await store.Execute("update wake_timers set held = true where session_id = $1", session);

        await Observe("marked", "two");

        Assert.True(await store.Scalar<bool>("select owed_at is null from wake_timers where session_id = $1", session));
    }

    // Its wake was decided before the pause was there. It is told of what else comes.
    [Fact]
    public async Task A_turn_that_was_dispatched_for_events_that_are_held_since_waits_until_something_else_comes()
    {
        var session = await store.Session("decided", "instant");
        await Observe("decided", "red", source: ci);
        await Look(session, Dispatched);
        Assert.Equal(1, (await coordinator.NextCommand()).WakeNumber);
        await Pause(new(PauseScope.Source, ci, null, null, false, null));
        Assert.IsType<TurnClaim.NotDue>(await Claim(session));
        await Look(session, Parked);

        await Observe("decided", "reviewed");

        Assert.Equal("due", await store.Timer(session));
        Assert.Equal(["reviewed"], await Told(session, 1));
    }

    [Theory]
    [InlineData("github:o/r#1", "github:o/r#1", null, true)]
    [InlineData("github:o/r#1", "github:o/r#12", null, false)]
    [InlineData("github:o/*", "github:o/r#1", null, true)]
    [InlineData("github:o/r#1", "github:o/r@abc", "github:o/r#1", true)]
    [InlineData("*#1", "github:o/r@abc", "github:o/r#1", true)]
    [InlineData("github:o_r%", "github:o/r#1", null, false)]
    [InlineData("'; drop table pauses; --*", "github:o/r#1", null, false)]
    public async Task A_paused_subject_holds_what_is_about_or_related_to_it(
        string glob,
        string subject,
        string? related,
        bool held
    )
    {
        var key = $"{Guid.NewGuid()}";
        var session = await store.Session(key, "instant");
        await store.Watches.Create(key, new(subject), Cancel);
        await Pause(new(PauseScope.Subject, glob, null, null, false, null));

        await store.Accept(
            WakeSystem.Event(subject, key, reason: "new") with
            {
                Related = related is null ? null : [related],
            }
        );

        await Look(session, held ? Parked : Dispatched);
        if (!held)
            await coordinator.NextCommand();
    }

    [Theory]
    [InlineData(0, 1, 2)]
    [InlineData(2, 1, 0)]
    [InlineData(1, 0, 2)]
    public async Task What_several_pauses_hold_is_told_when_the_last_of_them_is_over(params int[] order)
    {
        var key = $"{Guid.NewGuid()}";
        var session = await store.Session(key, "instant");
        Pause[] made =
        [
            await Pause(new(PauseScope.Source, ci, null, null, false, null)),
            await Pause(new(PauseScope.Subject, key, null, null, false, null)),
            await Pause(new(PauseScope.Session, key, null, null, false, null)),
        ];
        await Observe(key, "red", source: ci);
        await Look(session, Parked);

        foreach (var pause in order[..2].Select(x => made[x]))
        {
            Assert.True(await pauses.End(pause.Id, Cancel));
            Assert.Equal("due", await store.Timer(session));
            await Look(session, Parked);
        }

        await pauses.End(made[order[2]].Id, Cancel);
        Assert.Equal(["red"], await Told(session, 1));
    }

    [Fact]
    public async Task When_its_time_is_over_what_was_held_is_told_once_whoever_notices()
    {
        var session = await store.Session("timed", "instant");
        await Pause(new(PauseScope.Source, ci, null, DateTimeOffset.UtcNow.AddHours(1), false, null));
        await Observe("timed", "red", source: ci);
        await Look(session, Parked, "later");
        await store.Execute("update pauses set until = clock_timestamp() where name = $1", ci);

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => new Pauses(store.Database).EndExpired(Cancel)));

        Assert.Equal("due", await store.Timer(session));
        Assert.Equal(["red"], await Told(session, 1));
        await EndTurn(session, 1);
        await Look(session, Idle, null);
    }

    [Fact]
    public async Task A_turn_is_interrupted_only_when_all_that_woke_it_is_held()
    {
        var (both, one) = (await store.Session("both", "instant"), await store.Session("one", "instant"));
        await Observe("one", "red", source: ci);
        await Observe("both", "red", source: ci);
        await Observe("both", "reviewed");
        foreach (var session in (Guid[])[both, one])
        {
            await Look(session, Dispatched);
            await coordinator.NextCommand();
            Assert.IsType<TurnClaim.Granted>(await Claim(session));
        }

        var gentle = await Pause(new(PauseScope.Source, ci, null, null, false, null));
        Assert.Empty(await pauses.FindInterrupted([both, one], Cancel));
        Assert.Equal(2, gentle.Running);
        await Pause(new(PauseScope.Source, ci, null, null, true, "it is broken"));

        var (stopped, why) = Assert.Single(await pauses.FindInterrupted([both, one], Cancel));
        Assert.Equal((one, $"source {ci}, until it is ended: it is broken"), (stopped, why));

        // As when it is given back, or its runner has died: it waits, and so does what comes behind it.
        await store.Execute("update turns set lease_until = clock_timestamp() where session_id = $1", one);
        Assert.IsType<TurnClaim.NotDue>(await Claim(one));
        await Observe("one", "reviewed");
        await Look(one, Parked);

        foreach (var pause in await pauses.List(Cancel))
            await pauses.End(pause.Id, Cancel);
        Assert.Equal("due", await store.Timer(one));
        Assert.Equal(["red"], await Told(one, 1));
        await EndTurn(one, 1, attempt: 2);
        Assert.Equal(["reviewed"], await Told(one, 2));
    }

    // The look says so to the saga, as the sweeper does.
    const string Parked = "Parked",
        Dispatched = "Dispatched",
        Idle = "Idle";

    async Task Look(Guid session, string state, string? timer = "infinity")
    {
        await store.Execute(
            """
            update wake_timers set owed_at = clock_timestamp() + interval '30 seconds', held = false where session_id = $1
            """,
            session
        );
        await coordinator.Tell(new WakeDue(session));
        Assert.Equal(
            state is Dispatched ? "later" : timer,
            timer is null ? await NoTimer(session) : await store.Timer(session)
        );
    }

    async Task<string?> NoTimer(Guid session) =>
        await store.Scalar<bool>("select due_at is null from wake_timers where session_id = $1", session)
            ? null
            : "set";

    // What its wake is told of.
    async Task<IReadOnlyList<string>> Told(Guid session, int wake)
    {
        await store.Execute("update wake_timers set held = false where session_id = $1", session);
        await coordinator.Tell(new WakeDue(session));
        var command = await coordinator.NextCommand();
        Assert.Equal((session, wake), (command.SessionId, command.WakeNumber));
        return [.. (await store.ClaimTurn(session, wake)).Events.Select(x => x.Reason)];
    }

    async Task EndTurn(Guid session, int wake, int attempt = 1)
    {
        var epoch = await store.Scalar<long>(
            "select epoch from turns where session_id = $1 and wake_number = $2 and attempt = $3",
            session,
            wake,
            attempt
        );
        Assert.True(await store.Turns.EndTurn(new(session, wake, epoch), TurnOutcome.Completed, null, default, Cancel));
    }

    async Task<Guid> DispatchedSession(string key)
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

    Task<IReadOnlyList<IntakeResult>> Observe(
        string key,
        string reason,
        bool urgent = false,
        string source = "test:producer"
    ) => store.Accept(WakeSystem.Event(key, reason, reason: reason) with { Urgent = urgent, Source = source });

    Task<TurnClaim> Claim(Guid session) => store.Turns.Claim(session, 1, "test", TimeSpan.FromMinutes(10), Cancel);

    async Task Command(Guid session)
    {
        var command = await coordinator.NextCommand();
        Assert.Equal((session, 1), (command.SessionId, command.WakeNumber));
    }
}
