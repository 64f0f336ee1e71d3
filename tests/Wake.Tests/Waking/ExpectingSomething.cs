using Wake.Contracts;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>What a watch expected and what did not come is told, once, whoever dies over it.</summary>
public sealed class ExpectingSomething(TestStore store) : IClassFixture<TestStore>
{
    static readonly CancellationToken None = CancellationToken.None;

    readonly WatchDeadlines deadlines = new(store.Database, store.Intake);

    [Fact]
    public async Task A_deadline_without_an_event_is_told_once_with_what_was_expected_and_what_came()
    {
        var (key, watch) = await Expecting(["build.*"], intent: "ask the owner");
        await store.Accept(Event(key, "x") with { Type = "push" }, Event(key, "y") with { Type = "push" });
        await Pass(watch);

        await deadlines.ReportSilent(TimeSpan.Zero, None);
        await deadlines.ReportSilent(TimeSpan.Zero, None);

        var reason = Assert.Single(await Told(key));
        Assert.StartsWith($"Nothing came of {key} by ", reason);
        Assert.Contains("waits for (build.*). What did come: 2 × push.", reason);
        Assert.EndsWith("The note of the watch: ask the owner", reason);
        Assert.Equal(WatchExpectation.Silent, (await store.Watches.Find(watch, None))!.Expectation);
        Assert.Single((await store.Explain.ExplainSession(key, None))!.Ledger, x => x.What == "silent");
        var explained = await store.Explain.ExplainEvent($"{watch}", "wake:watch", None);
        Assert.Equal(WatchDeadlines.SilentType, explained!.Event.Type);
        Assert.Equal("due", await Timer(key));
    }

    [Theory]
    [InlineData("test.happened", null, false, true)]
    [InlineData("test.happened", "test.*", false, true)]
    [InlineData("test.happened", "other.*", false, false)]
    [InlineData("test.happened", "test.*", true, false)]
    public async Task What_wakes_by_the_watch_is_what_was_expected(string type, string? types, bool ambient, bool came)
    {
        var (key, watch) = await Expecting(types is null ? null : [types]);
        await store.Accept(
            Event(key, "x", ambient ? Delivery.Ambient : Delivery.Wake) with
            {
                Type = type,
                // Whatever the session is told besides is no answer to the watch.
                Sessions = came ? null : [key],
            }
        );
        await Pass(watch);

        await deadlines.ReportSilent(TimeSpan.Zero, None);

        Assert.Equal(came ? 0 : 1, (await Told(key)).Length);
        Assert.Equal(
            came ? WatchExpectation.Came : WatchExpectation.Silent,
            (await store.Watches.Find(watch, None))!.Expectation
        );
    }

    [Theory]
    [InlineData("related")]
    [InlineData("pattern")]
    [InlineData("looked back")]
    [InlineData("two watches")]
    public async Task An_event_counts_however_it_came_to_the_watch(string how)
    {
        var key = await Session();
        var seen = Event(how is "related" ? $"other of {key}" : key, "x") with
        {
            Related = how is "related" ? [key] : null,
        };
        if (how is "looked back")
            await store.Accept(seen);
        if (how is "two watches")
            await store.Watches.Create(key, new(key), None);
        var watch = await Watch(key, new(how is "pattern" ? $"{key[..8]}*" : key));
        if (how is not "looked back")
            await store.Accept(seen);
        await Pass(watch);

        await deadlines.ReportSilent(TimeSpan.Zero, None);

        Assert.Empty(await Told(key));
    }

    [Fact]
    public async Task What_a_pause_holds_has_come()
    {
        var (key, watch) = await Expecting(null);
        var pauses = new Pauses(store.Database);
        var pause = (await pauses.Add(new(PauseScope.Subject, key, null, null, false, null), None))!;
        await store.Accept(Event(key, "x"));
        await Pass(watch);

        await deadlines.ReportSilent(TimeSpan.Zero, None);
        await pauses.End(pause.Id, None);

        Assert.Empty(await Told(key));
        Assert.Equal(WatchExpectation.Came, (await store.Watches.Find(watch, None))!.Expectation);
    }

