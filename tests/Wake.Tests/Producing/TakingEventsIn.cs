using System.Text.Json;
using Npgsql;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>What the intake decides, asked directly.</summary>
public sealed class TakingEventsIn(TestStore store) : IClassFixture<TestStore>
{
    static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task The_same_fact_twice_in_one_batch_is_one_fact()
    {
        await store.Session("one-batch");
        var first = WakeSystem.Event("one-batch", "merged");
        var second = WakeSystem.Event("one-batch", "merged");

        var decisions = await store.Accept(first, second);

        Assert.Equal([IntakeOutcome.Routed, IntakeOutcome.Duplicate], decisions.Select(x => x.Outcome));
        Assert.Equal(first.Id, decisions[1].DuplicateOf);
    }

    [Fact]
    public async Task Two_facts_with_the_same_content_are_two()
    {
        await store.Session("same-content");
        var observed = WakeSystem.Event("same-content", "x") with { DedupKey = null };

        var decisions = await store.Accept(observed with { Id = "a" }, observed with { Id = "b" });

        Assert.All(decisions, x => Assert.Equal(IntakeOutcome.Routed, x.Outcome));
    }

    [Fact]
    public async Task A_redelivered_observation_without_a_dedup_key_is_a_duplicate()
    {
        var observed = WakeSystem.Event("redelivered", "x") with { DedupKey = null };
        await store.Accept(observed);

        Assert.Equal(IntakeOutcome.Duplicate, Assert.Single(await store.Accept(observed)).Outcome);
    }

    [Fact]
    public async Task The_key_of_another_fact_does_not_hide_an_event()
    {
        await store.Session("collides");
        var first = WakeSystem.Event("collides", "x") with { DedupKey = "build-7" };
        var (otherType, otherSubject) = (
            first with
            {
                Id = "other type",
                Type = "build.cancelled",
            },
            first with
            {
                Id = "other subject",
                Subject = "collides-too",
            }
        );

        // One after the other, and in one batch with a repetition.
        var (one, two) = (
            Assert.Single(await store.Accept(first)),
            await store.Accept(otherType, otherSubject, otherType with { Id = "again" })
        );
        var later = await store.Accept(
            first with
            {
                Id = "first again",
            },
            otherType with
            {
                Id = "once more",
            },
            otherSubject with
            {
                Id = "and this",
            }
        );

        Assert.Equal((IntakeOutcome.Routed, null), (one.Outcome, one.CollidesWith));
        Assert.Equal(
            [IntakeOutcome.Routed, IntakeOutcome.Unwatched, IntakeOutcome.Duplicate],
            two.Select(x => x.Outcome)
        );
        Assert.Equal((string?[])[first.Id, first.Id, null], two.Select(x => x.CollidesWith));
        Assert.Equal("other type", two[2].DuplicateOf);
        Assert.Equal((string?[])[first.Id, "other type", "other subject"], later.Select(x => x.DuplicateOf));
        Assert.Equal(
            2,
            await store.Scalar<long>(
                "select count(*) from inbox i join events e on e.seq = i.event where e.subject = 'collides'"
            )
        );

        var explained = (await store.Explain.ExplainEvent("other type", null, None))!;
        Assert.Equal("build-7", explained.Event.DedupKey);
        Assert.Contains(
            explained.Ledger,
            x => x.What == "collision" && x.Note!.Contains(first.Id, StringComparison.Ordinal)
        );
        Assert.Contains(
            (await store.Explain.ListCollisions(None)).Latest,
            x => (x.Event, x.DedupKey, x.HeldBy) == ("other type", "build-7", first.Id)
        );
    }

    [Fact]
    public async Task Facts_with_one_key_in_one_batch_are_each_taken_in()
    {
        var observed = WakeSystem.Event("one-key", "x") with { DedupKey = "one key" };

        var decisions = await store.Accept(
            observed,
            observed with
            {
                Id = "b",
                Type = "b",
            },
            observed with
            {
                Id = "c",
                Type = "c",
            }
        );

        Assert.Equal((string?[])[null, observed.Id, observed.Id], decisions.Select(x => x.CollidesWith));
        Assert.Equal(3, await store.Scalar<long>("select count(*) from events where subject = 'one-key'"));
    }

