using Npgsql;
using Wake.Contracts;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>Sessions that are due together are decided about in one transaction, each as it would be by
/// itself.</summary>
public sealed class DecidingAtOnce : IAsyncLifetime
{
    static readonly CancellationToken Cancel = CancellationToken.None;

    readonly TestStore store = new();
    Breakers breakers = null!;
    Pauses pauses = null!;
    LoopbackCoordinator coordinator = null!;

    public async Task InitializeAsync()
    {
        await store.InitializeAsync();
        (breakers, pauses) = (new(store.Database), new(store.Database));
        coordinator = await LoopbackCoordinator.Start(store);
    }

    public async Task DisposeAsync()
    {
        await coordinator.DisposeAsync();
        await store.DisposeAsync();
    }

    // What the store can say of a session, as statements about its rows: $1 is its id.
    static readonly (string Name, string[] Rows)[] Situations =
    [
        ("has an event", []),
        ("had a turn", [Ended]),
        ("is urgent", ["update wake_timers set urgent = true where session_id = $1"]),
        ("has nothing any more", ["update inbox set wake_number = 1 where session_id = $1", Ended]),
        ("is closed", ["update sessions set closed_at = now() where id = $1"]),
        ("is closed while it runs", [Open, Held, "update sessions set closed_at = now() where id = $1"]),
        ("was not claimed", [Open]),
        ("runs", [Open, Held]),
        ("lost its lease", [Open, Held, "update turns set lease_until = now() where session_id = $1"]),
        ("backs off", [Open, Later]),
        ("backs off and is woken", [Open, Later, Woken]),
        ("is withheld", [Open, Later, Withheld]),
        ("is withheld and woken", [Open, Later, Withheld, Woken]),
        ("waits for a person", [Open, Parked]),
        ("waits for a person who wakes it", [Open, Parked, Woken]),
        ("waits for a date", [Open, Later, "update turns set parked = true where session_id = $1"]),
        ("has come to its date", [Open, "update turns set parked = true, not_before = now() where session_id = $1"]),
        ("collects after a turn", [Ended, Dispatched, Quiet]),
        ("collects", [Ended, Quiet]),
        ("collects where it was parked", [Ended, WasParked, Quiet]),
        ("is attended", [Attended]),
        ("is attended and was not claimed", [Open, Attended]),
        ("was near a runner", [Near]),
        ("was near and not claimed", [Open, Near]),
        ("is paused", [Pause]),
        ("is paused until a date", [Pause, Until]),
        ("is paused with a turn", [Open, Pause]),
        ("is paused while it runs", [Open, Held, Pause]),
        ("has an event that is held", [HeldEvent]),
        ("has an event that came too late", [Expired]),
    ];

    const string Open = """
        with opened as (insert into turns (session_id, wake_number) values ($1, 1))
        insert into session_wakes (session_id, current_state, wake_number) values ($1, 4, 1)
        """;
    const string Ended = """
        with ended as (
            insert into turns (session_id, wake_number, attempt, ended_at, outcome) values ($1, 1, 1, now(), 'completed'))
        insert into session_wakes (session_id, current_state, wake_number) values ($1, 3, 1)
        """;
    const string Dispatched = "update session_wakes set current_state = 4 where session_id = $1";
    const string WasParked = "update session_wakes set current_state = 5 where session_id = $1";
    const string Near = """
        update wake_timers set near = 'exchange:near', near_until = 'infinity' where session_id = $1
        """;
    const string Expired = """
        update events set expires_at = now() where subject = (select key from sessions where id = $1)
        """;
    const string Until =
        "update pauses set until = '2100-01-01Z' where name = (select key from sessions where id = $1)";
    const string Held = """
        update turns set attempt = 1, runner = 'r', epoch = 1, lease_until = now() + interval '1 hour' where session_id = $1
        """;
    const string Later = "update turns set not_before = now() + interval '1 hour' where session_id = $1";
    const string Withheld = "update turns set held_until = not_before, held_by = 'r' where session_id = $1";
    const string Parked = "update turns set not_before = 'infinity', parked = true, acted = true where session_id = $1";
    const string Woken = "update wake_timers set nudged = true where session_id = $1";
    const string Quiet = "update wake_timers set events_due_at = now() + interval '1 hour' where session_id = $1";
    const string Attended = """
        insert into terminals (session_id, claude_session_id, terminal, place, attended_until)
        values ($1, gen_random_uuid(), 't', 'here', now() + interval '1 minute')
        """;
    const string Pause = """
        insert into pauses (id, scope, name, interrupts, reason) select gen_random_uuid(), 'session', key, false, 'why'
        from sessions where id = $1
        """;
    const string HeldEvent = """
        insert into pauses (id, scope, name, subject_pattern, interrupts, reason)
        select gen_random_uuid(), 'subject', key, key, false, 'why' from sessions where id = $1
        """;

