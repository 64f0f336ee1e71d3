using System.Net.Http.Json;
using Microsoft.Extensions.Hosting;
using Npgsql;
using Wake.Coordinator;
using Wake.ServiceDefaults;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>What runs by itself reads as much in a large store as in a small one.</summary>
[Trait("Starts", "processes")]
public sealed class StayingQuickInALargeStore
{
    // Large enough for PostgreSQL to prefer an index wherever there is one.
    const int Large = 10_000;

    static readonly CancellationToken None = CancellationToken.None;

    /// <summary>
    /// Everything that runs by itself. What runs within seconds is seen at work below, against the same store; what
    /// runs hourly, or asks GitHub, has what it asks of the store called there. Something new belongs to one of the
    /// two.
    /// </summary>
    static readonly string[] SeenAtWork =

        [
            "BacklogMetrics",
            "CronScheduler",
            "DeadLetterDesk",
            "DeliveryLog",
            "RunnerReport",
            "EventSocket",
            "WithheldTurns",
            "EventQueueConsumer",
            "RunnerName",
            "RunnerEndpoints",
            "PausedTurns",
            "FactRouter",
            "NotificationDelivery",
            "ChatListener",
            "SpoolReader",
            "SweepNotificationListener",
            "WakeSweeper",
            "WarmSessionEvictor",
            "WatchLookBack",
        ],
        Called =

        [
            "WebhookCheckAggregator",
            "WebhookMergeStates",
            "EventPruner",
            "FactChecker",
            "GitHubPoller",
            "GitHubReporter",
            "Housekeeping",
            "MissedDeliveryRecovery",
            "TerminalConnections",
        ];

    [Fact]
    public async Task No_large_table_is_read_from_end_to_end_by_anything_that_runs_by_itself()
    {
        await using var system = await WakeSystem.Create(
            Transport.RabbitMq,
            new Dictionary<string, string>
            {
                // Somebody watches the metrics, so they are measured.
                ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9",
                ["Cron__often__Expression"] = "* * * * * ?",
                ["Cron__often__Reason"] = "tick",
                ["Notifications__nowhere__Kind"] = "Command",
                ["Notifications__nowhere__Command__0"] = "/bin/true",
                ["Coordinator__SilenceGrace"] = "00:00:00",
                ["Notifications__silent__Kind"] = "Telegram",
                ["Notifications__silent__Token"] = "1:x",
                ["Notifications__silent__Chat"] = "1",
                ["Notifications__silent__BaseUrl"] = "http://127.0.0.1:9",
            }
        );
        // Rows that were made and not earned.
        system.SkipInvariantChecks = true;
        await new LargeStore(Sessions: 12_000, Events: 150_000, Watches: 30_000).Fill(system.Database);
        var before = await TableReads.Capture(system.Database, Large);
        Assert.Subset(
            before.Tables.ToHashSet(),
            new HashSet<string>
            {
                "events",
                "inbox",
                "watches",
                "sessions",
                "turns",
                "wake_timers",
                "transcripts",
                "decisions",
            }
        );

        await Task.WhenAll(
            system.StartProcess("Wake.Gateway"),
            system.StartProcess("Wake.Coordinator"),
            system.StartProcess("Wake.Runner"),
            system.StartProcess("Wake.Producers.Cron"),
            system.StartProcess("Wake.Notifier")
        );

        // An event that is watched, one that is older than its watch, and one that names its session.
        var watching = await system.WatchingSession("instant");
        await system.Publish(
            WakeSystem.Event(WakeSystem.Subject(watching), "watched"),
            WakeSystem.Event("before", "earlier") with
            {
                Related = ["related"],
            }
        );
        await system.WaitForTurnEnd(watching, 1);
        var late = await system.Session("instant");
        Assert.Equal(1, (await system.Watch(late, "before")).GetProperty("found").GetInt32());
        await system.WaitForTurnEnd(late, 1);
        await system.Watch(await system.Session("instant"), "relat*");
        var vain = await system.Session("instant");
        await system.Watch(vain, "in vain", expectWithin: TimeSpan.FromSeconds(1));
        await system.WaitForTurnEnd(vain, 1);
        await system.Wake(watching, "look");
        await system.WaitForTurnEnd(watching, 2);

        // One that a route has for the session which watches it, and one that begins a session.
        var route = await system.Http.PutAsJsonAsync(
            "/v1/routes/large",
            new
            {
                subject = "rout*",
                session = "tester@{subject}",
                workspace = Path.GetTempPath(),
                profile = "instant",
            }
        );
        Assert.True(route.IsSuccessStatusCode, await route.Content.ReadAsStringAsync());
        await system.Watch(await system.Session("instant", key: "tester@watching"), "routed");
        await system.Publish(WakeSystem.Event("routed", "watched"), WakeSystem.Event("route", "new"));
        await system.WaitForTurnEnd("tester@watching", 1);
        await system.WaitForTurnEnd("tester@route", 1);

        // What people and programs ask for, page by page.
        foreach (
            var path in (string[])
                [
                    "sessions?limit=100",
                    $"sessions?limit=100&after={LargeStore.Key(2)}",
                    "sessions?state=parked&sort=-lastTurn",
                    "events?limit=100",
                    "events?limit=100&type=github.*&since=2020-01-01T00:00:00Z",
                    "events?limit=100&subject=route",
                    $"events?limit=100&session={LargeStore.Key(2)}",
                    "watches?limit=100",
                    $"watches?session={LargeStore.Key(3)}",
                    "questions",
                    $"sessions/{LargeStore.Key(1)}/turns?before=2",
                    $"explain/sessions/{LargeStore.Key(1)}",
                    "explain/events/old-77",
                    "costs?limit=7",
                    "activity",
                    "runners",
                    "sources",
                    $"sessions/{LargeStore.Key(1)}/turns/1/transcript",
                    "routes",
                    "keys",
                ]
        )
        {
            Assert.Equal("OK", $"{(await system.Http.GetAsync($"/v1/{path}")).StatusCode}");
        }

        await Eventually.Holds(
            async () => await system.Scalar<long>("select count(*) from watches where look_again_at is not null") == 0,
            "the watches have looked again"
        );
        await system.WaitUntilIdle();
        foreach (var process in system.Processes)
            await process.Stop();

        await HourlyDuties(system.ConnectionString);

        var after = await TableReads.CaptureWhenIdle(system.ConnectionString, Large);
        Assert.Empty(after.ScannedSince(before));
        Assert.InRange(after.MostSince(before).Rows, 0, 60_000);
    }