    [Fact]
    public async Task Batches_at_once_agree_on_facts_with_one_key_too()
    {
        var decisions = await Task.WhenAll(
            Enumerable
                .Range(0, 20)
                .Select(seed =>
                    Task.Run(() =>
                    {
                        var types = Enumerable.Range(0, 10).ToArray();
                        new Random(seed).Shuffle(types);
                        return store.Accept([
                            .. types.Select(x =>
                                WakeSystem.Event("one-key-at-once", "x") with
                                {
                                    Type = $"t{x}",
                                    DedupKey = "at once",
                                }
                            ),
                        ]);
                    })
                )
        );

        Assert.Equal(10, decisions.SelectMany(x => x).Count(x => x.Outcome is not IntakeOutcome.Duplicate));
        Assert.Equal(9, decisions.SelectMany(x => x).Count(x => x.CollidesWith is not null));
        Assert.Equal(10, await store.Scalar<long>("select count(*) from events where subject = 'one-key-at-once'"));
    }

    [Fact]
    public async Task What_only_somebody_says_does_not_hide_what_a_forge_has_delivered()
    {
        var key = $"{Guid.NewGuid()}";
        var fact = WakeSystem.Event(key, "merged") with
        {
            Type = "github.pull_request.merged",
            Source = "github:webhook",
        };
        async Task<IntakeResult> Accept(string id, string? scope) =>
            Assert.Single((await store.Intake.Accept([new(fact with { Id = id }, DedupScope: scope)], None)));

        // Forged down to its source, before the fact itself.
        Assert.Equal(IntakeOutcome.Unwatched, (await Accept("forged", "")).Outcome);
        var delivered = await Accept("delivered", "github");
        Assert.Equal((IntakeOutcome.Unwatched, "forged"), (delivered.Outcome, delivered.CollidesWith));
        Assert.Equal("delivered", (await Accept("polled", "github")).DuplicateOf);

        // The other way round it is a repetition; and so is what an older version took in, of which nobody knows.
        var other = fact with
        {
            DedupKey = $"{key} 2",
        };
        await store.Intake.Accept([new(other with { Id = "first" }, DedupScope: "github")], None);
        Assert.Equal(
            "first",
            Assert
                .Single((await store.Intake.Accept([new(other with { Id = "said" }, DedupScope: "")], None)))
                .DuplicateOf
        );
        var old = fact with { DedupKey = $"{key} 3" };
        await store.Intake.Accept([new(old with { Id = "old" })], None);
        Assert.Equal(
            "old",
            Assert
                .Single((await store.Intake.Accept([new(old with { Id = "new" }, DedupScope: "github")], None)))
                .DuplicateOf
        );
    }

    [Theory]
    [InlineData("key:1", "key:1", true)]
    [InlineData("key:1", "key:2", false)]
    [InlineData("key:1", "hook:1", false)]
    [InlineData("key:1", "", false)]
    [InlineData("", "key:1", false)]
    [InlineData("key:1", "github", false)]
    [InlineData("github", "key:1", true)]
    [InlineData("github", "github", true)]
    [InlineData("github", "gitlab", false)]
    [InlineData("amqp:", "github", false)]
    public async Task Nobodys_word_hides_what_another_tells(string first, string second, bool same)
    {
        var fact = WakeSystem.Event("hides", $"{Guid.NewGuid()}");
        async Task<IntakeResult> Accept(string scope) =>
            Assert.Single(
                (await store.Intake.Accept([new(fact with { Id = $"{Guid.NewGuid()}" }, DedupScope: scope)], None))
            );

        await Accept(first);

        Assert.Equal(same, (await Accept(second)).Outcome is IntakeOutcome.Duplicate);
        Assert.Equal(IntakeOutcome.Duplicate, (await Accept(first)).Outcome);
        Assert.Equal(IntakeOutcome.Duplicate, (await Accept(second)).Outcome);
    }

    [Fact]
    public async Task A_fact_under_another_key_is_known_when_the_holder_of_its_key_is_forgotten()
    {
        var first = WakeSystem.Event("holder-gone", "x") with { DedupKey = "holder gone" };
        var second = first with { Id = "second", Type = "second" };
        await store.Accept(first);
        await store.Accept(second);
        await store.Scalar<long>(
            "with gone as (delete from events where id = $1 returning 1) select count(*) from gone",
            first.Id
        );

        Assert.Equal("second", Assert.Single(await store.Accept(second with { Id = "second again" })).DuplicateOf);
    }

