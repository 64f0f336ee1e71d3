using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>Sessions are found by what they do and have, in the order asked for, page by page.</summary>
public sealed class ListingSessions(TestStore store) : IClassFixture<TestStore>
{
    static readonly CancellationToken None = CancellationToken.None;

    // Sessions of one test.
    readonly string profile = $"{Guid.NewGuid()}";

    int made;

    [Fact]
    public async Task Each_state_is_that_of_the_sessions_which_are_shown_in_it()
    {
        await Session("idle");
        await Session(
            "ended",
            "insert into turns (session_id, wake_number, ended_at, outcome) values ($1, 1, now(), 'completed')"
        );
        await Session("dispatched", "insert into turns (session_id, wake_number) values ($1, 1)");
        await Session(
            "running",
            "insert into turns (session_id, wake_number, lease_until) values ($1, 1, now() + interval '1 hour')"
        );
        await Session(
            "lease over",
            "insert into turns (session_id, wake_number, lease_until) values ($1, 1, now() - interval '1 hour')"
        );
        await Session(
            "held",
            "insert into turns (session_id, wake_number, not_before, held_until) "
                + "select $1, 1, until, until from (select now() + interval '1 hour' as until) held"
        );
        await Session(
            "attended",
            "with t as (insert into turns (session_id, wake_number) values ($1, 1)) "
                + "insert into terminals (session_id, claude_session_id, terminal, place, attended_until) "
                + "values ($1, $1, 't', 'p', now() + interval '1 hour')"
        );
        await Session("parked", "insert into turns (session_id, wake_number, parked) values ($1, 1, true)");
        await Session(
            "asking",
            "with t as (insert into turns (session_id, wake_number, parked) values ($1, 1, true)) "
                + "insert into questions (id, session_id, wake_number, tool_use_id, tool, input) "
                + "values ($1, $1, 1, 'toolu', 'AskUserQuestion', '{}')"
        );
        await Session("closed", "update sessions set closed_at = now() where id = $1");

        var found = new Dictionary<Store.SessionState, string[]>();
        foreach (var state in Enum.GetValues<Store.SessionState>())
        {
            var page = await List(new() { State = state });
            Assert.All(page.Rows, x => Assert.Equal(state, x.State));
            found[state] = [.. page.Rows.Select(x => x.Key)];
        }

        Assert.Equal(Keys("ended", "idle"), found[Store.SessionState.Idle]);
        Assert.Equal(Keys("dispatched", "lease over"), found[Store.SessionState.Dispatched]);
        Assert.Equal(Keys("running"), found[Store.SessionState.Running]);
        Assert.Equal(Keys("attended", "held"), found[Store.SessionState.Waiting]);
        Assert.Equal(Keys("parked"), found[Store.SessionState.Parked]);
        Assert.Equal(Keys("asking"), found[Store.SessionState.WaitingForAnswer]);
        Assert.Equal(Keys("closed"), found[Store.SessionState.Closed]);
        Assert.Equal(9, (await List(new())).Rows.Count);
        Assert.Equal(Keys("closed"), (await List(new() { Closed = true })).Rows.Select(x => x.Key));
    }

    [Fact]
    public async Task A_turn_is_shown_with_what_it_was_for_and_what_it_left()
    {
        var key = await Session("fresh");
        var id = (await store.Sessions.Find(key, None))!.Id;
        await store.Accept(
            WakeSystem.Event(key, "first", reason: "one"),
            WakeSystem.Event(key, "second", reason: "two")
        );
        var (left, begun) = (Guid.NewGuid(), Guid.NewGuid());
        await store.Execute("update inbox set wake_number = 1 where session_id = $1", id);
        await store.Execute(
            """
            insert into turns (session_id, wake_number, ended_at, outcome, cost_usd) values ($1, 1, now(), 'limitReached', 0.25);
            """,
            id
        );
        await store.Execute(
            """
            insert into session_ids (session_id, position, claude_session_id, reason, wake_number, opened)
            values ($1, 1, $2, 'first', null, true), ($1, 2, $3, 'its transcript was lost', 1, true)
            """,
            id,
            left,
            begun
        );
        await store.Execute("insert into spending select $1, current_date - 9, 1, 1, 1, 1, 1", id);
        await store.Execute($"insert into spending select $1, (now() at time zone 'utc')::date, 0.25, 1, 1, 1, 1", id);

        var listed = Assert.Single((await List(new())).Rows);
        var found = (await store.Sessions.Find(key, None))!;
        var turn = Assert.Single(await store.Sessions.ListTurns(id, 10, None));

        Assert.Equivalent(found, listed, strict: true);
        Assert.Equivalent(turn, found.LastTurn, strict: true);
        Assert.Equal([left, begun], found.ClaudeSessionIds);
        Assert.Equal(begun, found.ClaudeSessionId);
        Assert.Equal((1.25m, 0.25m), (found.CostUsd, found.CostTodayUsd));
        Assert.Equal(["one", "two"], turn.Reasons);
        Assert.Equal(new FreshSession(left, begun, "its transcript was lost"), turn.Fresh);
        Assert.Equal(Contracts.TurnOutcome.LimitReached, turn.Outcome);
        Assert.Empty(await store.Sessions.ListTurns(id, 10, None, before: 1));
    }