    static async Task HourlyDuties(string connectionString)
    {
        await using var own = Postgres.CreateDataSource(connectionString);
        Assert.Equal(0, await new EventRetention(own).DeleteOlderThan(TimeSpan.FromDays(90), None));
        await new Transcripts(own).Prune(TimeSpan.FromDays(90), None);
        Assert.False(
            await new Store.Sessions(own).IsWorkspaceUnusedFor(
                Guid.NewGuid(),
                "/srv/wake/1",
                TimeSpan.FromDays(1),
                None
            )
        );
        await new Backlog(own).GetByState(None);
        await new WakeTimers(own).Recover("gone", None);
        var facts = new FactChecks(own);
        await facts.Register(Guid.NewGuid(), ["github:*"], ["github.*"], None);
        await facts.Take(Guid.NewGuid(), None);
        var reports = new Reports(own);
        Assert.False(await reports.AnyDue(None));
        await reports.Claim(["github:*"], ["octocat"], TimeSpan.FromMinutes(1), None);
        await reports.CountMissing(None);
        await new IdempotencyKeys(own).Claim([1], [1], TimeSpan.FromMinutes(1), None);
        await new Costs(own).ListDays(7, None);
        await new Costs(own).GetSpent(Guid.NewGuid(), "default", None);
        var watched = new WatchedSubjects(own) { PageSize = 1_000 };
        await watched.FindByPrefix("github", None);
        await watched.FindByPrefix("github", None);
    }

    [Fact]
    public void All_that_runs_by_itself_is_known_here()
    {
        var services = (Type[])
            [
                typeof(CoordinatorOptions),
                typeof(Gateway.GatewayOptions),
                typeof(Runner.RunnerOptions),
                typeof(Producers.Cron.CronOptions),
                typeof(Notifier.NotificationsOptions),
                typeof(Producers.GitHub.GitHubOptions),
                typeof(Producers.Webhooks.WebhooksOptions),
            ];

        var loops = services
            .SelectMany(x => x.Assembly.GetTypes())
            .Where(x => x.IsSubclassOf(typeof(BackgroundService)))
            .Select(x => x.Name);

        Assert.Equal([.. SeenAtWork.Concat(Called).Order()], loops.Order());
    }

