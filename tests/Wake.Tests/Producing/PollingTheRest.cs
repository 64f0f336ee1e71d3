using System.Text.Json;
using Wake.Producing;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>What a look finds besides pull requests and their checks, what it makes of failures, and where it must not
/// ask.</summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class PollingTheRest()
    : GitHubPollingTestBase(
        new Dictionary<string, string>
        {
            ["GitHub__WebhookSecrets__0"] = LoopbackGitHub.Secret,
            ["GitHub__PollInterval"] = "00:00:00.3",
            ["GitHub__Settle"] = "00:00:01",
        }
    )
{
    const string Log =
        "2026-11-20T22:01:18.0000000Z ##[group]Run make test\n"
        + "2026-11-20T22:01:19.1234567Z \u001b[31mexpected 4, got 5\u001b[0m\n"
        + "2026-11-20T22:01:19.1234568Z ##[error]Process completed with exit code 2.\n";

    async Task<ServiceProcess> Start(IReadOnlyDictionary<string, string>? settings = null)
    {
        var process = await wake.StartProcess("Wake.Standalone", settings);
        github.Hook.To = process.Url;
        return process;
    }

    async Task<string> Watching(params string[] things)
    {
        var key = await wake.Session();
        foreach (var thing in things)
            await wake.Watch(key, $"github:octo-org/hello{thing}");
        return key;
    }

    Task<bool> Happened(string type) => wake.Scalar<bool>("select exists (select from events where type = $1)", type);

    [Fact]
    public async Task Everything_else_that_is_watched_is_seen_too_and_reaches_its_session()
    {
        string head = LoopbackGitHub.Sha(30),
            merged = LoopbackGitHub.Sha(300),
            commit = LoopbackGitHub.Sha(99);
        github.Open(30);
        github.OpenIssue(31);
        github.Ref("heads/main", LoopbackGitHub.Sha(1));
        await Start();
        await Watching("#30", "#31", ":refs/heads/main", $"@{commit}", ":refs/tags/v1");
        await IsKnown("\"31\"");
        await IsKnown("refs/heads/main");
        await github.WaitForTwoPolls();

        github.CloseIssue(31);
        github.Comment(31, "Solved.", on: "issues");
        github.CommentOnCode(30, "Why so?");
        github.Status(commit, "ci/old", "failure");
        github.Deploy(head, "staging", "success");
        github.Deploy(LoopbackGitHub.Sha(5), "staging", "success");
        github.Merge(30, merged);
        github.Ref("heads/main", merged);
        github.Deploy(merged, "production", "failure");
        github.Release("v1");
        github.Release("v2");

        string[] expected =
        [
            $"github.ci.completed @{commit}",
            $"github.deployment.completed @{head}",
            $"github.deployment.completed @{merged}",
            "github.issue.closed #31",
            "github.issue.comment_created #31",
            "github.pull_request.merged #30",
            "github.pull_request.review_comment_created #30",
            "github.push :refs/heads/main",
            "github.release.published :refs/tags/v1",
            $"github.status.completed @{commit}",
        ];
        await Eventually.Holds(async () => await wake.Scalar<long>("select count(*) from events") >= expected.Length);
        await github.WaitForTwoPolls();
        await wake.WaitUntilIdle();
        Assert.Equal(
            expected.Order(StringComparer.Ordinal),
            (await wake.Scalar<string[]>("select array_agg(type || ' ' || substr(subject, 22)) from events")).Order(
                StringComparer.Ordinal
            )
        );
        Assert.Equal(
            0,
            await wake.Scalar<long>(
                "select count(*) from events where not exists (select from inbox where event = seq)"
            )
        );
    }

    [Fact]
    public async Task What_was_closed_and_is_reopened_is_told_once_though_something_was_written_before_the_look()
    {
        github.Open(32);
        github.OpenIssue(33);
        await Start();
        await Watching("#32", "#33");
        await IsKnown("\"32\"");
        await IsKnown("\"33\"");

        github.Close(32);
        github.CloseIssue(33);
        await Eventually.Holds(() => Happened("github.pull_request.closed"));
        await Eventually.Holds(() => Happened("github.issue.closed"));
        // That it was told is kept a moment later.
        await github.WaitForTwoPolls();
        github.Reopen(32);
        github.ReopenIssue(33);
        await Eventually.Holds(() => Happened("github.pull_request.reopened"));
        await Eventually.Holds(() => Happened("github.issue.reopened"));
        await github.WaitForTwoPolls();
        Assert.True(await github.DeliverReopening("pull_request", 32));
        Assert.True(await github.DeliverReopening("issue", 33));
        await Eventually.Holds(
            async () => await wake.Scalar<long>("select count(*) from duplicates") == 2,
            "both came"
        );

        Assert.Equal(
            [
                "github.issue.closed",
                "github.issue.reopened",
                "github.pull_request.closed",
                "github.pull_request.reopened",
            ],
            (
                await wake.Scalar<string[]>(
                    "select array_agg(type) from events where type like '%.closed' or type like '%.reopened'"
                )
            ).Order(StringComparer.Ordinal)
        );
    }

    [Theory]
    [InlineData(false, 5000)]
    [InlineData(true, 5000)]
    [InlineData(false, 2500)]
    public async Task A_failed_job_comes_with_an_excerpt_while_quota_is_left_and_the_host_of_its_log_gets_no_token(
        bool forbidden,
        int remaining
    )
    {
        var head = LoopbackGitHub.Sha(40);
        (github.ChecksForbidden, github.Remaining) = (forbidden, remaining);
        github.Open(40);
        github.Check(head, "build", null, id: 400);
        github.Run(4, head, 400, null);
        await Start();
        var key = await Watching("#40");
        await IsKnown(head);

        github.Check(head, "build", "failure", id: 400);
        github.Run(4, head, 400, "failure", Log);

        await Eventually.Holds(() => Happened("github.ci.completed"));
        await github.WaitForTwoPolls();
        var excerpt =
            remaining < 5000
                ? null
                : "##[group]Run make test\nexpected 4, got 5\n##[error]Process completed with exit code 2.";
        Assert.Equal([("github.ci.completed", excerpt), ("github.workflow_run.completed", excerpt)], await Excerpts());
        var stored = github.Requests.Where(x => x.Path == "/400").Select(x => x.Authorization);
        Assert.Equal(excerpt is null ? [] : [null], stored);

        // Once by the poll, and once by the first turn that asks whether it is still so.
        await wake.WaitForTurnEnd(key, 1);
        await wake.WaitUntilIdle();
        var other = await wake.Session();
        await wake.Post(
            WakeSystem.Event($"github:octo-org/hello@{head}", "red") with
            {
                Type = "github.ci.completed",
                Sessions = [other],
                Data = JsonElement.Parse("""{"conclusion": "failure"}"""),
            }
        );
        await wake.WaitForTurnEnd(other, 1);
        await wake.WaitUntilIdle();
        Assert.Equal(
            forbidden ? 2 : 0,
            github.Counted.Count(x => x.Path.EndsWith("/check-runs", StringComparison.Ordinal) && x.Status == 403)
        );
    }

    [Fact]
    public async Task Two_runs_with_jobs_of_one_name_differ_also_when_newer_runs_hide_them_and_go_with_their_commit()
    {
        var head = LoopbackGitHub.Sha(42);
        github.PageSize = 1;
        github.Open(42);
        github.Run(1, head, 421, "failure", suite: 50, started: "push");
        github.Run(2, head, 422, "failure", suite: 51, started: "pull_request");
        github.Run(3, head, 423, "success", suite: 52, started: "pull_request");
        github.Run(4, LoopbackGitHub.Sha(1), 424, "success", suite: 53);
        github.Check(head, "build", "failure", id: 421, suite: 50);
        github.Check(head, "build", "failure", id: 422, suite: 51);
        github.Check(head, "build", "success", id: 423, suite: 52);
        await Start();

        await Watching("#42");

        await Eventually.Holds(() => Happened("github.ci.completed"));
        Assert.Equal(
            "CI of PR #42 is finished: failure (1 of 2)",
            await wake.Scalar<string>("select reason from events where type = 'github.ci.completed'")
        );
        await IsKnown("6/pull_request");
        github.Push(42, LoopbackGitHub.Sha(43));
        await Eventually.Holds(
            async () => !await wake.Scalar<bool>("select state::text like '%6/pull_request%' from github.cursors"),
            "the old head is forgotten"
        );
    }

    [Fact]
    public async Task Who_merges_before_the_checks_have_ended_is_told_what_became_of_them()
    {
        var head = LoopbackGitHub.Sha(44);
        github.Open(44);
        github.Check(head, "build", null);
        await Start();
        var key = await wake.Session();
        await wake.Watch(key, "github:octo-org/hello#44", types: ["github.ci.*"]);
        await IsKnown(head);

        github.Merge(44);
        await Eventually.Holds(() => Happened("github.pull_request.merged"));
        github.Check(head, "build", "failure");

        await wake.WaitForTurnEnd(key, 1);
        Assert.Equal(
            "CI of PR #44 is finished: failure (1 of 1)",
            Assert.Single((await wake.Turns(key)).SelectMany(x => x.Reasons))
        );
    }

    [Fact]
    public async Task What_no_run_reports_is_seen_minutes_after_ci_ended_and_by_a_pull_request_that_comes_later()
    {
        var head = LoopbackGitHub.Sha(45);
        github.Open(45);
        github.Open(46, head: head);
        github.Check(head, "build", "success");
        await Start();
        await Watching("#45");
        await Eventually.Holds(() => Happened("github.ci.completed"));

        await Watching("#46");
        await Eventually.Holds(
            async () => await wake.Scalar<long>("select count(*) from duplicates") == 1,
            "it is said of the second one too"
        );
        github.Status(head, "ci/old", "failure");
        github.Check(head, "build", "success");
        await github.WaitForTwoPolls();
        Assert.Equal(1, await wake.Scalar<long>("select count(*) from events"));

        await Eventually.Holds(async () =>
        {
            await wake.Execute(
                """
                update github.cursors
                set state = regexp_replace(
                    state::text, '"LookedAt":"[^"]*"', '"LookedAt":"2026-01-01T00:00:00Z"', 'g'
                )::json
                """
            );
            return await Happened("github.status.completed");
        });

        await Eventually.Holds(async () =>
            await wake.Scalar<long>("select count(*) from events where type = 'github.ci.completed'") == 2
        );
        await github.WaitForTwoPolls();
        Assert.Equal(
            [
                "CI of PR #45 is finished: success",
                "Status ci/old of " + head[..8] + ": failure",
                "CI of PR #45, #46 is finished: failure (1 of 2)",
            ],
            await wake.Scalar<string[]>("select array_agg(reason order by seq) from events")
        );
        Assert.Equal(1, await wake.Scalar<long>("select count(*) from duplicates"));
    }

    [Fact]
    public async Task A_deployment_is_waited_for_also_when_others_have_pushed_it_off_the_page()
    {
        var head = LoopbackGitHub.Sha(47);
        github.PageSize = 2;
        github.Open(47);
        await Start();
        await Watching("#47");
        await IsKnown(head);
        var deployment = github.Deploy(head, "production", "in_progress");
        await IsKnown($"\"{deployment}\"");
        github.Deploy(LoopbackGitHub.Sha(1), "preview", "in_progress");
        github.Deploy(LoopbackGitHub.Sha(2), "preview", "in_progress");
        await github.WaitForTwoPolls();

        github.Deploy(deployment, "failure");

        await Eventually.Holds(() => Happened("github.deployment.completed"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_delivery_about_the_fork_of_a_watched_pull_request_wakes_its_session_with_or_without_a_log(
        bool log
    )
    {
        var head = LoopbackGitHub.Sha(41);
        github.Open(41, headRepository: "somebody/hello");
        github.Run(4, head, 410, null);
        await Start(new Dictionary<string, string> { ["GitHub__PollInterval"] = "1.00:00:00" });
        var key = await wake.Session();
        await wake.Watch(key, "github:octo-org/hello#41", types: ["github.workflow_run.completed"]);
        await IsKnown(head);
        await Eventually.Holds(
            async () => await wake.Scalar<bool>("select due_at > now() + interval '1 hour' from github.cursors"),
            "the look is over"
        );

        github.Run(4, head, 410, "failure", log ? Log : null);
        Assert.True(await github.DeliverRun());

        await wake.WaitForTurnEnd(key, 1);
        Assert.Equal(
            "github:webhook",
            await wake.Scalar<string>("select source from events where type = 'github.workflow_run.completed'")
        );
        Assert.Equal(
            log,
            Assert.Single(await Excerpts(), x => x.Type == "github.workflow_run.completed").Excerpt is not null
        );
    }

    [Fact]
    public async Task A_gap_of_more_deliveries_than_one_look_reads_is_closed_by_the_next_looks()
    {
        github.PageSize = 1;
        for (var number = 1; number <= 33; number++)
            Assert.False(await github.DeliverIssue(number));

        await Start(
            new Dictionary<string, string> { ["GitHub__Accounts__main__Hooks__0"] = "repos/octo-org/hello/hooks/5" }
        );

        await Eventually.Holds(async () => await wake.Scalar<long>("select count(*) from events") == 33);
    }

    [Fact]
    public async Task What_happens_twice_within_a_second_or_between_two_looks_is_seen_twice()
    {
        github.Open(50);
        await Start();
        var key = await Watching("#50");
        await IsKnown("\"50\"");

        github.Push(50, LoopbackGitHub.Sha(51));
        await IsKnown(LoopbackGitHub.Sha(51));
        github.Review(50, "APPROVED", "Good.", late: true);
        await wake.WaitForTurnEnd(key, 1);

        github.Close(50);
        await wake.WaitForTurnEnd(key, 2);
        github.Merge(50);
        await wake.WaitForTurnEnd(key, 3);

        Assert.Equal(
            [
                "PR #50 (Change 50) has new commits",
                "PR #50: octocat approved it: Good.",
                "PR #50 (Change 50) was closed without a merge",
                "PR #50 (Change 50) was merged",
            ],
            (await wake.Turns(key)).SelectMany(x => x.Reasons)
        );
    }

    [Fact]
    public async Task An_enterprise_server_is_another_host_and_its_account_asks_for_nothing_elsewhere()
    {
        github.Base = "/api/v3";
        github.TokenExpires = DateTimeOffset.UtcNow.AddDays(6);
        github.Open(60);
        github.Open(61);
        var process = await Start(
            new Dictionary<string, string>
            {
                ["GitHub__Accounts__main__Host"] = "ghe.example.com",
                ["GitHub__Accounts__main__Api"] = $"{github.Url}api/v3",
            }
        );
        var key = await wake.Session();
        await wake.Watch(key, "github@ghe.example.com:octo-org/hello#60", types: ["github.pull_request.merged"]);
        await wake.Watch(key, "github:octo-org/hello#61");
        await IsKnown("\"60\"");

        github.Merge(60);
        github.Merge(61);

        await wake.WaitForTurnEnd(key, 1);
        await github.WaitForTwoPolls();
        await wake.WaitUntilIdle();
        Assert.Equal(
            "github@ghe.example.com:octo-org/hello#60",
            await wake.Scalar<string>("select string_agg(subject, ' ') from events")
        );
        // The base branch is asked for its required checks, and has none that this account may see.
        Assert.All(
            github.Requests,
            x =>
                Assert.True(
                    (x.Status is 200 or 304 || x.Path.EndsWith("/branches/main", StringComparison.Ordinal))
                        && x.Path.StartsWith("/repos/octo-org/hello/", StringComparison.Ordinal),
                    $"{x}"
                )
        );
        Assert.DoesNotContain(
            github.Requests,
            x =>
                x.Path.EndsWith("/61", StringComparison.Ordinal)
                || x.Path.EndsWith("/deployments", StringComparison.Ordinal)
                || x.Path.EndsWith("/releases", StringComparison.Ordinal)
        );
        Assert.Single(process.Log.Split('\n'), x => x.Contains("expires at", StringComparison.Ordinal));
    }

    async Task<IEnumerable<(string Type, string? Excerpt)>> Excerpts() =>
        (await wake.Scalar<string[]>("select array_agg(type || ' ' || data::text order by type) from events"))
            .Select(x => x.Split(' ', 2))
            .Select(x => (x[0], JsonElement.Parse(x[1]).Text("excerpt")));
}
