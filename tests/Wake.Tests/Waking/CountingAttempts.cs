using System.Text.Json;
using Wake.Contracts;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>How often a session tries to mend CI of a pull request, and what happens then.</summary>
public sealed class CountingAttempts(TestStore store) : IClassFixture<TestStore>, IAsyncLifetime
{
    static readonly CancellationToken None = CancellationToken.None;

    readonly string pull = $"github:octo-org/r{Guid.NewGuid():N}#1";
    int commits,
        wakes;

    string Key => $"fixer@{pull}";

    public Task InitializeAsync() => Route(new());

    public async Task DisposeAsync()
    {
        await store.Routes.ReplaceConfigured(new Dictionary<string, RouteDefinition>(), None);
        await new Pauses(store.Database).ReplaceProfiles(
            new Dictionary<string, (string, CiPolicy?, ReportPolicy?)>(),
            None
        );
    }

    Task Route(CiPolicy? policy) =>
        store.Routes.ReplaceConfigured(
            new Dictionary<string, RouteDefinition>
            {
                ["ci"] = new()
                {
                    Types = ["github.ci.completed"],
                    Where = ["data.conclusion = failure"],
                    Session = "fixer@{subject}",
                    Workspace = "/srv/wake/{session}",
                    Subject = "github:octo-org/*#*",
                    Ci = policy,
                },
            },
            None
        );

    // A push of the session comes to this, and wakes it.
    async Task<TurnClaim> Red(
        string error,
        string check = "build",
        string failure = "tests",
        bool own = true,
        string? excerpt = null
    )
    {
        await Tell("failure", Failure(error, check, failure, own, excerpt));
        return await Count(await store.OpenTurn(await Id(), ++wakes));
    }

    object Failure(
        string error,
        string check = "build",
        string failure = "tests",
        bool own = true,
        string? excerpt = null
    ) =>
        new
        {
            conclusion = "failure",
            sha = Sha(++commits),
            own,
            failure,
            failed = check,
            checks = new[]
            {
                new
                {
                    name = check,
                    conclusion = "failure",
                    failure,
                },
            },
            excerpt = excerpt ?? $"Building\n##[error]{error}\n",
        };

    Task Green() =>
        Tell(
            "success",
            new
            {
                conclusion = "success",
                sha = Sha(++commits),
                own = true,
            }
        );

    async Task Tell(string conclusion, object data) =>
        await store.Accept(
            WakeSystem.Event(pull, $"{conclusion} {Guid.NewGuid()}") with
            {
                Type = "github.ci.completed",
                Subject = $"{pull.Split('#')[0]}@{Sha(commits)}",
                Related = [pull],
                Sessions = null,
                Data = JsonSerializer.SerializeToElement(data),
            }
        );

    async Task<TurnClaim> ClaimAgain()
    {
        var claim = await store.Turns.Claim(await Id(), wakes, "test", TimeSpan.FromMinutes(10), None);
        return claim is TurnClaim.Granted { Turn: var turn } ? await Count(turn) : claim;
    }

    async Task<Guid> Id() => (await store.Sessions.Find(Key, None))!.Id;

    // As whoever has claimed a turn does it before it is run.
    async Task<TurnClaim> Count(ClaimedTurn claimed)
    {
        var (turn, spent) = await store.Turns.CountCiAttempts(claimed, None);
        if (spent is null)
            return new TurnClaim.Granted(turn);

        Assert.True(await store.Turns.Release(turn, new TurnRelease.Park(null, spent), answered: false, default, None));
        return new TurnClaim.NotDue();
    }

    async Task<CiAttempt?> Try(Task<TurnClaim> red, string said = "done")
    {
        var turn = Assert.IsType<TurnClaim.Granted>(await red).Turn;
        Assert.True(await store.Turns.EndTurn(turn, TurnOutcome.Completed, null, default, None, lastWords: said));
        return Assert.Single(turn.Events).Ci;
    }

    static string Sha(int commit) => LoopbackGitHub.Sha(commit);

    async Task<Store.SessionExplanation> Explained() => (await store.Explain.ExplainSession(Key, None))!;