    [Fact]
    public async Task Many_batches_with_the_same_facts_at_once_agree_on_one_of_each()
    {
        await store.Session("at-once");
        var facts = Enumerable.Range(0, 50).Select(x => $"fact {x}").ToArray();

        var decisions = await Task.WhenAll(
            Enumerable
                .Range(0, 20)
                .Select(seed =>
                    Task.Run(() =>
                    {
                        var shuffled = facts.ToArray();
                        new Random(seed).Shuffle(shuffled);
                        return store.Accept([.. shuffled.Select(x => WakeSystem.Event("at-once", x))]);
                    })
                )
        );

        Assert.Equal(50, decisions.SelectMany(x => x).Count(x => x.Outcome is IntakeOutcome.Routed));
        Assert.Equal(950, decisions.SelectMany(x => x).Count(x => x.Outcome is IntakeOutcome.Duplicate));
        Assert.Equal(
            950,
            await store.Scalar<long>(
                "select count(*) from duplicates d join events e on e.seq = d.event where e.subject = 'at-once'"
            )
        );
    }

    [Theory]
    [InlineData("github:octo-org/hello#972", "github:octo-org/hello#972", true)]
    [InlineData("github:octo-org/*", "github:octo-org/hello#972", true)]
    [InlineData("*#972", "github:octo-org/hello#972", true)]
    [InlineData("*", "github:octo-org/hello#972", true)]
    [InlineData("github:octo-org/hello#97", "github:octo-org/hello#972", false)]
    [InlineData("github:octo-org/hello#97_", "github:octo-org/hello#972", false)]
    [InlineData("github:%", "github:octo-org/hello#972", false)]
    [InlineData(@"github:\*", @"github:\octo", true)]
    public async Task A_watch_matches_subjects_by_their_text_and_stars_alone(
        string watched,
        string subject,
        bool matches
    )
    {
        var key = Guid.NewGuid().ToString();
        await store.Sessions.Create(key, "/", "default", null, None);
        await store.Watches.Create(key, new(watched), None);

        var decision = Assert.Single(await store.Accept(WakeSystem.Event(subject, key)));

        Assert.Equal(matches, decision.Sessions.Contains(key));
        await store.Sessions.Close(key, None);
    }

    [Fact]
    public async Task A_watch_matches_related_subjects_and_only_the_types_it_names()
    {
        await store.Sessions.Create("typed", "/", "default", null, None);
        await store.Watches.Create("typed", new("commit:abc") { Types = ["ci.*", "deploy.failed"] }, None);
        var observed = WakeSystem.Event("pr:1", "x") with { Related = ["commit:abc", "branch:main"] };

        Assert.Equal(
            ["typed"],
            Assert.Single(await store.Accept(observed with { Type = "ci.check.failed", DedupKey = "t1" })).Sessions
        );
        Assert.Equal(
            ["typed"],
            Assert.Single(await store.Accept(observed with { Type = "deploy.failed", DedupKey = "t2" })).Sessions
        );
        Assert.Empty(
            Assert.Single(await store.Accept(observed with { Type = "deploy.failed.again", DedupKey = "t3" })).Sessions
        );
    }

    [Fact]
    public async Task An_event_reaches_every_session_that_watches_it_and_each_once()
    {
        string[] keys = ["fan-1", "fan-2", "fan-3"];
        foreach (var key in keys)
        {
            await store.Sessions.Create(key, "/", "default", null, None);
            await store.Watches.Create(key, new("fan"), None);
            await store.Watches.Create(key, new("fa*") { Intent = "again" }, None);
        }

        var decision = Assert.Single(
            await store.Accept(WakeSystem.Event("fan", "x") with { Sessions = ["fan-2", "nobody"] })
        );

        Assert.Equal(keys, decision.Sessions);
        Assert.Equal(["nobody"], decision.UnknownSessions);
        Assert.Equal(
            3,
            await store.Scalar<long>(
                "select count(*) from inbox i join events e on e.seq = i.event where e.subject = 'fan'"
            )
        );
    }

