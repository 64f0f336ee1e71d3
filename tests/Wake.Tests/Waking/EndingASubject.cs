using Npgsql;
using Wake.Contracts;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>When its subject is over a session takes its last turn and closes, where its route says so.</summary>
public sealed class EndingASubject(TestStore store) : IClassFixture<TestStore>, IAsyncLifetime
{
    static readonly CancellationToken None = CancellationToken.None;

    readonly string repository = $"github:test/{Guid.NewGuid():N}";

    public Task InitializeAsync() =>
        store.Routes.ReplaceConfigured(
            new Dictionary<string, RouteDefinition>
            {
                ["closes"] = Terms("implementer@{subject}", "github.issue.assigned", "github.pull_request.*") with
                {
                    OnEnd = EndPolicy.Close,
                },
                ["later"] = Terms("later@{subject}", "later.*") with
                {
                    OnEnd = EndPolicy.Close,
                    CloseAfter = TimeSpan.FromHours(1),
                },
                ["now"] = Terms("now@{subject}", "now.*") with { OnEnd = EndPolicy.Close },
                ["keeps"] = Terms("keeper@{subject}", "kept.*"),
            },
            None
        );

    public Task DisposeAsync() => store.Routes.ReplaceConfigured(new Dictionary<string, RouteDefinition>(), None);

    public static TheoryData<string> EndTypes => [.. SubjectEnd.Types];

    [Theory]
    [MemberData(nameof(EndTypes))]
    public async Task Every_end_closes_a_session_that_is_told_of_none(string type)
    {
        var key = await Begin("#1", "later@", "later.assigned");
        await Accept("#1", type);
        Assert.InRange(
            (await Find(key)).ClosesAt!.Value - DateTimeOffset.UtcNow,
            TimeSpan.FromMinutes(59),
            TimeSpan.FromMinutes(61)
        );

        await store.Sessions.CloseEnded(None);
        Assert.Null((await Find(key)).Closed);

        await MakeDue(key);
        Assert.Contains(key, await store.Sessions.CloseEnded(None));
        var closed = await Find(key);
        Assert.NotNull(closed.Closed);
        Assert.Null(closed.ClosesAt);
        // The last word is there, for whoever asks and for the turn with which it comes back.
        Assert.Equal(1, closed.Inbox);
        Assert.Equal(
            ["created", "dispatched", "claimed", "begun", "ended", "ending", "closed"],
            (await store.Explain.ExplainSession(key, None))!.Ledger.Select(x => x.What)
        );
    }

    [Fact]
    public async Task It_takes_its_last_turn_first_and_its_watches_end()
    {
        var key = await Begin("#2");
        await store.Watches.Create(key, new($"{repository}#other"), None);
        await Accept("#2", "github.pull_request.merged");

        Assert.DoesNotContain(key, await store.Sessions.CloseEnded(None));
        var turn = await Open(key, 2);
        Assert.Equal("github.pull_request.merged", Assert.Single(turn.Events).Type);
        Assert.DoesNotContain(key, await store.Sessions.CloseEnded(None));

        await store.Turns.EndTurn(turn, TurnOutcome.Completed, null, default, None);
        Assert.Contains(key, await store.Sessions.CloseEnded(None));
        Assert.DoesNotContain(await store.Watches.List(null, 1000, None), x => x.Session == key);
        Assert.DoesNotContain(key, await store.Sessions.CloseEnded(None));
    }

    [Fact]
    public async Task What_was_over_by_its_turn_calls_no_close_off_though_it_came_later()
    {
        var key = await Begin("#21");
        await Accept("#21", "github.pull_request.merged");
        var last = await Open(key, 2);
        await Accept("#21", "github.pull_request.review_submitted");
        await store.Turns.EndTurn(last, TurnOutcome.Completed, null, default, None);
        Assert.DoesNotContain(key, await store.Sessions.CloseEnded(None));

        await store.Turns.EndTurn(await Open(key, 3), TurnOutcome.Stale, "it is merged", default, None);

        Assert.Contains(key, await store.Sessions.CloseEnded(None));
    }

