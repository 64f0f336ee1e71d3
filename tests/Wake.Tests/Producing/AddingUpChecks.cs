using System.Text.Json;
using Wake.Contracts;
using Wake.Producers.GitHub;
using Wake.Producing;

namespace Wake.Tests.Producing;

/// <summary>One result of CI from many checks: github.md tells the rules.</summary>
public sealed class AddingUpChecks
{
    static JsonElement Check(long id, string name, string? conclusion, string app = "github-actions", long suite = 1) =>
        JsonSerializer.SerializeToElement(
            new
            {
                id,
                name,
                status = conclusion is null ? "in_progress" : "completed",
                conclusion,
                completed_at = conclusion is null ? null : "2026-11-20T22:01:19Z",
                app = new { slug = app },
                check_suite = new { id = suite },
            }
        );

    static JsonElement Status(long id, string context, string state) =>
        JsonSerializer.SerializeToElement(
            new
            {
                id,
                context,
                state,
            }
        );

    static CiRollup.Finished Finished(JsonElement[] checks, params JsonElement[] statuses) =>
        Assert.IsType<CiRollup.Finished>(CiRollup.Aggregate(checks, statuses));

    [Fact]
    public void Nothing_at_all_is_not_finished() => Assert.IsType<CiRollup.Unfinished>(CiRollup.Aggregate([], []));

    [Fact]
    public void What_still_runs_is_not_finished()
    {
        Assert.IsType<CiRollup.Unfinished>(CiRollup.Aggregate([Check(1, "a", "failure"), Check(2, "b", null)], []));
        Assert.IsType<CiRollup.Unfinished>(
            CiRollup.Aggregate([Check(1, "a", "success")], [Status(1, "ci", "pending")])
        );
    }

    [Theory]
    [InlineData("success", true)]
    [InlineData("neutral", true)]
    [InlineData("skipped", true)]
    [InlineData("failure", false)]
    [InlineData("timed_out", false)]
    [InlineData("cancelled", false)]
    [InlineData("action_required", false)]
    [InlineData("startup_failure", false)]
    [InlineData("stale", false)]
    public void A_conclusion_passes_or_fails(string conclusion, bool passes) =>
        Assert.Equal(
            passes ? "success" : "failure",
            Finished([Check(1, "a", "success"), Check(2, "b", conclusion)]).State
        );

    [Fact]
    public void A_failed_status_fails_it() =>
        Assert.Equal(["ci/old"], Finished([Check(1, "a", "success")], Status(2, "ci/old", "ERROR")).Failed);

    [Theory]
    [InlineData("6/push", "6/push", "failure", "success", null, 1)]
    [InlineData("6/push", "6/push", "failure", "skipped", "build", 1)]
    [InlineData("6/push", "6/push", "success", "failure", "build", 1)]
    [InlineData("6/push", "6/pull_request", "failure", "success", "build", 2)]
    [InlineData("6/push", "7/push", "failure", "success", "build", 2)]
    [InlineData(null, "6/push", "failure", "success", "build", 2)]
    [InlineData(null, null, "failure", "success", "build", 2)]
    public void Of_one_name_the_newest_counts_but_only_of_one_workflow_and_what_started_it_and_only_if_it_ran(
        string? older,
        string? newer,
        string first,
        string second,
        string? failed,
        int total
    )
    {
        var suites = new Dictionary<long, string>();
        if (older is not null)
            suites[10] = older;
        if (newer is not null)
            suites[11] = newer;

        var rollup = Assert.IsType<CiRollup.Finished>(
            CiRollup.Aggregate([Check(1, "build", first, suite: 10), Check(9, "build", second, suite: 11)], [], suites)
        );

        Assert.Equal((failed, total), (rollup.Failed.SingleOrDefault(), rollup.Total));
    }

    [Fact]
    public void A_second_run_that_is_not_over_is_waited_for() =>
        Assert.IsType<CiRollup.Unfinished>(
            CiRollup.Aggregate(
                [Check(1, "build", "failure", suite: 10), Check(9, "build", null, suite: 11)],
                [],
                new Dictionary<long, string> { [10] = "6/push", [11] = "6/push" }
            )
        );