    [Fact]
    public async Task What_is_observed_comes_back_as_it_was()
    {
        var observed = WakeSystem.Event("as-it-was", "x") with
        {
            Related = ["a", "b \"quoted\" \\ {braces}, comma", "null", ""],
            Reason = "'; drop table events; -- \u0007 \u202e <b>&amp;</b> {{handlebars}} $(touch /tmp/x) `id` 🚀",
            Actor = "octocat",
            Time = new DateTimeOffset(2026, 11, 20, 12, 0, 0, TimeSpan.FromHours(2)),
            Expires = new DateTimeOffset(2999, 1, 1, 0, 0, 0, TimeSpan.Zero),
            Data = JsonElement.Parse("""{"deep":[{"text":"\u0000 and \u00e9"},1e400,null]}"""),
        };
        observed = observed with { Related = ["a", "b \"quoted\" \\ {braces}, comma", "null"] };

        await store.Accept(observed);

        var explained = (await store.Explain.ExplainEvent(observed.Id, null, None))!.Event;
        Assert.Equal(observed.Related, explained.Related);
        Assert.Equal(observed.Reason, explained.Reason);
        Assert.Equal(observed.Time, explained.Time);
        Assert.Equal(observed.Data!.Value.GetRawText(), explained.Data!.Value.GetRawText());
    }

    [Fact]
    public async Task A_watch_finds_an_event_whose_intake_was_in_flight_when_it_was_made()
    {
        await store.Sessions.Create("in-flight", "/", "default", null, None);

        // An intake that has read the watches and not committed: it waits for a session's row that is locked.
        await store.Session("in-flight-other");
        await using var blocker = await store.Database.OpenConnectionAsync();
        await using var locking = await blocker.BeginTransactionAsync();
        await using (
            var hold = new NpgsqlCommand(
                "select 1 from wake_timers t join sessions s on s.id = t.session_id where s.key = 'in-flight-other' "
                    + "for update of t",
                blocker,
                locking
            )
        )
            await hold.ExecuteNonQueryAsync();
        var intake = store.Accept(WakeSystem.Event("in-flight-other", "x") with { Related = ["in-flight"] });
        await Eventually.Holds(async () =>
            await store.Scalar<long>(
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
            ) > 0
        );

        var (_, found, _) = (await store.Watches.Create("in-flight", new("in-flight"), None))!.Value;
        Assert.Equal(0, found);

        // As long as it is open, looking again is postponed rather than given up.
        await Due();
        Assert.Equal(0, await store.Watches.RepeatLookBack(None));
        await locking.RollbackAsync();
        Assert.DoesNotContain("in-flight", Assert.Single(await intake).Sessions);
        await Due();

        Assert.Equal(1, await store.Watches.RepeatLookBack(None));
        Assert.Equal(1, (await store.Sessions.Find("in-flight", None))!.Inbox);
        Assert.Contains(
            await store.Scalar<Guid>("select id from sessions where key = 'in-flight'"),
            (await store.Timers.ClaimDue(1000, TimeSpan.FromMinutes(1), None)).Due
        );

        Task Due() =>
            store.Scalar<long>(
                "with due as (update watches set look_again_at = now() where look_again_at is not null returning 1) "
                    + "select count(*) from due"
            );
    }

    [Fact]
    public async Task The_quiet_window_moves_with_each_event_and_never_past_the_max_wait()
    {
        var id = await store.Session("moving", "minute");

        await store.Accept(WakeSystem.Event("moving", "1"));
        var first = await DueIn();
        await store.Scalar<long>(
            "with aged as (update wake_timers set events_due_at = events_due_at - interval '50 s', ceiling_at = "
                + "ceiling_at - interval '50 s' where session_id = $1 returning 1) select count(*) from aged",
            id
        );
        await store.Accept(WakeSystem.Event("moving", "2"));
        var second = await DueIn();
        await store.Scalar<long>(
            "with aged as (update wake_timers set ceiling_at = clock_timestamp() + interval '5 s' where session_id "
                + "= $1 returning 1) select count(*) from aged",
            id
        );
        await store.Accept(WakeSystem.Event("moving", "3"));
        var third = await DueIn();
        await store.Accept(WakeSystem.Event("moving", "4") with { Urgent = true });
        var fourth = await DueIn();
        await store.Accept(WakeSystem.Event("moving", "5"));

        Assert.InRange(first, 55, 60);
        Assert.InRange(second, 55, 60);
        Assert.InRange(third, 0, 5);
        Assert.InRange(fourth, -60, 0);
        Assert.InRange(await DueIn(), -60, 0);

        Task<double> DueIn() =>
            store.Scalar<double>(
                "select extract(epoch from due_at - clock_timestamp())::float8 from wake_timers where session_id = $1",
                id
            );
    }
}