    [Fact]
    public async Task What_came_of_a_pattern_is_not_said_to_be_nothing()
    {
        var key = await Session();
        var watch = await Watch(key, new($"{key[..8]}*") { Types = ["build.*"] });
        await store.Accept(Event(key, "x"));
        await Pass(watch);

        await deadlines.ReportSilent(TimeSpan.Zero, None);

        Assert.EndsWith("waits for (build.*).", Assert.Single(await Told(key)));
    }

    [Fact]
    public async Task What_came_before_the_watch_and_was_told_is_not_what_it_expects()
    {
        var key = await Session();
        await store.Watches.Create(key, new(key), None);
        await store.Accept(Event(key, "before"));
        var watch = await Watch(key, new(key));
        await Pass(watch);

        await deadlines.ReportSilent(TimeSpan.Zero, None);

        Assert.Single(await Told(key));
    }

    [Fact]
    public async Task Nothing_is_told_before_the_deadline_and_its_grace()
    {
        var (key, watch) = await Expecting(null);
        await deadlines.ReportSilent(TimeSpan.Zero, None);
        Assert.Empty(await Told(key));

        await Pass(watch);
        await deadlines.ReportSilent(TimeSpan.FromMinutes(2), None);
        Assert.Equal(WatchExpectation.Waiting, (await store.Watches.Find(watch, None))!.Expectation);

        await store.Accept(Event(key, "told late"));
        await deadlines.ReportSilent(TimeSpan.Zero, None);
        Assert.Empty(await Told(key));
    }

    [Fact]
    public async Task One_that_expired_while_nobody_looked_is_told_before_it_is_deleted()
    {
        var (key, watch) = await Expecting(null);
        await Pass(watch);
        await store.Execute("update watches set expires_at = now() - interval '1 second' where id = $1", watch);

        await store.Watches.DeleteExpired(None);
        await deadlines.ReportSilent(TimeSpan.Zero, None);
        await store.Watches.DeleteExpired(None);

        Assert.Single(await Told(key));
        Assert.Equal(0, await store.Scalar<long>("select count(*) from watches where id = $1", watch));
    }

    [Fact]
    public async Task A_watch_that_has_ended_expects_nothing_more()
    {
        var key = await Session();
        var watch = await Watch(key, new(key) { Once = true });
        await store.Accept(Event(key, "x"));
        await Pass(watch);

        await deadlines.ReportSilent(TimeSpan.Zero, None);

        Assert.Empty(await Told(key));
    }

    [Fact]
    public async Task Another_watch_that_hears_of_it_is_not_answered_by_it()
    {
        var key = await Session();
        var (all, other) = (await Watch(key, new("watch:*")), await Watch(key, new($"of {key}")));
        await Pass(other);
        await deadlines.ReportSilent(TimeSpan.Zero, None);
        await Pass(all);

        await deadlines.ReportSilent(TimeSpan.Zero, None);

        Assert.Equal(WatchExpectation.Silent, (await store.Watches.Find(all, None))!.Expectation);
    }