    [Fact]
    public async Task A_turn_begins_while_another_sessions_look_back_has_to_wait()
    {
        await using var system = await WakeSystem.Start(Transport.InMemory);
        var (held, other) = (await system.Session("instant"), await system.WatchingSession("instant"));
        await system.Post(WakeSystem.Event("earlier", "x"));

        // Whoever looks back for this session waits for the lock.
        await using var connection = await system.Database.OpenConnectionAsync();
        await using var locking = await connection.BeginTransactionAsync();
        await Execute(
            connection,
            "select 1 from wake_timers where session_id = (select id from sessions where key = $1) for update",
            held
        );
        await using (
            var watch = system.Database.CreateCommand(
                "insert into watches (id, session_id, subject, look_again_at) select gen_random_uuid(), id, "
                    + "'earlier', now() from sessions where key = $1"
            )
        )
        {
            watch.Parameters.AddWithValue(held);
            await watch.ExecuteNonQueryAsync();
        }

        await Eventually.Holds(LookBackWaits, "the look-back waits");
        await system.Post(WakeSystem.Event(WakeSystem.Subject(other), "now"));
        await system.WaitForTurnEnd(other, 1);

        await Eventually.Holds(LookBackWaits, "the look-back still waits");
        await locking.RollbackAsync();
        await system.WaitForTurnEnd(held, 1);

        Task<bool> LookBackWaits() =>
            system.Scalar<bool>(
                "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type "
                    + "= 'Lock' and query like '%Routes to watches%')"
            );
    }

    [Theory]
    [InlineData("select 1", false)] // a dump: it has a snapshot and writes nothing
    [InlineData("select pg_current_xact_id()", true)] // it has written something: an event may be among it
    public async Task A_transaction_that_stays_open_elsewhere_does_not_have_a_watch_look_back_for_ever(
        string statement,
        bool waitsForIt
    )
    {
        await using var store = new TestStore();
        await store.InitializeAsync();
        await store.Session("session");
        await using var connection = await store.Database.OpenConnectionAsync();
        await using var open = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead);
        await Execute(connection, statement);

        var (watch, _, _) = (await store.Watches.Create("session", new("subject"), None))!.Value;
        Assert.Equal(waitsForIt, await LooksAgain(store.Watches));
        Assert.False(await LooksAgain(new(store.Database) { RepeatLookBackFor = TimeSpan.Zero }));

