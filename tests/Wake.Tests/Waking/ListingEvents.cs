using Wake.Contracts;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>Events are found by what they say and where they went, the newest first.</summary>
public sealed class ListingEvents(TestStore store) : IClassFixture<TestStore>
{
    static readonly CancellationToken None = CancellationToken.None;

    // Events of one test.
    readonly string mark = $"{Guid.NewGuid():N}";

    [Fact]
    public async Task Each_filter_finds_what_it_names()
    {
        await store.Session(mark);
        await Publish("watched", subject: mark);
        await Publish("failed", type: "ci.failed", actor: "octocat");
        await Publish("passed", type: "ci.passed", source: "ci:nightly");
        await Publish("100%", reason: "Coverage is 100% now");

        Assert.Equal(["100%", "passed", "failed", "watched"], await Found(new()));
        Assert.Equal(["watched"], await Found(new() { Subject = mark }));
        Assert.Equal(["100%", "passed", "failed"], await Found(new() { Subject = $"about:{mark}*" }));
        Assert.Equal(["passed"], await Found(new() { Type = "ci.passed" }));
        Assert.Equal(["passed", "failed"], await Found(new() { Type = "ci.*" }));
        Assert.Equal(["passed"], await Found(new() { Source = "ci:nightly" }));
        Assert.Equal(["passed"], await Found(new() { Source = "*:nightly" }));
        Assert.Equal(["watched"], await Found(new() { Outcome = EventOutcome.Routed }));
        Assert.Equal(["100%", "passed", "failed"], await Found(new() { Outcome = EventOutcome.Unwatched }));
        Assert.Equal(["watched"], await Found(new() { Session = mark }));
        Assert.Empty(await Found(new() { Session = "nobody" }));
        Assert.Equal(["100%"], await Found(new() { Text = "COVERAGE IS 100%" }));
        Assert.Empty(await Found(new() { Text = "100_" }));
    }

    [Fact]
    public async Task What_became_of_an_event_finds_it()
    {
        var session = await store.Session(mark);
        await Publish("first", subject: mark);
        await Publish("second", subject: mark);
        await store.OpenTurn(session);
        await Publish("waits", subject: mark);
        await store.Accept(
            WakeSystem.Event(mark, "late", id: $"{mark} late", reason: mark) with
            {
                Expires = DateTimeOffset.UtcNow.AddDays(-1),
            }
        );
        await store.Accept(WakeSystem.Event(mark, "twice", id: $"{mark} twice", reason: mark) with { DedupKey = mark });
        await store.Accept(WakeSystem.Event(mark, "twice", id: $"{mark} again", reason: mark) with { DedupKey = mark });

        Assert.Equal(["first"], await Found(new() { Outcome = EventOutcome.Woke }));
        Assert.Equal(["second"], await Found(new() { Outcome = EventOutcome.Coalesced }));
        Assert.Equal(["twice"], await Found(new() { Outcome = EventOutcome.Duplicate }));
        Assert.Equal(["late"], await Found(new() { Outcome = EventOutcome.Stale }));
        Assert.Equal(
            ["twice", "late", "waits", "second", "first"],
            await Found(new() { Outcome = EventOutcome.Routed })
        );
    }

    // However long nothing matches, a page takes no longer.
    [Fact]
    public async Task A_page_looks_through_so_many_events_and_the_next_goes_on_from_there()
    {
        var own = new TestStore();
        await own.InitializeAsync();
        await own.Accept(WakeSystem.Event("s", "t", id: mark));
        await own.Execute(
            $"""
            insert into events (seq, id, source, type, subject, dedup_key, reason, wakes, urgent)
            select nextval('events_seq'), 'n' || g, 's', 't', 's', 'n' || g, 'r', true, false from generate_series(1, {EventList.Window
                + 5}) g
            """
        );
        var list = new EventList(own.Database);

        var first = await list.Read(new() { Text = mark }, 10, null, None);
        var second = await list.Read(new() { Text = mark }, 10, first.Next, None);

        Assert.Empty(first.Rows);
        Assert.Equal(mark, Assert.Single(second.Rows).Id);
        Assert.Null(second.Next);
        Assert.Null((await list.Read(new() { Subject = mark }, 10, null, None)).Next);
        await own.DisposeAsync();
    }