    [Fact]
    public async Task Many_at_once_are_told_once_by_several_coordinators()
    {
        List<(string Key, Guid Watch)> all = [];
        for (var i = 0; i < 250; i++)
        {
            var one = await Expecting(null);
            if (i % 2 == 0)
                await store.Accept(Event(one.Key, $"of {one.Key}"));
            all.Add(one);
        }

        await store.Execute(
            "update watches set expect_due_at = now() - interval '1 second' where id = any ($1)",
            all.Select(x => x.Watch).ToArray()
        );
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(ReportAll)));

        for (var i = 0; i < all.Count; i++)
            Assert.Equal(i % 2, (await Told(all[i].Key)).Length);
        Assert.Equal(
            125L,
            await store.Scalar<long>(
                """
                select count(*) from decisions d join watches w using (session_id)
                where d.kind = 'silent' and w.id = any ($1)
                """,
                all.Select(x => x.Watch).ToArray()
            )
        );

        async Task ReportAll()
        {
            while ((await deadlines.ReportSilent(TimeSpan.Zero, None)).More) { }
        }
    }

    [Fact]
    public async Task A_coordinator_that_dies_once_it_has_decided_leaves_it_to_another()
    {
        var (key, watch) = await Expecting(null);
        await Pass(watch);
        using var dies = new CancellationTokenSource();
        await using var holds = await store.Database.OpenConnectionAsync();
        await using var transaction = await holds.BeginTransactionAsync();
        await using (var stop = new Npgsql.NpgsqlCommand("lock table events in exclusive mode", holds, transaction))
            await stop.ExecuteNonQueryAsync();
        var dying = deadlines.ReportSilent(TimeSpan.Zero, dies.Token);
        await Eventually.Holds(async () =>
            (await store.Watches.Find(watch, None))!.Expectation is WatchExpectation.Silent
        );
        await dies.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => dying);
        await transaction.RollbackAsync();
        Assert.Empty(await Told(key));

        // What comes now is too late: people may have been told already.
        await store.Accept(Event(key, "late"));
        await deadlines.ReportSilent(TimeSpan.Zero, None);

        Assert.Single(await Told(key));
    }

    [Fact]
    public async Task A_coordinator_that_dies_once_it_has_told_has_it_not_told_again()
    {
        var (key, watch) = await Expecting(null);
        await Pass(watch);
        await deadlines.ReportSilent(TimeSpan.Zero, None);
        await store.Execute("update watches set expect_due_at = expect_by where id = $1", watch);

        Assert.Equal(1, (await deadlines.ReportSilent(TimeSpan.Zero, None)).Told);

        Assert.Single(await Told(key));
        Assert.Equal(0, (await deadlines.ReportSilent(TimeSpan.Zero, None)).Told);
    }

    [Fact]
    public async Task The_audit_finds_a_deadline_that_nobody_looked_at_and_one_that_was_not_told()
    {
        var audit = new ConsistencyAudit(store.Database);
        var (_, late) = await Expecting(null);
        var (_, untold) = await Expecting(null);
        await store.Execute(
            """
            update watches set expect_by = now() - interval '2 hours', expect_due_at = case when id = $1 then now() - interval '2 hours' end,
                               expect_outcome = case when id = $2 then 'silent' end
            where id in ($1, $2)
            """,
            late,
            untold
        );

        var found = (await audit.CheckRules(None)).SelectMany(x => x.Examples).ToList();
        await store.Execute("delete from watches where id in ($1, $2)", late, untold);

        Assert.Contains(found, x => x.StartsWith($"watch {late} of ", StringComparison.Ordinal));
        Assert.Contains(found, x => x.StartsWith($"watch {untold} of ", StringComparison.Ordinal));
        Assert.DoesNotContain(
            (await audit.CheckRules(None)).SelectMany(x => x.Examples),
            x => x.Contains($"{late}", StringComparison.Ordinal) || x.Contains($"{untold}", StringComparison.Ordinal)
        );
    }

    async Task<(string Key, Guid Watch)> Expecting(IReadOnlyList<string>? types, string? intent = null)
    {
        var key = await Session();
        return (key, await Watch(key, new(key) { Types = types, Intent = intent }));
    }

    async Task<Guid> Watch(string key, WatchDefinition wanted) =>
        (await store.Watches.Create(key, wanted with { ExpectBy = DateTimeOffset.UtcNow.AddHours(1) }, None))!
            .Value
            .Watch
            .Id;

    Task Pass(Guid watch) =>
        store.Execute(
            "update watches set expect_by = now(), expect_due_at = now() - interval '1 ms' where id = $1",
            watch
        );

    async Task<string> Session()
    {
        var key = Guid.NewGuid().ToString();
        await store.Sessions.Create(key, "/", "default", null, None);
        return key;
    }

    async Task<string> Timer(string key) =>
        await store.Timer(await store.Scalar<Guid>("select id from sessions where key = $1", key));

    Task<string[]> Told(string key) =>
        store.Scalar<string[]>(
            """
            select coalesce(array_agg(e.reason), '{}') from inbox i join events e on e.seq = i.event join sessions s on s.id = i.session_id
            where s.key = $1 and e.type = 'wake.watch.silent'
            """,
            key
        );

    static ExternalEventObserved Event(string subject, string fact, Delivery delivery = Delivery.Wake) =>
        WakeSystem.Event(subject, fact, delivery);
}