    [Fact]
    public async Task Comes_to_the_same_as_a_message_about_each()
    {
        var told = await Arrange("told");
        foreach (var session in told.Values)
            await coordinator.Tell(new WakeDue(session));
        var (expected, expectedCommands) = (await Rows("told"), Commands("told"));

        await Arrange("looked");
        Assert.Equal(Situations.Length, await coordinator.Sweep());

        Assert.Equal(Situations.Length, expected.Count);
        Assert.Equal(expected, await Rows("looked"));
        Assert.Equal(expectedCommands, Commands("looked"));
        Assert.Contains("has an event 1", expectedCommands);
        Assert.Equal(0, await coordinator.Sweep());
    }

    [Fact]
    public async Task Limits_that_sessions_share_hold_for_coordinators_that_decide_at_once()
    {
        await Limits(new BreakerLimit(PauseScope.Profile, "default", BreakerKind.TurnsPerHour, 5));
        await using var other = await LoopbackCoordinator.Start(store);
        await DueSessions(30);

        await Task.WhenAll(SweepAll(coordinator), SweepAll(other));
        await SweepAll(coordinator);

        Assert.Equal(5, await store.Scalar<long>("select count(*) from turns"));
        Assert.Equal(BreakerState.Open, Assert.Single(await breakers.List(Cancel)).State);
        Assert.Equal(25, await store.Scalar<long>("select count(*) from decisions where kind = 'paused'"));
        foreach (var session in await store.Scalar<Guid[]>("select array_agg(session_id) from turns"))
            await store.ClaimTurn(session);

        static async Task SweepAll(LoopbackCoordinator coordinator)
        {
            while (await coordinator.Sweep(limit: 7) > 0) { }
        }
    }

    [Fact]
    public async Task Exactly_as_many_as_a_limit_allows_open_no_breaker()
    {
        await Limits(new BreakerLimit(PauseScope.All, null, BreakerKind.TurnsPerHour, 10));
        await DueSessions(10);

        await coordinator.Sweep();

        Assert.Equal(10, await store.Scalar<long>("select count(*) from turns"));
        Assert.Equal(BreakerState.Closed, Assert.Single(await breakers.List(Cancel)).State);
    }

    [Fact]
    public async Task One_of_a_set_is_the_trial_of_a_breaker()
    {
        await Limits(new BreakerLimit(PauseScope.All, null, BreakerKind.TurnsPerHour, 3));
        await DueSessions(5);
        await coordinator.Sweep();
        Assert.Equal(3, await store.Scalar<long>("select count(*) from turns"));

        await store.Execute(
            """
            update turns set dispatched_at = dispatched_at - interval '2 hours';
            update pauses set until = now();
            update wake_timers set owed_at = now() where session_id not in (select session_id from turns)
            """
        );
        Assert.Equal(2, await coordinator.Sweep());

        Assert.Equal(4, await store.Scalar<long>("select count(*) from turns"));
        Assert.Equal(1, await store.Scalar<long>("select count(*) from turns where trial"));
    }

    [Fact]
    public async Task What_a_person_waits_for_is_decided_while_the_rest_is_held_back()
    {
        var sessions = await DueSessions(5);
        await store.Execute($"update wake_timers set urgent = true where session_id = '{sessions[2]}'");
        await store.Execute($"update wake_timers set nudged = true where session_id = '{sessions[4]}'");

        Assert.Equal(2, await coordinator.Sweep(urgentOnly: true));
        Assert.Equal(0, await coordinator.Sweep(urgentOnly: true));
        Guid[] commanded = [(await coordinator.NextCommand()).SessionId, (await coordinator.NextCommand()).SessionId];
        Assert.Equal([sessions[2], sessions[4]], commanded.OrderBy(sessions.IndexOf));

        Assert.Equal(3, await coordinator.Sweep());
    }

    [Fact]
    public async Task A_session_that_somebody_else_has_keeps_no_other_waiting()
    {
        var sessions = await DueSessions(10);
        await using (var connection = await store.Database.OpenConnectionAsync())
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await using var claim = new NpgsqlCommand(
                "select from wake_timers where session_id = $1 for update",
                connection,
                transaction
            )
            {
                Parameters = { new() { Value = sessions[3] } },
            };
            await claim.ExecuteNonQueryAsync();

            Assert.Equal(9, await coordinator.Sweep());
            Assert.Equal(0, await coordinator.Sweep());
        }