    [Fact]
    public async Task Filters_find_what_they_name()
    {
        await Session("one", workspace: "/srv/hello");
        await Session("two", workspace: "/srv/hello/sub");
        await Session("three", workspace: "/srv/hello-else");
        await store.Watches.Create(Key("two"), new("github:octo-org/*") { Intent = "then deploy IT" }, None);
        await store.Watches.Create(Key("three"), new("github:octo-org/hello#1"), None);
        await store.Watches.Create(
            Key("one"),
            new("github:octo-org/hello#1") { Expires = DateTimeOffset.UtcNow.AddDays(-1) },
            None
        );

        Assert.Equal(Keys("one", "two"), await Found(new() { Workspace = "/srv/hello/" }));
        Assert.Equal(Keys("one", "three", "two"), await Found(new() { Workspace = "/" }));
        Assert.Equal(Keys("three", "two"), await Found(new() { Subject = "github:octo-org/hello#1" }));
        Assert.Equal(Keys("two"), await Found(new() { Subject = "github:octo-org/other" }));
        Assert.Equal(Keys("two"), await Found(new() { Text = "Deploy it" }));
        Assert.Equal(Keys("three"), await Found(new() { Text = "HELLO-else" }));
        Assert.Empty(await Found(new() { Text = "%" }));
        Assert.Equal(Keys("three", "two"), await Found(new() { AfterKey = Key("one") }));
    }

    [Theory]
    [InlineData("key", "a b c d e")]
    [InlineData("-key", "e d c b a")]
    [InlineData("created", "e d c b a")]
    [InlineData("-created", "a b c d e")]
    [InlineData("lastTurn", "e c a b d")]
    [InlineData("-lastTurn", "d b a c e")]
    [InlineData("cost", "c d e b a")]
    [InlineData("-cost", "a b e d c")]
    [InlineData("inbox", "a b d e c")]
    [InlineData("-inbox", "c e d b a")]
    public async Task Every_order_goes_on_where_a_page_has_ended_whatever_comes_meanwhile(string order, string expected)
    {
        string[] names = ["a", "b", "c", "d", "e"];
        foreach (var (i, name) in names.Index())
        {
            await Session(name);
            await store.Execute(
                "update sessions set created_at = now() - $2 * interval '1 day' where key = $1",
                Key(name),
                i
            );
        }

        await Turn("a", "3 hours");
        await Turn("b", "2 hours");
        await Turn("c", "4 hours");
        await Turn("d", "1 hour");
        foreach (var (name, usd) in new Dictionary<string, decimal> { ["a"] = 2, ["b"] = 1.5m })
            await store.Execute(
                "insert into spending select id, current_date, $2, 1, 1, 1, 1 from sessions where key = $1",
                Key(name),
                usd
            );
        await store.Accept(WakeSystem.Event(Key("c"), "waits"));

        Assert.True(SessionOrder.TryParse(order, out var parsed));
        List<string> seen = [];
        string? cursor = null;
        do
        {
            var page = await store.Sessions.List(new() { Profile = profile, Order = parsed }, 2, cursor, None);
            seen.AddRange(page.Rows.Select(x => x.Key));
            cursor = page.Next;
            await Session($"later {seen.Count}");
        } while (cursor is not null);

        Assert.Equal(expected.Split(' ').Select(Key), seen.Where(x => !x.Contains("later", StringComparison.Ordinal)));
        Assert.Equal(seen.Distinct(), seen);

        Task Turn(string name, string ago) =>
            store.Execute(
                "insert into turns (session_id, wake_number, dispatched_at, ended_at, outcome) "
                    + $"select id, 1, now() - interval '5 days', now() - interval '{ago}', 'completed' "
                    + "from sessions where key = $1",
                Key(name)
            );
    }

    [Fact]
    public async Task A_cursor_of_another_order_is_refused()
    {
        await Session("a");
        await Session("b");
        var order = new SessionOrder(SessionSort.LastTurn, Descending: true);
        var page = await store.Sessions.List(new() { Profile = profile, Order = order }, 1, null, None);

        Assert.NotNull(page.Next);
        foreach (var cursor in (string[])[page.Next, "nonsense", "bnVsbA", ""])
            await Assert.ThrowsAsync<PageCursorException>(() => store.Sessions.List(new(), 1, cursor, None));
    }

    string Key(string name) => $"{profile} {name}";

    string[] Keys(params string[] names) => [.. names.Select(Key)];

    async Task<string> Session(string name, string? sql = null, string workspace = "/")
    {
        var created = Assert.IsType<SessionCreation.Created>(
            await store.Sessions.Create(Key(name), workspace, profile, null, None, NextId())
        );
        await store.Watches.Create(Key(name), new(Key(name)), None);
        if (sql is not null)
            await store.Execute(sql, created.Session.Id);
        return Key(name);
    }

    // Equals are in the order of their ids.
    Guid NextId() => Guid.Parse($"{++made:x8}{profile[8..]}");

    Task<Page<Store.Session>> List(SessionQuery query) =>
        store.Sessions.List(query with { Profile = profile }, 100, null, None);

    async Task<IEnumerable<string>> Found(SessionQuery query) => (await List(query)).Rows.Select(x => x.Key);
}
