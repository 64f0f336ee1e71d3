using System.Diagnostics;
using Npgsql;
using Wake.ServiceDefaults;
using Wake.Store;
using Wake.Testing;
using static Wake.Benchmarks.BenchmarkResults;

namespace Wake.Benchmarks;

/// <summary>
/// Lists and look-ups as people ask for them, and the same rows by statements written by hand, turn about in one run.
/// </summary>
static class Reading
{
    const int Sessions = 20_000,
        Events = 1_000_000,
        Watches = 50_000,
        Page = 100,
        Times = 50;

    const string Turn = """
        t.wake_number,
        case when t.ended_at is not null then 'ended' when t.parked then 'parked'
             when t.lease_until > clock_timestamp() then 'running'
             when t.not_before = t.held_until and t.held_until > clock_timestamp()
                  or exists (select from terminals terminal
                             where terminal.session_id = t.session_id and terminal.attended_until > clock_timestamp())
             then 'waiting' else 'dispatched' end,
        t.outcome, t.note, t.attempt, t.runner, t.claude_session_id, t.dispatched_at, t.started_at,
        t.ended_at, t.cost_usd, t.duration_ms, t.input_tokens, t.output_tokens, t.cache_read_tokens, t.cache_creation_tokens,
        array(select e.reason from inbox i join events e on e.seq = i.event
              where i.session_id = t.session_id and i.wake_number = t.wake_number order by e.seq),
        (select array[before.claude_session_id::text, fresh.claude_session_id::text, fresh.reason]
         from session_ids fresh
         join session_ids before on before.session_id = fresh.session_id and before.position = fresh.position - 1
         where fresh.session_id = t.session_id and fresh.wake_number = t.wake_number)
        """;

    const string Session = $"""
        select s.id, s.key, s.workspace, s.profile, s.created_at, s.closed_at,
               array(select claude_session_id from session_ids c where c.session_id = s.id order by position),
               (select count(*) from inbox i where i.session_id = s.id and i.wake_number is null),
               cost.usd, cost.today,
               (select q.id from questions q where q.session_id = s.id and q.outcome is null order by q.asked_at limit 1),
               {Turn}
        from sessions s
        cross join lateral (
            select coalesce(sum(usd), 0) as usd,
                   coalesce(sum(usd) filter (where day = (clock_timestamp() at time zone 'utc')::date), 0) as today
            from spending
            where session_id = s.id) cost
        left join lateral (select * from turns t where t.session_id = s.id order by wake_number desc limit 1) t on true
        """;

    const string Event = """
        select e.seq, e.id, e.source, e.type, e.subject, e.reason, e.wakes, e.urgent, e.actor, e.happened_at, e.accepted_at,
               e.replay_of, (select count(*) from inbox i where i.event = e.seq)
        from events e
        """;