    [Fact]
    public async Task Three_attempts_are_told_what_was_tried_before_and_the_fourth_waits_for_a_person()
    {
        var first = await Try(Red("missing ; in a.cs:1"), "I added a ;");
        var second = await Try(Red("no method Run"), "I added the method");
        Assert.Equal((1, 3, "build"), (first!.Number, first.Of, first.Check));
        Assert.Equal((2, 2, 6), (second!.Number, second.Total, second.TotalOf));
        var before = Assert.Single(second.Before);
        Assert.Equal((1, Sha(1), "I added a ;"), (before.Number, before.Sha, before.Said));
        Assert.Equal(3, (await Try(Red("two failures in tests")))!.Number);

        Assert.IsType<TurnClaim.NotDue>(await Red("a null reference error"));

        var explained = await Explained();
        Assert.Equal(Store.SessionState.Parked, explained.Session.State);
        Assert.StartsWith($"CI of {pull}: build is red after 3 attempts to mend it.", explained.Session.LastTurn!.Note);
        var summary = Assert.Single(explained.Ledger, x => x.What == "escalated").Note!;
        Assert.All(
            (string[])["missing ;", "no method Run", "two failures", "a null reference", "I added the method"],
            x => Assert.Contains(x, summary)
        );
        Assert.Contains(
            await new Backlog(store.Database).GetByState(None),
            x => x is { State: "escalated", Sessions: > 0 }
        );
    }

    [Fact]
    public async Task A_person_who_wakes_it_again_allows_a_new_budget_and_it_is_escalated_once()
    {
        await Route(new() { AttemptsPerCheck = 1 });
        await Try(Red("first error"));
        Assert.IsType<TurnClaim.NotDue>(await Red("second error"));

        // What else lets it be claimed changes nothing.
        await store.Execute("update turns set not_before = null where ended_at is null");
        Assert.IsType<TurnClaim.NotDue>(await ClaimAgain());
        Assert.Single((await Explained()).Ledger, x => x.What == "escalated");

        await store.Execute("update turns set not_before = null, insisted = true where ended_at is null");
        Assert.Equal(1, (await Try(ClaimAgain()))!.Number);
        Assert.IsType<TurnClaim.NotDue>(await Red("third error"));
        Assert.Equal(2, (await Explained()).Ledger.Count(x => x.What == "escalated"));
    }

    [Fact]
    public async Task The_same_first_error_is_the_same_attempt_and_the_third_time_it_waits_for_a_person()
    {
        Assert.Equal(1, (await Try(Red("Test 7 failed after 12.5 s in /home/r1/a.cs")))!.Number);
        var again = (await Try(Red("Test 8 failed after 3 s in /home/r2/b.cs")))!;
        Assert.Equal((1, 1, true), (again.Number, again.Total, again.GoesOn));

        Assert.IsType<TurnClaim.NotDue>(await Red("Test 9 failed after 1 s in /home/r3/c.cs"));

        Assert.Contains("three times in a row", (await Explained()).Session.LastTurn!.Note);
    }

    [Fact]
    public async Task What_comes_back_after_something_else_waits_for_a_person()
    {
        await Try(Red("unused variable"));
        await Try(Red("undefined variable", check: "lint"));

        Assert.IsType<TurnClaim.NotDue>(await Red("unused variable"));

        Assert.Contains(
            "goes in a circle: it fails again as it did in wake 1",
            (await Explained()).Session.LastTurn!.Note
        );
    }

    [Fact]
    public async Task CI_that_has_passed_begins_a_new_budget_though_the_session_was_not_told()
    {
        await Route(new() { AttemptsPerCheck = 1 });
        await Try(Red("first error"));
        await Green();

        Assert.Equal(1, (await Try(Red("second error")))!.Number);
        Assert.IsType<TurnClaim.NotDue>(await Red("third error"));
    }

    [Fact]
    public async Task A_failure_of_what_runs_the_tests_spends_nothing()
    {
        await Route(new() { AttemptsPerCheck = 1, AttemptsPerPullRequest = 1 });
        for (var time = 0; time < 4; time++)
            Assert.Equal(0, (await Try(Red("the runner is gone", failure: "infrastructure")))!.Number);

        Assert.Equal(1, (await Try(Red("an error")))!.Number);
        Assert.Equal(0, (await Try(Red("the runner is gone", failure: "infrastructure")))!.Number);
        Assert.IsType<TurnClaim.NotDue>(await Red("another error"));
    }