    [Fact]
    public async Task Moments_bound_what_is_found()
    {
        // Numbers are in the order of the moments, and the other tests' events are new.
        var own = new TestStore();
        await own.InitializeAsync();
        foreach (var name in (string[])["old", "new"])
            await own.Accept(WakeSystem.Event(name, name, id: $"{mark} {name}"));
        await own.Execute("update events set accepted_at = accepted_at - interval '1 hour' where subject = 'old'");

        var between = DateTimeOffset.Now.AddMinutes(-30).ToOffset(TimeSpan.FromHours(3));
        Assert.Equal(["new"], await Found(new() { Since = between }, own));
        Assert.Equal(["old"], await Found(new() { Until = between }, own));
        Assert.Equal(["old"], await Found(new() { Since = between.AddHours(-1), Until = between }, own));
        Assert.Empty(await Found(new() { Since = between.AddDays(1) }, own));
        Assert.Empty(await Found(new() { Until = between.AddDays(-1) }, own));
        await own.DisposeAsync();
    }

    [Fact]
    public async Task A_list_goes_on_where_a_page_has_ended_whatever_comes_meanwhile()
    {
        for (var i = 1; i <= 5; i++)
            await Publish($"{i}");

        List<string> seen = [];
        string? cursor = null;
        do
        {
            var page = await new EventList(store.Database).Read(new() { Text = mark }, 2, cursor, None);
            seen.AddRange(page.Rows.Select(x => x.Id[(mark.Length + 1)..]));
            cursor = page.Next;
            await Publish($"later {seen.Count}");
        } while (cursor is not null);

        Assert.Equal(["5", "4", "3", "2", "1"], seen);
        await Assert.ThrowsAsync<PageCursorException>(() =>
            new EventList(store.Database).Read(new(), 2, "nonsense", None)
        );
    }

    [Fact]
    public async Task An_event_is_shown_as_it_was_observed()
    {
        await store.Session(mark);
        await store.Session($"{mark} too");
        await store.Accept(
            WakeSystem.Event("elsewhere", mark, Delivery.Ambient, reason: "It rains", id: mark) with
            {
                Related = [mark, $"{mark} too"],
                Actor = "octocat",
                Time = DateTimeOffset.UnixEpoch,
                Urgent = true,
            }
        );

        var shown = Assert.Single(
            (await new EventList(store.Database).Read(new() { Text = mark }, 2, null, None)).Rows
        );

        Assert.Equal(
            new EventSummary(
                mark,
                "test:producer",
                "test.happened",
                "elsewhere",
                "It rains",
                Wakes: false,
                Urgent: true,
                "octocat",
                DateTimeOffset.UnixEpoch,
                shown.AcceptedAt,
                ReplayOf: null,
                Sessions: 2
            ),
            shown
        );
        Assert.InRange(shown.AcceptedAt, DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddMinutes(5));
    }

    async Task Publish(
        string name,
        string? subject = null,
        string type = "test.happened",
        string source = "test:producer",
        string? reason = null,
        string? actor = null
    ) =>
        await store.Accept(
            WakeSystem.Event(
                subject ?? $"about:{mark} {name}",
                $"{mark} {name}",
                reason: reason,
                id: $"{mark} {name}"
            ) with
            {
                Type = type,
                Source = source,
                Actor = actor,
            }
        );

    // By name, of those of this test.
    async Task<IEnumerable<string>> Found(EventQuery query, TestStore? other = null)
    {
        var page = await new EventList((other ?? store).Database).Read(query, 100, null, None);
        return page
            .Rows.Where(x => x.Id.StartsWith(mark, StringComparison.Ordinal))
            .Select(x => x.Id[(mark.Length + 1)..]);
    }
}
