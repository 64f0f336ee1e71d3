using System.Text.Json;
using Wake.Contracts;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>What a watch tells of, and when it ends.</summary>
public sealed class WatchingForSomething(TestStore store) : IClassFixture<TestStore>
{
    static readonly CancellationToken None = CancellationToken.None;

    [Theory]
    [InlineData("data.conclusion = failure", """{"conclusion":"failure"}""", true)]
    [InlineData("data.conclusion = failure", """{"conclusion":"success"}""", false)]
    [InlineData("data.conclusion = failure", "{}", false)]
    [InlineData("data.conclusion = failure", "[]", false)]
    [InlineData("data.conclusion = failure", null, false)]
    [InlineData("data.conclusion != failure", null, true)]
    [InlineData("data.conclusion != 'failure'", """{"conclusion":"failure"}""", false)]
    [InlineData("data.run.attempt = 2", """{"run":{"attempt":2}}""", true)]
    [InlineData("data.run.attempt.more = 2", """{"run":{"attempt":2}}""", false)]
    [InlineData("data.draft = true", """{"draft":true}""", true)]
    [InlineData("data.title = \"fix *\"", """{"title":"fix the \"build\""}""", true)]
    [InlineData("data.title = 100%", """{"title":"100 of them"}""", false)]
    [InlineData("data.labels = bug", """{"labels":["urgent","bug"]}""", true)]
    [InlineData("data.labels != bug", """{"labels":["urgent","bug"]}""", false)]
    [InlineData("data.label = 🐛 *", """{"label":"\ud83d\udc1b bug \ud83d"}""", true)]
    [InlineData("data.label = 🐛 *", """{"label":"\udc1b\ud83d\udc1b bug"}""", false)]
    [InlineData("data.none = *", """{"none":null}""", false)]
    [InlineData("actor != octocat", """{}""", false)]
    [InlineData("actor = octo*", """{}""", true)]
    [InlineData("type != test.happened", """{}""", false)]
    [InlineData("source = test:*", """{}""", true)]
    public async Task A_condition_lets_through_what_it_says(string condition, string? data, bool told)
    {
        var key = await Session();
        await store.Watches.Create(key, new(key) { Where = [condition] }, None);

        var decision = Assert.Single(
            await store.Accept(
                Event(key, "x") with
                {
                    Actor = "octocat",
                    Data = data is null ? null : JsonElement.Parse(data),
                }
            )
        );

        Assert.Equal(told, decision.Sessions.Contains(key));
    }

    [Fact]
    public async Task All_conditions_must_hold()
    {
        var key = await Session();
        await store.Watches.Create(key, new(key) { Where = ["data.conclusion = failure", "actor != octocat"] }, None);
        var failure = Event(key, "x") with { Data = JsonElement.Parse("""{"conclusion":"failure"}""") };

        Assert.Empty((await store.Accept(failure with { Actor = "octocat", DedupKey = $"{key}1" }))[0].Sessions);
        Assert.Equal([key], (await store.Accept(failure with { Actor = "hubot", DedupKey = $"{key}2" }))[0].Sessions);
        Assert.Equal([key], (await store.Accept(failure with { Actor = null, DedupKey = $"{key}3" }))[0].Sessions);
    }

    [Theory]
    [InlineData("""{"title":"\u0000","conclusion":"failure"}""")]
    [InlineData("""{"title":"\ud83d","conclusion":"failure"}""")]
    [InlineData("""{"title":"\\\\u0000 \\\\ud83d \\u0000","conclusion":"failure"}""")]
    [InlineData("""{"conclusion":"failure","size":1e400000}""")]
    [InlineData("""{"\u0000":{"\udead":[]},"conclusion":"failure"}""")]
    public async Task Hostile_data_hides_nothing_from_a_condition_and_fails_no_batch(string data)
    {
        var key = await Session();
        await store.Watches.Create(
            key,
            new(key) { Where = ["data.conclusion = failure", "data.title != secret"] },
            None
        );

        var decisions = await store.Accept(
            Event(key, "hostile") with
            {
                Data = JsonElement.Parse(data),
            },
            Event(key, "other") with
            {
                Data = JsonElement.Parse("""{"conclusion":"failure"}"""),
            }
        );

        Assert.All(decisions, x => Assert.Equal([key], x.Sessions));
    }