    static WorkflowRun Run(long id, string status, string? conclusion, long suite = 1, long workflow = 6) =>
        new(
            id,
            $"Workflow {workflow}",
            $"{workflow}/push",
            suite,
            1,
            status,
            conclusion,
            DateTimeOffset.UnixEpoch,
            DateTimeOffset.UnixEpoch
        );

    [Theory]
    [InlineData("queued", null, "pending")]
    [InlineData("in_progress", null, "pending")]
    [InlineData("waiting", null, "action_required")]
    [InlineData("completed", "action_required", "action_required")]
    [InlineData("completed", "startup_failure", "failure")]
    [InlineData("completed", "cancelled", "failure")]
    [InlineData("completed", "success", "success")]
    [InlineData("completed", "skipped", "success")]
    public void A_run_without_jobs_counts_as_what_it_is(string status, string? conclusion, string state)
    {
        var rollup = CiRollup.Aggregate(
            [Check(1, "lint", "success", suite: 2)],
            [],
            null,
            [Run(7, status, conclusion)]
        );

        Assert.Equal(state is "success" or "failure", rollup is CiRollup.Finished);
        Assert.Equal(state, (rollup as CiRollup.Finished ?? ((CiRollup.Unfinished)rollup).SoFar).State);
    }

    [Fact]
    public void A_run_whose_jobs_tell_everything_adds_nothing()
    {
        var without = Finished([Check(1, "lint", "success"), Check(2, "build", "failure")]);
        var with = CiRollup.Aggregate(
            [Check(1, "lint", "success"), Check(2, "build", "failure")],
            [],
            null,
            [Run(7, "completed", "failure")]
        );

        Assert.Equal(
            (without.Total, without.Fingerprint),
            with is CiRollup.Finished all ? (all.Total, all.Fingerprint) : default
        );
    }

    [Fact]
    public void A_newer_run_of_the_same_workflow_takes_the_place_of_an_older_one() =>
        Assert.IsType<CiRollup.Finished>(
            CiRollup.Aggregate(
                [Check(1, "lint", "success", suite: 2)],
                [],
                null,
                [Run(7, "completed", "cancelled", suite: 1), Run(8, "completed", "success", suite: 2)]
            )
        );

    [Fact]
    public void Of_what_is_open_only_what_counts_or_runs_is_waited_for()
    {
        CiRollup With(CiRules rules, JsonElement[] checks, params JsonElement[] statuses) =>
            CiRollup.Aggregate(checks, statuses, rules: rules);

        var (green, tide) = (Check(1, "build", "success"), Status(1, "tide", "pending"));
        Assert.IsType<CiRollup.Unfinished>(With(CiRules.None, [green], tide));
        Assert.IsType<CiRollup.Finished>(With(new(["build"], []), [green], tide));
        Assert.IsType<CiRollup.Finished>(With(new([], ["ti*"]), [green], tide));
        Assert.IsType<CiRollup.Unfinished>(With(new(["build", "tide"], []), [green], tide));
        Assert.IsType<CiRollup.Unfinished>(With(new(["build", "deploy"], []), [green]));
        Assert.IsType<CiRollup.Unfinished>(With(new(["build"], []), [green, Check(2, "optional", null)]));
        Assert.Equal(
            "failure",
            Assert.IsType<CiRollup.Finished>(With(new(["build"], []), [green, Check(2, "optional", "failure")])).State
        );
    }

    // The status of a result comes after a turn, which may wait for the checks.
    [Fact]
    public void A_status_of_wake_that_a_branch_requires_is_not_waited_for()
    {
        var (green, tide) = (Check(1, "build", "success"), Status(1, "tide", "pending"));
        CiRules[] rules =
        [
            new(["build", "wake/fixer"], []),
            new(["wake/fixer"], []),
            CiRules.None with
            {
                Required = ["wake/fixer"],
            },
        ];

        Assert.All(rules, x => Assert.IsType<CiRollup.Finished>(CiRollup.Aggregate([green], [], rules: x)));
        // With nothing else required, everything counts.
        Assert.Equal(
            [false, true, true],
            rules.Select(x => CiRollup.Aggregate([green], [tide], rules: x) is CiRollup.Unfinished)
        );
    }