    public static async Task Run(BenchmarkResults figures, int repetitions)
    {
        const string name = "reading, ms each, in a store of 1,000,000 events and 20,000 sessions";
        var connection = await Servers.NewDatabase();
        await using var database = Postgres.CreateDataSource(connection);
        var sessions = new Store.Sessions(database);
        var (events, entries, questions) = (
            new EventList(database),
            new InboxEntries(database),
            new Questions(database)
        );

        // In an empty store, and this process has made no model yet.
        var clock = Stopwatch.StartNew();
        await sessions.Find("nobody", CancellationToken.None);
        figures.Add(name, "the first look-up of a process", clock.Elapsed.TotalMilliseconds);

        Progress($"{name}: filling the store");
        await new LargeStore(Sessions, Events, Watches).Fill(database, x => Progress($"{name}: {x}"));
        var ids = await Column<Guid>(
            database,
            "select id from sessions where closed_at is null order by key limit 1000"
        );
        var keys = await Column<string>(
            database,
            "select key from sessions where closed_at is null order by key limit 1000"
        );
        var numbers = await Column<long>(database, "select seq from events order by seq desc limit 1000");
        var subjects = await Column<string>(database, "select subject from events order by seq desc limit 1000");
        await Execute(
            database,
            """
            update turns set parked = true, ended_at = null, outcome = null
            where session_id in (select id from sessions where closed_at is null order by key limit 300)
            """
        );
        await Execute(database, "vacuum analyze turns");

        for (var round = 1; round <= repetitions; round++)
        {
            Progress($"{name}: {round} of {repetitions}");
            await Compare(
                "a session by its key",
                i => Rows($"{Session} where s.key = $1 order by s.closed_at desc nulls first limit 1", keys[i]),
                i => sessions.Find(keys[i], CancellationToken.None)
            );
            await Compare(
                "100 sessions by key",
                i => Rows($"{Session} where s.closed_at is null and s.key > $1 order by s.key limit $2", keys[i], Page),
                i => sessions.List(new() { AfterKey = keys[i] }, Page, null, CancellationToken.None)
            );
            await Compare(
                "100 parked sessions by their last turn",
                _ =>
                    Rows(
                        $"""
                        {Session}
                        where s.closed_at is null and t.ended_at is null and t.parked
                          and not exists (select from questions q where q.session_id = s.id and q.outcome is null)
                        order by coalesce(t.ended_at, t.started_at, t.dispatched_at) desc, s.id desc limit $1
                        """,
                        Page
                    ),
                _ =>
                    sessions.List(
                        new() { State = SessionState.Parked, Order = new(SessionSort.LastTurn, Descending: true) },
                        Page,
                        null,
                        CancellationToken.None
                    )
            );
            await Compare(
                "the turns of a session",
                i =>
                    Rows(
                        $"select {Turn} from turns t where t.session_id = $1 order by t.wake_number desc limit $2",
                        ids[i],
                        Page
                    ),
                i => sessions.ListTurns(ids[i], Page, CancellationToken.None)
            );
            await Compare(
                "where an event went",
                i =>
                    Rows(
                        $"""
                        select e.seq,
                               not i.wakes or s.closed_at is not null or coalesce(t.ended_at is not null or t.parked, e.expires_at <= now(), false),
                               s.key, i.watch_id, i.intent, i.routed_at, i.wake_number, r.name, {Turn}
                        from inbox i
                        left join routes r on r.id = i.route_id
                        join sessions s on s.id = i.session_id
                        left join turns t on t.session_id = i.session_id and t.wake_number = i.wake_number
                        join events e on e.seq = i.event
                        where e.seq = any ($1)
                        order by e.seq, s.key
                        limit 10000
                        """,
                        new[] { numbers[i] }
                    ),
                i => entries.FindByEvents([numbers[i]], CancellationToken.None)
            );
            await Compare(
                "open questions",
                _ =>
                    Rows(
                        """
                        select q.id, s.key, q.wake_number, q.tool, q.input::text, q.asked_at, q.deadline,
                               q.outcome, q.settled_at, q.answers::text, q.call_sha256, null
                        from questions q
                        join sessions s on s.id = q.session_id
                        where q.outcome is null and (q.asked_at, q.id) > ('epoch', '00000000-0000-0000-0000-000000000000')
                        order by q.asked_at, q.id limit $1
                        """,
                        Page
                    ),
                _ => questions.ListOpen(Page, CancellationToken.None)
            );
            await Compare(
                "the newest 100 events",
                _ => Rows($"{Event} order by e.seq desc limit $1", Page),
                _ => events.Read(new(), Page, null, CancellationToken.None)
            );
            await Compare(
                "events of a subject",
                i =>
                    Rows(
                        $"""
                        {Event}
                        where e.seq >> 15 = any (array(select generate_series((select min(seq) from events) >> 15, (select max(seq) from events) >> 15)))
                          and e.subject = $1
                        order by e.seq desc limit $2
                        """,
                        subjects[i],
                        Page
                    ),
                i => events.Read(new() { Subject = subjects[i] }, Page, null, CancellationToken.None)
            );
            await Compare(
                "a type that there is none of",
                _ => Rows($"{Event} where e.type = $1 order by e.seq desc limit $2", "nothing.like.it", Page),
                _ => events.Read(new() { Type = "nothing.like.it" }, Page, null, CancellationToken.None),
                times: 3
            );
            await Compare(
                "a text that there is none of",
                _ =>
                    Rows(
                        $"""
                        {Event} where e.reason ilike $1 or e.subject ilike $1 or e.id ilike $1
                        order by e.seq desc limit $2
                        """,
                        "%nothing like it%",
                        Page
                    ),
                _ => events.Read(new() { Text = "nothing like it" }, Page, null, CancellationToken.None),
                times: 3
            );
        }

        await Servers.DropDatabase(connection);

        async Task Compare(string what, Func<int, Task> byHand, Func<int, Task> composed, int times = Times)
        {
            List<double> old = [],
                now = [];
            for (var i = 0; i < times; i++)
            {
                // Another row each time, and turn about which is first: neither warms the other's pages.
                var row = (i * 7) % 1000;
                foreach (var first in i % 2 == 0 ? (bool[])[true, false] : [false, true])
                {
                    var begun = Stopwatch.GetTimestamp();
                    await (first ? byHand : composed)(row);
                    (first ? old : now).Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
                }
            }

            Line(
                new
                {
                    Kind = "reading",
                    What = what,
                    ByHandMs = Math.Round(Median(old), 3),
                    ComposedMs = Math.Round(Median(now), 3),
                }
            );
            figures.Add(name, $"{what}, by hand", Median(old));
            figures.Add(name, $"{what}", Median(now));
            figures.Add(name, $"{what}, composed ÷ by hand", Median(now) / Median(old));
        }

        async Task Rows(string sql, params object[] parameters)
        {
            await using var command = database.CreateCommand(sql);
            foreach (var parameter in parameters)
                command.Parameters.AddWithValue(parameter);
            await using var rows = await command.ExecuteReaderAsync();
            var values = new object[rows.FieldCount];
            while (await rows.ReadAsync())
                rows.GetValues(values);
        }
    }

    static async Task<List<T>> Column<T>(NpgsqlDataSource database, string sql)
    {
        await using var command = database.CreateCommand(sql);
        return await command.ReadAll(row => row.GetFieldValue<T>(0), CancellationToken.None);
    }

    static async Task Execute(NpgsqlDataSource database, string sql)
    {
        await using var command = database.CreateCommand(sql);
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync();
    }
}