    [Theory]
    [InlineData("conclusion")]
    [InlineData("= failure")]
    [InlineData("data = failure")]
    [InlineData("reason = failure")]
    [InlineData("data.a b = failure")]
    [InlineData("data.x > 3")]
    public void What_is_no_condition_is_refused(string text) => Assert.NotNull(EventCondition.Problem(text));

    [Fact]
    public async Task A_watch_ends_with_the_first_event_of_the_type_it_lasts_until()
    {
        var key = await Session();
        await store.Watches.Create(key, new(key) { Until = ["*.merged", "*.closed"] }, None);
        var merged = Event(key, "merged") with { Type = "pr.merged" };

        var decisions = await store.Accept(Event(key, "before"), merged, Event(key, "in the same batch"));
        var later = await store.Accept(Event(key, "later"));

        Assert.Equal(
            [
                [key],
                [key],
                [],
            ],
            decisions.Select(x => x.Sessions)
        );
        Assert.Empty(later[0].Sessions);
        Assert.Empty(await store.Watches.List(key, 10, None));
        Assert.Contains((await store.Explain.ExplainSession(key, None))!.Ledger, x => x.What == "unwatched");
    }

    [Fact]
    public async Task The_event_that_ends_a_watch_is_told_only_if_the_watch_asks_for_it()
    {
        var key = await Session();
        await store.Watches.Create(key, new(key) { Types = ["ci.*"], Until = ["pr.merged"] }, None);

        var decisions = await store.Accept(
            Event(key, "ci") with
            {
                Type = "ci.failed",
            },
            Event(key, "merged") with
            {
                Type = "pr.merged",
            }
        );

        Assert.Equal(
            [
                [key],
                [],
            ],
            decisions.Select(x => x.Sessions)
        );
        Assert.Empty(await store.Watches.List(key, 10, None));
    }

    [Fact]
    public async Task Once_is_once_however_many_come_at_the_same_time()
    {
        var key = await Session();
        await store.Watches.Create(key, new(key) { Once = true, Where = ["type = test.*"] }, None);

        var decisions = await Task.WhenAll(
            Enumerable
                .Range(0, 20)
                .Select(i => Task.Run(() => store.Accept(Event(key, $"{i} a"), Event(key, $"{i} b"))))
        );

        Assert.Single(decisions.SelectMany(x => x), x => x.Sessions.Contains(key));
        Assert.Empty(await store.Watches.List(key, 10, None));
    }

    [Fact]
    public async Task An_event_that_comes_too_late_ends_no_watch()
    {
        var key = await Session();
        await store.Watches.Create(key, new(key) { Once = true }, None);

        await store.Accept(Event(key, "late") with { Expires = DateTimeOffset.UtcNow.AddSeconds(-1) });

        Assert.Equal([key], (await store.Accept(Event(key, "in time")))[0].Sessions);
        Assert.Empty(await store.Watches.List(key, 10, None));
    }

    [Fact]
    public async Task What_happened_just_before_may_end_a_watch_as_it_is_made()
    {
        var key = await Session();
        await store.Accept(Event(key, "older"), Event(key, "newer"));

        var (watch, found, ended) = (await store.Watches.Create(key, new(key) { Once = true }, None))!.Value;

        Assert.Equal((1, true), (found, ended));
        Assert.Equal(["newer"], (await store.Explain.ExplainSession(key, None))!.Pending.Select(x => x.Reason));
        Assert.Null(await store.Watches.Find(watch.Id, None));
    }

    [Fact]
    public async Task What_only_waits_for_the_next_turn_is_told_and_uses_no_watch_up()
    {
        var key = await Session();
        await store.Watches.Create(key, new(key) { Once = true }, None);

        var decisions = await store.Accept(
            Ambient(key, "labeled"),
            Event(key, "merged"),
            Ambient(key, "in the same batch, and too late")
        );
        var later = await store.Accept(Event(key, "later"));

        Assert.Equal(
            [
                [key],
                [key],
                [],
            ],
            decisions.Select(x => x.Sessions)
        );
        Assert.Empty(later[0].Sessions);
        Assert.Empty(await store.Watches.List(key, 10, None));
    }