    [Fact]
    public async Task All_attempts_at_a_pull_request_are_bounded_whatever_the_check()
    {
        await Route(new() { AttemptsPerPullRequest = 2 });
        await Try(Red("one error", check: "a"));
        await Try(Red("two errors", check: "b"));

        Assert.IsType<TurnClaim.NotDue>(await Red("other errors", check: "c"));

        Assert.Contains("CI is red after 2 attempts", (await Explained()).Session.LastTurn!.Note);
    }

    [Fact]
    public async Task Without_escalation_it_is_only_told_the_count_and_others_pull_requests_are_not_counted()
    {
        await Route(new() { AttemptsPerCheck = 1, Escalate = false });
        Assert.Null(await Try(Red("somebody's error", own: false)));
        await Try(Red("first error"));
        Assert.Equal(2, (await Try(Red("second error")))!.Number);
        await Route(new() { AttemptsPerCheck = 2, AllPullRequests = true });
        Assert.IsType<TurnClaim.NotDue>(await Red("third error", own: false));
    }

    [Fact]
    public async Task A_turn_that_is_claimed_again_is_the_same_attempt_and_is_told_the_same()
    {
        await Try(Red("first error"));
        var turn = Assert.IsType<TurnClaim.Granted>(await Red("second error")).Turn;
        await store.Execute("update turns set lease_until = now() where ended_at is null");

        var again = Assert.IsType<TurnClaim.Granted>(await ClaimAgain()).Turn;

        Assert.Equal(2, turn.Events[0].Ci!.Number);
        Assert.Equivalent(turn.Events[0].Ci, again.Events[0].Ci);
        Assert.Equal(2, await store.Scalar<long>("select count(*) from ci_attempts where subject = $1", pull));
    }

    [Fact]
    public async Task A_watch_that_ends_with_the_failure_counts_it_too_and_so_does_one_beside_another()
    {
        await DisposeAsync();
        var key = $"watcher {Guid.NewGuid()}";
        var session = await store.Session(key);
        await store.Watches.Create(key, new(pull), None);
        await store.Watches.Create(
            key,
            new(pull)
            {
                Once = true,
                Ci = new() { AttemptsPerCheck = 2 },
            },
            None
        );

        await Tell("failure", Failure("first error"));

        var (turn, _) = await store.Turns.CountCiAttempts(await store.OpenTurn(session), None);
        var attempt = Assert.Single(turn.Events).Ci!;
        Assert.Equal((1, 2), (attempt.Number, attempt.Of));
    }

    [Theory]
    [InlineData(null, null, null, null, null)]
    [InlineData(null, null, 4, 4, "profile careful")]
    [InlineData(null, 3, 4, 3, "route ci")]
    [InlineData(2, 3, 4, 2, "watch")]
    [InlineData(2, null, 4, 2, "watch")]
    public async Task A_watch_says_it_before_a_route_and_a_route_before_the_profile(
        int? watch,
        int? route,
        int? profile,
        int? expected,
        string? whose
    )
    {
        await Route(Policy(route));
        await new Pauses(store.Database).ReplaceProfiles(
            new Dictionary<string, (string, CiPolicy?, ReportPolicy?)>
            {
                ["default"] = ("default", new() { AttemptsPerCheck = 9 }, null),
                ["careful"] = ("default", Policy(profile), null),
            },
            None
        );
        var created = await store.Sessions.Create(Key, "/", "careful", null, None);
        var session = Assert.IsType<Store.SessionCreation.Created>(created).Session.Id;
        await store.Watches.Create(Key, new(pull) { Ci = Policy(watch) }, None);

        await Tell("failure", Failure("first error"));

        var (turn, _) = await store.Turns.CountCiAttempts(await store.OpenTurn(session), None);
        Assert.Equal(expected, Assert.Single(turn.Events).Ci?.Of);
        Assert.Equal(
            whose is null ? [] : [$"attempt 1 of {expected} at build, 1 of 6 for {pull}, as {whose} says"],
            (await Explained()).Ledger.Where(x => x.What == "ciAttempt").Select(x => x.Note!)
        );

        static CiPolicy? Policy(int? attempts) => attempts is { } each ? new() { AttemptsPerCheck = each } : null;
    }