    [Fact]
    public void The_fingerprint_is_that_of_github_md_whatever_the_order()
    {
        // printf 'c/github-actions/a=1:success:2026-11-20T22:01:19Z\ns/ci=7:failure' | sha256sum
        var expected = Convert.ToHexStringLower(
            System.Security.Cryptography.SHA256.HashData(
                "c/github-actions/a=1:success:2026-11-20T22:01:19Z\nc/other/b=2:failure:2026-11-20T22:01:19Z\ns/ci=7:failure"u8
            )
        )[..16];

        var one = Finished([Check(1, "a", "success"), Check(2, "b", "failure", "other")], Status(7, "ci", "failure"));
        var other = Finished([Check(2, "b", "failure", "other"), Check(1, "a", "success")], Status(7, "ci", "failure"));

        Assert.Equal((expected, expected), (one.Fingerprint, other.Fingerprint));
        Assert.NotEqual(
            expected,
            Finished(
                [Check(3, "a", "success"), Check(2, "b", "failure", "other")],
                Status(7, "ci", "failure")
            ).Fingerprint
        );
    }

    [Fact]
    public void Real_answers_of_the_api_add_up()
    {
        var checks = JsonElement
            .Parse(Payload.Read("rest/commits.check-runs.page1.json"))
            .Items("check_runs")
            .ToArray();
        var statuses = JsonElement.Parse(Payload.Read("rest/commits.status.json")).Items("statuses").ToArray();

        Assert.Equal((4, "success"), Finished(checks, statuses) is var all ? (all.Total, all.State) : default);
    }

    [Fact]
    public void The_event_says_whose_ci_it_is_and_how_much_of_it_failed()
    {
        var rollup = Finished([Check(1, "a", "success"), Check(2, "b", "failure"), Check(3, "c", "timed_out")]);

        var observed = Assert.Single(
            GitHubEvents
                .Ci(GitHubObservation.Poll(new("github.com", "Octo-Org/Hello", 1)), "abc123", rollup, [972], new())
                .Events
        );

        Assert.Equal("CI of PR #972 is finished: failure (2 of 3)", observed.Reason);
        Assert.Equal($"github.ci.completed|github:octo-org/hello@abc123|{rollup.Fingerprint}", observed.DedupKey);
        Assert.Equal(["github:octo-org/hello#972"], observed.Related!);
    }

    [Theory]
    [InlineData("workflow_run", "f", 1001, Delivery.Ambient)]
    [InlineData("check_suite", "f", 1001, Delivery.Ambient)]
    [InlineData("workflow_run", "a", 1001, Delivery.Wake)]
    [InlineData("check_suite", "a", 1001, Delivery.Wake)]
    [InlineData("workflow_run", "f", 2002, Delivery.Wake)]
    public void What_ran_on_a_commit_that_its_pull_requests_have_left_starts_no_turn(
        string name,
        string head,
        long home,
        Delivery delivery
    )
    {
        var payload = JsonSerializer.SerializeToElement(
            new Dictionary<string, object>
            {
                ["action"] = "completed",
                [name] = new
                {
                    id = 1,
                    head_sha = new string('a', 40),
                    status = "completed",
                    conclusion = "cancelled",
                    updated_at = "2026-11-20T22:01:19Z",
                    pull_requests = new[]
                    {
                        new
                        {
                            number = 972,
                            head = new { sha = new string(head[0], 40) },
                            @base = new { repo = new { id = home } },
                        },
                    },
                },
                ["repository"] = new
                {
                    id = 1001,
                    full_name = "octo-org/hello",
                    html_url = "https://github.com/octo-org/hello",
                },
            }
        );

        Assert.Equal(delivery, Assert.Single(GitHubEvents.FromWebhook(name, payload, "1").Events).Delivery);
    }

    [Theory]
    [InlineData("success", "success")]
    [InlineData("failure", "failure")]
    [InlineData("error", "failure")]
    public void One_condition_holds_of_a_result_however_it_came(string state, string conclusion)
    {
        var seen = GitHubObservation.Poll(new("github.com", "octo-org/hello", 1));

        var whole = Assert.Single(
            GitHubEvents.Ci(seen, "abc123", Finished([], Status(1, "ci", state)), [972], new()).Events
        );
        var one = Assert.Single(GitHubEvents.Status(seen, "abc123", Status(1, "ci", state)).Events);

        Assert.Equal((conclusion, conclusion), (whole.Data?.Text("conclusion"), one.Data?.Text("conclusion")));
    }
}