        async Task<bool> LooksAgain(Watches watches)
        {
            await store.Scalar<long>(
                "with due as (update watches set look_again_at = now() where id = $1 returning 1) select count(*) "
                    + "from due",
                watch.Id
            );
            await watches.RepeatLookBack(None);
            return await store.Scalar<bool>("select look_again_at is not null from watches where id = $1", watch.Id);
        }
    }

    [Fact]
    public async Task A_sweep_does_not_pass_again_what_was_due_before_it_however_long_a_snapshot_is_held()
    {
        await using var store = new TestStore();
        await store.InitializeAsync();
        var session = await store.Session("session");
        await using var one = NpgsqlDataSource.Create(
            new NpgsqlConnectionStringBuilder(store.ConnectionString) { MaxPoolSize = 1 }
        );
        var timers = new WakeTimers(one);

        await using var dump = await store.Database.OpenConnectionAsync();
        await using var snapshot = await dump.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead);
        await Execute(dump, "select 1");
        await using (
            var churn = store.Database.CreateCommand(
                """
                insert into sessions (id, key, workspace, profile) select gen_random_uuid(), 'churned' || n, '/', 'default' from generate_series(1, 2000) n;
                insert into wake_timers (session_id) select id from sessions where key like 'churned%';
                do $$ begin
                    for i in 1..10 loop update wake_timers set owed_at = now() - interval '1 hour' + i * interval '1 s'; end loop;
                end $$;
                update wake_timers set owed_at = null where session_id in (select id from sessions where key like 'churned%')
                """
            )
        )
        {
            await churn.ExecuteNonQueryAsync();
        }

        // All but one have been seen to.
        var (first, _, looked) = await timers.ClaimDue(100, TimeSpan.FromMinutes(1), None);
        Assert.Equal([session], first);
        var all = await Read(() => timers.ClaimDue(100, TimeSpan.FromMinutes(1), None));
        var since = await Read(() => timers.ClaimDue(100, TimeSpan.FromMinutes(1), None, looked));

        Assert.True(all >= 20_000, $"{all} entries are there to be passed");
        Assert.InRange(since, 0, 100);

        async Task<long> Read(Func<Task> look)
        {
            var before = await Entries();
            await look();
            return await Entries() - before;
        }

        async Task<long> Entries()
        {
            // What this connection has read is counted at the end of a transaction, when asked for.
            await using (var flush = one.CreateCommand("select pg_stat_force_next_flush()"))
                await flush.ExecuteNonQueryAsync();
            await using var command = one.CreateCommand(
                "select idx_tup_read from pg_stat_user_indexes where indexrelname = 'wake_timers_due'"
            );
            return (long)(await command.ExecuteScalarAsync())!;
        }
    }

    [Fact]
    public async Task What_is_watched_is_known_although_it_is_read_in_pages()
    {
        await using var store = new TestStore();
        await store.InitializeAsync();
        await store.Sessions.Create("session", "/", "default", null, None);
        var watches = new List<Guid>();
        for (var i = 0; i < 10; i++)
            watches.Add((await store.Watches.Create("session", new($"github:o/r#{i}"), None))!.Value.Watch.Id);
        await store.Watches.Create("session", new("other:thing"), None);
        var subjects = new WatchedSubjects(store.Database) { PageSize = 4 };

        var first = await subjects.FindByPrefix("github", None);
        Assert.Equal(10, first.Count);
        Assert.Same(first, await subjects.FindByPrefix("github", None));

        // What is new is known at the next look, what has gone after a round.
        await store.Watches.Create("session", new("github:o/r#new"), None);
        await store.Watches.Delete(watches[3], None);
        Assert.Contains("github:o/r#new", (await subjects.FindByPrefix("github", None)).Select(x => x.Subject));
        for (var i = 0; i < 4; i++)
            await subjects.FindByPrefix("github", None);

        var last = await subjects.FindByPrefix("github", None);
        Assert.Equal(
            [.. Enumerable.Range(0, 10).Where(x => x != 3).Select(x => $"github:o/r#{x}"), "github:o/r#new"],
            last.Select(x => x.Subject).Order(StringComparer.Ordinal)
        );
    }

    [Fact]
    public async Task Lists_go_on_where_a_page_has_ended()
    {
        await using var system = await WakeSystem.Start(Transport.InMemory);
        var key = await system.Session();
        foreach (var subject in (string[])["a", "b", "c"])
            await system.Watch(key, subject);
        await using (
            var turns = system.Database.CreateCommand(
                """
                insert into turns (session_id, wake_number, ended_at, outcome) select id, n, now(), 'completed' from sessions, generate_series(1, 3) n;
                insert into decisions (kind, session_id, wake_number) select kind, id, n from sessions, generate_series(1, 3) n, unnest(array['dispatched', 'ended']) kind
                """
            )
        )
        {
            await turns.ExecuteNonQueryAsync();
        }

        Assert.Equal(["a", "b", "c"], await Pages("watches?limit=1", "after", "id", "subject"));
        Assert.Equal(
            ["a", "b", "c"],
            await Pages($"watches?limit=2&session={Uri.EscapeDataString(key)}", "after", "id", "subject")
        );
        Assert.Equal(
            ["3", "2", "1"],
            await Pages($"sessions/{Uri.EscapeDataString(key)}/turns?limit=2", "before", "number", "number")
        );
        Assert.Equal(400, (int)(await system.Http.GetAsync($"/v1/watches?after={Guid.NewGuid()}")).StatusCode);

        async Task<List<string>> Pages(string path, string cursor, string by, string wanted)
        {
            List<string> all = [];
            for (var from = ""; ; )
            {
                var page = System.Text.Json.JsonElement.Parse(await system.Http.GetStringAsync($"/v1/{path}{from}"));
                if (page.GetArrayLength() == 0)
                    return all;
                all.AddRange(page.EnumerateArray().Select(x => $"{x.GetProperty(wanted)}"));
                from = $"&{cursor}={page[page.GetArrayLength() - 1].GetProperty(by)}";
            }
        }
    }

    static async Task Execute(NpgsqlConnection connection, string sql, params object[] parameters)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var parameter in parameters)
            command.Parameters.AddWithValue(parameter);
        await command.ExecuteNonQueryAsync();
    }
}