    [Fact]
    public async Task What_only_waited_for_the_next_turn_uses_no_watch_up_that_is_made_after_it()
    {
        var key = await Session();
        await store.Accept(Ambient(key, "labeled"), Ambient(key, "pushed"));

        var (watch, found, ended) = (await store.Watches.Create(key, new(key) { Once = true }, None))!.Value;

        Assert.Equal((2, false), (found, ended));
        Assert.NotNull(await store.Watches.Find(watch.Id, None));
        Assert.Equal([key], (await store.Accept(Event(key, "merged")))[0].Sessions);
        Assert.Null(await store.Watches.Find(watch.Id, None));
        Assert.Equal(
            ["labeled", "pushed", "merged"],
            (await store.Explain.ExplainSession(key, None))!.Pending.Select(x => x.Reason)
        );
    }

    [Fact]
    public async Task A_watch_made_late_tells_of_what_it_was_for_although_it_would_have_ended_since()
    {
        var key = await Session();
        await store.Accept(
            Event(key, "CI failed") with
            {
                Type = "ci.failed",
            },
            Event(key, "merged") with
            {
                Type = "pr.merged",
            }
        );

        var (_, found, ended) = (
            await store.Watches.Create(
                key,
                new(key)
                {
                    Types = ["ci.*"],
                    Until = ["pr.merged"],
                    Once = true,
                },
                None
            )
        )!.Value;

        Assert.Equal((1, true), (found, ended));
        Assert.Equal(["CI failed"], (await store.Explain.ExplainSession(key, None))!.Pending.Select(x => x.Reason));
    }

    [Fact]
    public async Task A_type_that_a_watch_lasts_until_ends_it_however_it_comes()
    {
        var key = await Session();
        await store.Watches.Create(key, new(key) { Until = ["pr.merged"] }, None);

        Assert.Equal(
            [key],
            (await store.Accept(Ambient(key, "merged by the session itself") with { Type = "pr.merged" }))[0].Sessions
        );

        Assert.Empty(await store.Watches.List(key, 10, None));
    }

    [Fact]
    public async Task What_a_session_was_told_already_does_not_end_the_watch_it_makes_thereupon()
    {
        var key = await Session();
        await store.Accept(Event(key, "CI failed") with { Sessions = [key] });

        var (_, found, ended) = (await store.Watches.Create(key, new(key) { Once = true }, None))!.Value;

        Assert.Equal((0, false), (found, ended));
        Assert.Equal([key], (await store.Accept(Event(key, "CI passed")))[0].Sessions);
    }

    [Fact]
    public async Task An_expired_watch_tells_nothing_and_goes_away()
    {
        var key = await Session();
        var (watch, _, _) = (
            await store.Watches.Create(key, new(key) { Expires = DateTimeOffset.UtcNow.AddSeconds(-1) }, None)
        )!.Value;

        Assert.Empty((await store.Accept(Event(key, "x")))[0].Sessions);
        Assert.Null(await store.Watches.Find(watch.Id, None));
        await store.Watches.DeleteExpired(None);
        Assert.Equal(0, await store.Scalar<long>("select count(*) from watches where id = $1", watch.Id));
    }

    [Fact]
    public async Task A_watch_ends_with_its_session()
    {
        var key = await Session();
        await store.Watches.Create(key, new(key), None);

        await store.Sessions.Close(key, None);
        await store.Sessions.Create(key, "/", "default", null, None);

        Assert.Empty((await store.Accept(Event(key, "x")))[0].Sessions);
    }

    async Task<string> Session()
    {
        var key = Guid.NewGuid().ToString();
        await store.Sessions.Create(key, "/", "default", null, None);
        return key;
    }

    static ExternalEventObserved Event(string subject, string fact) => WakeSystem.Event(subject, fact);

    static ExternalEventObserved Ambient(string subject, string fact) =>
        WakeSystem.Event(subject, fact, Delivery.Ambient);
}