        Assert.Equal(1, await coordinator.Sweep());
        Assert.Equal(10, await store.Scalar<long>("select count(*) from turns where wake_number = 1"));
    }

    [Fact]
    public async Task One_that_cannot_be_decided_about_keeps_no_other_from_its_turn()
    {
        var sessions = await DueSessions(10);
        await store.Execute(
            $"""
            create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
            create trigger refuse before insert on turns for each row when (new.session_id = '{sessions[0]}')
            execute function refuse()
            """
        );

        Assert.Equal(10, await coordinator.Sweep());

        HashSet<Guid> commanded = [];
        while (commanded.Count < 9)
            commanded.Add((await coordinator.NextCommand()).SessionId);
        Assert.DoesNotContain(sessions[0], commanded);
        Assert.Equal("later", await store.Timer(sessions[0]));

        // It is owed as ever.
        await store.Execute("drop trigger refuse on turns");
        await Eventually.Holds(async () =>
        {
            await store.Execute("update wake_timers set owed_at = now() where session_id = $1", sessions[0]);
            await coordinator.Sweep();
            return await store.Scalar<long>("select count(*) from turns") == 10;
        });
    }

    // Whoever has several timers waits for no session, and who has a session waits for one timer at a time.
    [Fact]
    public async Task Waits_in_no_circle_with_what_else_locks_sessions()
    {
        const int rounds = 15;
        var keys = Enumerable.Range(0, 40).Select(x => $"busy {x}").ToArray();
        foreach (var key in keys)
            await store.Session(key);
        await using var other = await LoopbackCoordinator.Start(store);
        using var over = new CancellationTokenSource();

        var sweeps = Task.WhenAll(
            new[] { coordinator, other }.Select(x =>
                Task.Run(async () =>
                {
                    while (!over.IsCancellationRequested)
                        await x.Sweep();
                })
            )
        );
        await Task.WhenAll(
            Enumerable
                .Range(0, 3)
                .Select(writer =>
                    Task.Run(async () =>
                    {
                        for (var round = 0; round < rounds; round++)
                        {
                            string[] shuffled = [.. keys];
                            Random.Shared.Shuffle(shuffled);
                            await store.Accept([
                                .. shuffled.Select(x =>
                                    WakeSystem.Event(x, $"{writer} {round}") with
                                    {
                                        Urgent = true,
                                    }
                                ),
                            ]);
                        }
                    })
                )
                .Append(
                    Task.Run(async () =>
                    {
                        for (var round = 0; round < rounds; round++)
                        {
                            var pause = await pauses.Add(
                                new(PauseScope.All, null, null, null, Interrupts: false, null),
                                Cancel
                            );
                            await pauses.End(pause!.Id, Cancel);
                            await store.Sessions.Close(keys[round], Cancel);
                        }
                    })
                )
        );
        await over.CancelAsync();
        await sweeps;

        Assert.Equal(
            0,
            await store.Scalar<long>("select deadlocks from pg_stat_database where datname = current_database()")
        );
        await store.Execute("update wake_timers set owed_at = now() where owed_at is not null");
        while (await coordinator.Sweep() > 0) { }
        Assert.Equal(
            keys.Length - rounds,
            await store.Scalar<long>(
                """
                select count(*) from turns t join sessions s on s.id = t.session_id
                where s.closed_at is null and t.ended_at is null
                """
            )
        );
    }

    // Sessions in all situations, each due now.
    async Task<Dictionary<string, Guid>> Arrange(string who)
    {
        Dictionary<string, Guid> sessions = [];
        foreach (var (name, rows) in Situations)
        {
            var session = sessions[name] = await store.Session($"{who} {name}");
            await store.Accept(WakeSystem.Event($"{who} {name}", "happened"));
            foreach (var statement in rows)
                await store.Execute(statement, session);
            await store.Execute("update wake_timers set owed_at = now() where session_id = $1", session);
        }

        return sessions;
    }

    // All that is stored about them, but for ids and for times, of which it matters whether they are over.
    async Task<IReadOnlyList<string>> Rows(string who)
    {
        var (owed, events, notBefore) = (When("owed_at"), When("events_due_at"), When("not_before"));
        return await store.Scalar<string[]>(
            $"""
            select array_agg(concat_ws(' | ', substr(s.key, length($1) + 2),
                'saga', (select (current_state, wake_number) from session_wakes where session_id = s.id),
                'timer', {owed}, {events}, ceiling_at is null, urgent, nudged, held,
                'turns', (select array_agg((wake_number, attempt, parked, insisted, acted, {notBefore}, ended_at is null)
                                           order by wake_number)
                          from turns where session_id = s.id),
                'ledger', (select array_agg((kind, wake_number, replace(note, $1, '')) order by seq)
                           from decisions where session_id = s.id)) order by s.created_at)
            from sessions s join wake_timers t on t.session_id = s.id
            where s.key like $1 || ' %'
            """,
            who
        );
    }

    static string When(string column) =>
        $"""
            case when {column} = 'infinity' then 'infinity' when {column} <= now() then 'over'
                 when {column} > now() then 'later' else 'none' end
            """;

    // Which came, but not in which order: they are sent at the same time.
    List<string> Commands(string who)
    {
        List<string> commands = [];
        while (coordinator.Commands.TryRead(out var command))
        {
            Assert.StartsWith(who, command.SessionKey, StringComparison.Ordinal);
            commands.Add(
                $"{command.SessionKey[(who.Length + 1)..]} {command.WakeNumber}{(command.Urgent ? " urgent" : "")}"
            );
        }

        commands.Sort(StringComparer.Ordinal);
        return commands;
    }

    async Task<List<Guid>> DueSessions(int count)
    {
        List<Guid> sessions = [];
        for (var number = 0; number < count; number++)
        {
            sessions.Add(await store.Session($"of many {number}"));
            await store.Accept(WakeSystem.Event($"of many {number}", "storm"));
        }

        return sessions;
    }

    Task Limits(params BreakerLimit[] limits) =>
        breakers.Replace(limits, TimeSpan.FromMinutes(15), TimeSpan.FromHours(4), [], Cancel);
}