    [Fact]
    public async Task A_session_whose_route_says_nothing_goes_on()
    {
        var key = await Begin("#3", "keeper@", "kept.assigned");

        await Accept("#3", "github.issue.closed");

        Assert.Null((await Find(key)).ClosesAt);
    }

    [Fact]
    public async Task A_reopening_before_then_calls_the_close_off()
    {
        var key = await Begin("#4", "later@", "later.assigned");
        await Accept("#4", "github.issue.closed");
        Assert.Equal([key], (await Accept("#4", "github.issue.reopened")).Sessions);

        await GoesOn(key);
    }

    [Fact]
    public async Task What_wakes_it_of_another_subject_calls_the_close_off()
    {
        var key = await Begin("#4", "later@", "later.assigned");
        await store.Watches.Create(key, new($"{repository}#other"), None);
        await Accept("#4", "github.issue.closed");
        Assert.Equal([key], (await Accept("#other", "later.said")).Sessions);
        await MakeDue(key);

        Assert.DoesNotContain(key, await store.Sessions.CloseEnded(None));
        await Finish(key, 2);

        await GoesOn(key);
    }

    // It is due, and goes on; until its subject is over once more.
    async Task GoesOn(string key)
    {
        await MakeDue(key);
        await store.Sessions.CloseEnded(None);
        var session = await Find(key);
        Assert.Equal((null, null), (session.Closed, session.ClosesAt));
        Assert.Contains("goesOn", (await store.Explain.ExplainSession(key, None))!.Ledger.Select(x => x.What));

        await Accept("#4", "github.issue.closed");
        await MakeDue(key);
        Assert.Contains(key, await store.Sessions.CloseEnded(None));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_comes_late_of_it_is_told_in_a_turn_and_calls_no_close_off(bool related)
    {
        var key = await Begin("#4", "later@", "later.assigned");
        await store.Watches.Create(key, new($"{repository}#4"), None);
        await Accept("#4", "github.issue.closed");
        await Say(times: 2);
        await MakeDue(key);

        Assert.DoesNotContain(key, await store.Sessions.CloseEnded(None));
        await Finish(key, 2);

        Assert.Contains(key, await store.Sessions.CloseEnded(None));

        Task Say(int times) =>
            store.Accept([
                .. Enumerable
                    .Range(0, times)
                    .Select(_ =>
                        related
                            ? Event("@commit", "later.said") with
                            {
                                Related = [$"{repository}#4"],
                            }
                            : Event("#4", "later.said")
                    ),
            ]);
    }

    // An issue is closed, and a moment later the pull request is told that closed it.
    [Fact]
    public async Task The_end_of_what_belongs_to_it_is_nothing_newer_and_no_end_of_its_own()
    {
        var key = await Begin("#5");
        var merged = Event("#6", "github.pull_request.merged") with { Related = [$"{repository}#5"] };
        await store.Accept(merged);
        Assert.Null((await Find(key)).ClosesAt);
        await Accept("#5", "github.issue.closed");
        await store.Accept(merged with { Id = "again", Subject = $"{repository}#7" });
        await Finish(key, 2);

        Assert.Contains(key, await store.Sessions.CloseEnded(None));
    }

    [Fact]
    public async Task An_end_of_what_nobody_has_begins_nothing()
    {
        Assert.Equal(IntakeOutcome.Unwatched, (await Accept("#8", "github.pull_request.closed")).Outcome);

        Assert.Null(await store.Sessions.Find($"implementer@{repository}#8", None));
    }

    [Fact]
    public async Task Begun_and_over_in_one_batch_it_closes_all_the_same()
    {
        var key = $"implementer@{repository}#9";
        var decisions = await store.Accept(
            Event("#9", "github.issue.assigned"),
            Event("#9", "github.issue.closed"),
            Event("#10", "github.issue.closed"),
            Event("#10", "github.issue.assigned")
        );
        Assert.Equal(
            [
                [key],
                [key],
                [],
                [key.Replace("#9", "#10")],
            ],
            decisions.Select(x => x.Sessions)
        );

        await Finish(key, 1);

        Assert.Contains(key, await store.Sessions.CloseEnded(None));
        Assert.Null((await Find(key.Replace("#9", "#10"))).ClosesAt);
    }

    [Fact]
    public async Task Taken_up_again_it_is_the_same_session_with_its_memory()
    {
        var key = await Begin("#11");
        await Accept("#11", "github.issue.closed");
        await store.Sessions.CloseEnded(None);
        var before = await Find(key);
        Assert.NotNull(before.Closed);

        Assert.Equal([key], (await Accept("#11", "github.pull_request.reopened")).Sessions);

        var after = await Find(key);
        Assert.Equal((before.Id, before.ClaudeSessionId, null), (after.Id, after.ClaudeSessionId, after.Closed));
        var turn = await Open(key, 2);
        Assert.Equal(before.ClaudeSessionId, turn.ClaudeSession!.Id);
        Assert.Equal(["github.issue.closed", "github.pull_request.reopened"], turn.Events.Select(x => x.Type));
        Assert.Equal([false, true], turn.Events.Select(x => x.Wakes));
        // It is nobody else's.
        Assert.IsType<SessionCreation.ClaudeSessionTaken>(
            await store.Sessions.Create($"{key} again", "/", "default", before.ClaudeSessionId, None)
        );
    }

    [Fact]
    public async Task What_comes_late_after_the_close_takes_its_turn_and_it_closes_again()
    {
        var key = await Begin("#40");
        await Accept("#40", "github.pull_request.merged");
        await Finish(key, 2);
        Assert.Contains(key, await store.Sessions.CloseEnded(None));
        var before = await Find(key);

        // Two reviews that were written before the merge.
        Assert.Equal([key], (await Accept("#40", "github.pull_request.review_submitted")).Sessions);
        Assert.Equal([key], (await Accept("#40", "github.pull_request.review_submitted")).Sessions);
        Assert.DoesNotContain(key, await store.Sessions.CloseEnded(None));
        await Finish(key, 3);

        Assert.Contains(key, await store.Sessions.CloseEnded(None));
        var after = await Find(key);
        Assert.Equal((before.Id, before.ClaudeSessionId), (after.Id, after.ClaudeSessionId));
        Assert.Equal(3, await store.Scalar<long>("select count(*) from turns where session_id = $1", before.Id));
        await Accept("#40", "github.pull_request.review_submitted");
        await Finish(key, 4);
        Assert.Contains(key, await store.Sessions.CloseEnded(None));
    }

    [Fact]
    public async Task What_comes_late_after_the_close_leaves_it_as_long_as_its_route_says()
    {
        var key = await Begin("#41", "later@", "later.assigned");
        await Accept("#41", "github.issue.closed");
        await MakeDue(key);
        await store.Sessions.CloseEnded(None);
        Assert.NotNull((await Find(key)).Closed);

        await Accept("#41", "later.said");
        await Finish(key, 2);
        await store.Sessions.CloseEnded(None);

        var back = await Find(key);
        Assert.Null(back.Closed);
        Assert.InRange(
            back.ClosesAt!.Value - DateTimeOffset.UtcNow,
            TimeSpan.FromMinutes(59),
            TimeSpan.FromMinutes(61)
        );
    }

    // A route that asks for no reopenings is not told of one, and keeps the session open all the same.
    [Theory]
    [InlineData("implementer@", "github.issue.assigned", "github.pull_request.labeled", true)]
    [InlineData("implementer@", "github.issue.assigned", "github.pull_request.labeled", false)]
    [InlineData("now@", "now.assigned", "now.said", true)]
    [InlineData("now@", "now.assigned", "now.said", false)]
    public async Task Reopened_after_the_close_it_stays_open_whatever_comes_first(
        string role,
        string first,
        string late,
        bool reopenedFirst
    )
    {
        var key = await Begin("#42", role, first);
        await Accept("#42", "github.pull_request.closed");
        if (role == "implementer@")
            await Finish(key, 2);
        Assert.Contains(key, await store.Sessions.CloseEnded(None));
        var wake = role == "implementer@" ? 3 : 2;

        foreach (var type in reopenedFirst ? [Reopened, late] : (string[])[late, Reopened])
            await Accept("#42", type);
        await Finish(key, wake);

        Assert.DoesNotContain(key, await store.Sessions.CloseEnded(None));
        var open = await Find(key);
        Assert.Equal((null, null), (open.Closed, open.ClosesAt));
    }

    const string Reopened = "github.pull_request.reopened";

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public async Task Reopened_and_late_in_one_batch_it_stays_open(bool reopenedFirst, bool wakes)
    {
        var key = await Begin("#43");
        await Accept("#43", "github.pull_request.closed");
        await Finish(key, 2);
        await store.Sessions.CloseEnded(None);
        var (late, reopened) = (Event("#43", "github.pull_request.labeled"), Event("#43", Reopened));
        if (!wakes)
            reopened = reopened with { Delivery = Delivery.Ambient };

        await store.Accept(reopenedFirst ? [reopened, late] : [late, reopened]);
        await Finish(key, 3);

        Assert.DoesNotContain(key, await store.Sessions.CloseEnded(None));
        Assert.Null((await Find(key)).ClosesAt);
    }

    [Fact]
    public async Task Who_only_watches_it_closes_with_it_where_the_watch_says_so_and_comes_back_with_it()
    {
        var (closes, keeps) = (await Watcher("#50", TimeSpan.Zero), await Watcher("#50", null));
        await Accept("#50", "github.pull_request.merged");
        Assert.Null((await Find(keeps)).ClosesAt);
        Assert.DoesNotContain(closes, await store.Sessions.CloseEnded(None));
        await Finish(closes, 1);

        Assert.Contains(closes, await store.Sessions.CloseEnded(None));
        Assert.DoesNotContain(keeps, await store.Sessions.CloseEnded(None));
        Assert.DoesNotContain(await store.Watches.List(null, 1000, None), x => x.Session == closes);

        // What else comes is for nobody who has closed with it.
        Assert.Equal([keeps], (await Accept("#50", "other.said")).Sessions);
        Assert.Contains(closes, (await Accept("#50", Reopened)).Sessions);
        await Finish(closes, 2);
        Assert.DoesNotContain(closes, await store.Sessions.CloseEnded(None));
        Assert.Null((await Find(closes)).Closed);
    }

    [Fact]
    public async Task A_watch_that_ends_with_the_subject_closes_its_session_whatever_it_watches_for()
    {
        var key = $"watcher {Guid.NewGuid():N}";
        await store.Sessions.Create(key, "/", "default", null, None);
        await store.Watches.Create(
            key,
            new($"{repository}#51")
            {
                Types = ["github.ci.*"],
                Until = ["github.pull_request.merged"],
                CloseAfter = TimeSpan.FromHours(1),
            },
            None
        );

        await Accept("#51", "github.pull_request.merged");
        Assert.NotNull((await Find(key)).ClosesAt);
        Assert.Empty(await store.Watches.List(key, 10, None));

        // Its watch is gone, and it is called off all the same.
        await Accept("#51", Reopened);
        Assert.Null((await Find(key)).ClosesAt);
    }

    [Theory]
    [InlineData("github.pull_request.merged", null, true)]
    [InlineData("github.pull_request.closed", Reopened, false)]
    public async Task A_watch_of_what_was_over_a_moment_before_closes_its_session(
        string first,
        string? second,
        bool closes
    )
    {
        await Accept("#52", first);
        if (second is not null)
            await Accept("#52", second);

        var key = await Watcher("#52", TimeSpan.Zero);
        await Finish(key, 1);

        Assert.Equal(closes, (await store.Sessions.CloseEnded(None)).Contains(key));
    }

    // It is woken after the end, and in that turn says that it wants to close.
    [Fact]
    public async Task What_it_was_told_before_it_watched_what_was_over_keeps_it_no_longer_open()
    {
        var key = $"watcher {Guid.NewGuid():N}";
        await store.Sessions.Create(key, "/", "default", null, None);
        await store.Watches.Create(key, new($"{repository}#54"), None);
        await Accept("#53", "github.pull_request.merged");
        await Accept("#54", "other.said");
        await Finish(key, 1);

        await store.Watches.Create(
            key,
            new($"{repository}#53") { Types = ["github.ci.*"], CloseAfter = TimeSpan.Zero },
            None
        );

        Assert.Contains(key, await store.Sessions.CloseEnded(None));
    }

    [Fact]
    public async Task A_watch_that_closes_sooner_counts_although_it_was_made_after_the_end()
    {
        var key = await Begin("#59", "later@", "later.assigned");
        await Accept("#59", "github.issue.closed");

        await store.Watches.Create(
            key,
            new($"{repository}#59") { Types = ["github.ci.*"], CloseAfter = TimeSpan.Zero },
            None
        );

        Assert.Contains(key, await store.Sessions.CloseEnded(None));
    }

    [Fact]
    public async Task That_nothing_came_of_what_is_over_calls_no_close_off()
    {
        var key = $"watcher {Guid.NewGuid():N}";
        await store.Sessions.Create(key, "/", "default", null, None);
        await store.Watches.Create(
            key,
            new($"{repository}#58")
            {
                Types = ["github.ci.*"],
                ExpectBy = DateTimeOffset.UtcNow.AddHours(1),
                CloseAfter = TimeSpan.Zero,
            },
            None
        );
        await Accept("#58", "github.pull_request.merged");
        await store.Execute(
            "update watches set expect_by = now(), expect_due_at = now() - interval '1 ms' where session_id = $1",
            (await Find(key)).Id
        );

        await new WatchDeadlines(store.Database, store.Intake).ReportSilent(TimeSpan.Zero, None);
        Assert.DoesNotContain(key, await store.Sessions.CloseEnded(None));
        await Finish(key, 1);

        Assert.Contains(key, await store.Sessions.CloseEnded(None));
    }

    [Fact]
    public async Task What_a_pause_holds_keeps_it_open_until_it_is_told()
    {
        var key = await Watcher("#57", TimeSpan.Zero);
        var pauses = new Pauses(store.Database);
        var pause = (await pauses.Add(new(PauseScope.Subject, $"{repository}#57", null, null, false, null), None))!;
        await Accept("#57", "github.pull_request.merged");

        Assert.DoesNotContain(key, await store.Sessions.CloseEnded(None));
        await pauses.End(pause.Id, None);
        await Finish(key, 1);

        Assert.Contains(key, await store.Sessions.CloseEnded(None));
    }

    [Fact]
    public async Task Two_watches_at_once_of_what_was_over_both_are_made()
    {
        var key = $"watcher {Guid.NewGuid():N}";
        await store.Sessions.Create(key, "/", "default", null, None);
        await Accept("#55", "github.pull_request.merged");
        await Accept("#56", "github.pull_request.merged");

        await Task.WhenAll(
            Enumerable
                .Range(0, 8)
                .Select(x =>
                    Task.Run(() =>
                        store.Watches.Create(
                            key,
                            new($"{repository}#{55 + x % 2}") { CloseAfter = TimeSpan.FromHours(1) },
                            None
                        )
                    )
                )
        );

        Assert.Equal(8, (await store.Watches.List(key, 10, None)).Count);
        Assert.NotNull((await Find(key)).ClosesAt);
    }

    [Fact]
    public async Task Many_take_it_up_again_at_once_and_nothing_is_lost()
    {
        var key = await Begin("#12");
        await Accept("#12", "github.issue.closed");
        await store.Sessions.CloseEnded(None);
        var before = await Find(key);

        var decisions = await Task.WhenAll(
            Enumerable.Range(0, 20).Select(_ => Task.Run(() => Accept("#12", "github.issue.assigned")))
        );

        Assert.All(decisions, x => Assert.Equal([key], x.Sessions));
        var after = await Find(key);
        Assert.Equal((before.Id, before.Inbox + 20), (after.Id, after.Inbox));
    }

    [Fact]
    public async Task Closed_by_hand_or_with_its_memory_taken_over_another_begins()
    {
        var key = await Begin("#13");
        await Accept("#13", "github.issue.closed");
        await store.Sessions.CloseEnded(None);
        var before = await Find(key);
        Assert.IsType<SessionCreation.Created>(
            await store.Sessions.Create("took over", "/", "default", before.ClaudeSessionId, None)
        );
        await Accept("#13", "github.issue.assigned");
        var second = await Find(key);
        Assert.NotEqual(before.Id, second.Id);

        await Accept("#13", "github.issue.closed");
        await store.Sessions.Close(key, None);
        await Accept("#13", "github.issue.assigned");
        Assert.NotEqual(second.Id, (await Find(key)).Id);
    }

    // The transaction of the intake had read that it was open.
    [Fact]
    public async Task A_wake_that_comes_as_it_is_closed_opens_it_again()
    {
        var key = await Begin("#14");
        await Accept("#14", "github.issue.closed");
        var session = await Find(key);
        await using var connection = await store.Database.OpenConnectionAsync();
        await using var intake = await connection.BeginTransactionAsync();
        await using (
            var route = new NpgsqlCommand(
                """
                with observed as (
                    insert into events (seq, id, source, type, subject, dedup_key, reason, wakes, urgent)
                    values (nextval('events_seq'), 'late', 's', 'github.pull_request.labeled', 's', 'late', 'late', true, false)
                    returning seq
                )
                insert into inbox (event, session_id, wakes) select seq, $1, true from observed
                """,
                connection,
                intake
            )
        )
        {
            route.Parameters.AddWithValue(session.Id);
            await route.ExecuteNonQueryAsync();
        }

        Assert.Contains(key, await store.Sessions.CloseEnded(None));
        Assert.Equal(0, await store.Sessions.ReopenMissed(None));
        await intake.CommitAsync();

        Assert.Equal(1, await store.Sessions.ReopenMissed(None));
        Assert.Null((await Find(key)).Closed);
        await using var coordinator = await LoopbackCoordinator.Start(store);
        await coordinator.Tell(new WakeDue(session.Id));
        Assert.Equal(2, (await coordinator.NextCommand()).WakeNumber);
    }

    [Fact]
    public async Task The_saga_of_a_session_that_was_closed_goes_on_when_it_comes_back()
    {
        await using var coordinator = await LoopbackCoordinator.Start(store);
        var key = await Begin("#15");
        await Accept("#15", "github.issue.closed");
        await store.Sessions.CloseEnded(None);
        var id = (await Find(key)).Id;
        await coordinator.Tell(new WakeDue(id));
        Assert.False(await store.Scalar<bool>("select due_at is not null from wake_timers where session_id = $1", id));

        await Accept("#15", "github.issue.assigned");
        await coordinator.Tell(new WakeDue(id));

        var command = await coordinator.NextCommand();
        Assert.Equal((id, 2), (command.SessionId, command.WakeNumber));
    }

    [Fact]
    public async Task By_hand_all_that_belong_to_a_subject_are_closed_and_no_others()
    {
        var (one, two, other) = (await Begin("#21"), await Begin("#22"), await Begin("#31"));
        var later = await Begin("#21", "later@", "later.assigned");
        foreach (var (key, subject) in ((string, string)[])[("by name", "#22"), ("by pattern", "#2*")])
        {
            await store.Sessions.Create(key, "/", "default", null, None);
            await store.Watches.Create(key, new($"{repository}{subject}"), None);
        }

        Assert.Equal([], await store.Sessions.CloseBySubject($"{repository}#2", None));
        Assert.Equal([one, later], await store.Sessions.CloseBySubject($"{repository}#21", None));
        Assert.Equal(["by name", two], await store.Sessions.CloseBySubject($"{repository}#2*", None));

        Assert.NotNull((await Find(one)).Closed);
        Assert.Null((await Find(other)).Closed);
        Assert.Null((await Find("by pattern")).Closed);
        Assert.Equal([], await store.Sessions.CloseBySubject($"{repository}#2*", None));
    }

    [Fact]
    public async Task A_key_that_is_too_long_to_hold_the_subject_is_found_all_the_same()
    {
        var number = $"#{new string('9', 490)}";
        await Accept(number, "github.issue.assigned");

        Assert.Single(await store.Sessions.CloseBySubject($"{repository}{number}", None));
    }

    public static TheoryData<RouteDefinition, string> WrongEnds =>
        new()
        {
            { Terms("k", "t") with { OnEnd = EndPolicy.Close }, "onEnd" },
            { Terms("k@{subject}", "t") with { OnEnd = (EndPolicy)7 }, "onEnd" },
            { Terms("k@{subject}", "t") with { CloseAfter = TimeSpan.FromHours(1) }, "closeAfter" },
            {
                Terms("k@{subject}", "t") with
                {
                    OnEnd = EndPolicy.Close,
                    CloseAfter = TimeSpan.FromSeconds(-1),
                },
                "closeAfter"
            },
        };

    [Theory]
    [MemberData(nameof(WrongEnds))]
    public void A_policy_that_is_none_is_refused(RouteDefinition terms, string field) =>
        Assert.Equal(field, Assert.Single(terms.Problems("r")).Field);

    // A session with one turn behind it, which has left a memory.
    async Task<string> Begin(string number, string role = "implementer@", string type = "github.issue.assigned")
    {
        var key = $"{role}{repository}{number}";
        Assert.Equal([key], (await Accept(number, type)).Sessions);
        await Finish(key, 1);
        return key;
    }

    // A session that no route has.
    async Task<string> Watcher(string number, TimeSpan? closeAfter)
    {
        var key = $"watcher {Guid.NewGuid():N}";
        await store.Sessions.Create(key, "/", "default", null, None);
        await store.Watches.Create(key, new($"{repository}{number}") { CloseAfter = closeAfter }, None);
        return key;
    }

    async Task Finish(string key, int wake) =>
        await store.Turns.EndTurn(await Open(key, wake), TurnOutcome.Completed, null, default, None);

    async Task<ClaimedTurn> Open(string key, int wake)
    {
        var id = (await Find(key)).Id;
        await store.Execute(
            "insert into decisions (kind, session_id, wake_number) values ('dispatched', $1, $2)",
            id,
            wake
        );
        var turn = await store.OpenTurn(id, wake);
        if (turn.ClaudeSession is null)
            Assert.True(await store.Sessions.BeginClaudeSession(turn, Guid.NewGuid(), null, None));
        return turn;
    }

    async Task MakeDue(string key) =>
        await store.Execute(
            "update sessions set close_at = close_at - interval '1 hour' where id = $1",
            (await Find(key)).Id
        );

    async Task<Store.Session> Find(string key) => (await store.Sessions.Find(key, None))!;

    async Task<IntakeResult> Accept(string number, string type) => (await store.Accept(Event(number, type)))[0];

    static RouteDefinition Terms(string session, params string[] types) =>
        new()
        {
            Session = session,
            Types = types,
            Workspace = "/srv/wake/{session}",
            Profile = "default",
        };

    ExternalEventObserved Event(string number, string type) =>
        WakeSystem.Event($"{repository}{number}", Guid.NewGuid().ToString()) with
        {
            Type = type,
            DedupKey = Guid.NewGuid().ToString(),
        };
}