    // Of a profile that is not configured it is that of the default one.
    [Theory]
    [InlineData("unknown", true, RerunFor.Sessions)]
    [InlineData("default", true, RerunFor.Sessions)]
    [InlineData("other", true, RerunFor.Nobody)]
    [InlineData("default", false, RerunFor.Nobody)]
    public async Task Failed_jobs_are_rerun_first_where_the_profile_of_who_watches_says_so(
        string profile,
        bool rerun,
        RerunFor expected
    )
    {
        await Route(null);
        var watched = new WatchedSubjects(store.Database);
        await store.Session(Key, profile);
        await store.Watches.Create(Key, new(pull), None);
        await Profiles(null);
        Assert.Equal(RerunFor.Nobody, await Rerun());

        await Profiles(new() { RerunFirst = rerun });

        Assert.Equal(expected, await Rerun());

        Task Profiles(CiPolicy? policy) =>
            new Pauses(store.Database).ReplaceProfiles(
                new Dictionary<string, (string, CiPolicy?, ReportPolicy?)>
                {
                    ["default"] = ("default", policy, null),
                    ["other"] = ("default", null, null),
                },
                None
            );

        async Task<RerunFor> Rerun() => Assert.Single(await watched.FindByPrefix(pull, None)).Rerun;
    }

    [Fact]
    public void A_profile_is_refused_whose_attempts_are_out_of_bounds()
    {
        var profiles = new Profiles
        {
            ["mender"] = new()
            {
                Ci = new() { AttemptsPerCheck = 0, AttemptsPerPullRequest = 101 },
            },
            ["other"] = new() { Ci = new() },
        };

        Assert.Equal(
            [
                "Profiles:mender:Ci:AttemptsPerCheck must be from 1 to 100.",
                "Profiles:mender:Ci:AttemptsPerPullRequest must be from 1 to 100.",
            ],
            profiles.Validate(new(new object())).Select(x => x.ErrorMessage)
        );
    }

    [Fact]
    public async Task What_is_no_longer_so_when_the_turn_begins_is_no_attempt()
    {
        await Route(new() { AttemptsPerCheck = 1 });
        await Tell("failure", Failure("first error"));
        var turn = await store.OpenTurn(await Id(), ++wakes);
        var over = turn with
        {
            Events = [turn.Events[0] with { Fact = new(FactAnswer.NoLonger, "the check is green by now", default) }],
        };

        Assert.Null(Assert.IsType<TurnClaim.Granted>(await Count(over)).Turn.Events[0].Ci);

        Assert.True(await store.Turns.EndTurn(turn, TurnOutcome.Stale, null, default, None));
        Assert.Equal(1, (await Try(Red("second error")))!.Number);
    }

    [Theory]
    [InlineData(
        "0 errors\nsrc/a.cs(12,5): error CS1002: ; expected\n##[error]Process completed with exit code 1.",
        "( ): error CS : ; expected"
    )]
    [InlineData("go test\n--- FAIL: TestRun (0.01s)\n    a_test.go:12: got 3\n", "--- FAIL: TestRun ( s)")]
    [InlineData("all is quiet\n\n##[error]Process completed with exit code 2.", "all is quiet")]
    [InlineData("##[error]Process completed with exit code 2.", null)]
    [InlineData("NullReferenceException at /home/runner/work/a/b.cs:17", "NullReferenceException at :")]
    [InlineData(null, null)]
    public void The_first_error_is_compared_without_numbers_paths_and_times(string? excerpt, string? error) =>
        Assert.Equal(error, CiResult.FirstError(excerpt)?.Replace("  ", " "));

    [Theory]
    [InlineData("no text at all")]
    [InlineData("\u0000")]
    public async Task Odd_text_is_kept_as_far_as_it_can_be(string excerpt)
    {
        await Route(new() { AttemptsPerCheck = 1 });
        await Try(Red("", check: "a\u0000b", excerpt: excerpt));

        Assert.IsType<TurnClaim.NotDue>(await Red("", check: "a\u0000b", excerpt: "other error"));
    }
}
