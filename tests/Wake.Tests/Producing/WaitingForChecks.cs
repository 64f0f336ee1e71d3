using System.Text.Json.Nodes;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>When CI has ended, and what is told when it does not: what a session that waits for it hears, with a GitHub
/// on loopback.</summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class WaitingForChecks()
    : GitHubPollingTestBase(
        new Dictionary<string, string>
        {
            ["GitHub__WebhookSecrets__0"] = LoopbackGitHub.Secret,
            ["GitHub__PollInterval"] = "00:00:00.3",
            ["GitHub__Settle"] = "00:00:01",
            // Longer than a starved machine needs from what is pending at first to what is pending for good.
            ["GitHub__PendingAfter"] = "00:00:20",
        }
    )
{
    static readonly string Head = LoopbackGitHub.Sha(1);

    // A session that waits for CI of the pull request, as `wake watch --ci` says it.
    async Task<string> Waiting(IReadOnlyDictionary<string, string>? settings = null, params string[] types)
    {
        var process = await wake.StartProcess("Wake.Standalone", settings);
        github.Hook.To = process.Url;
        var key = await wake.Session();
        await wake.Watch(key, "github:octo-org/hello#1", types: types is [] ? ["github.ci.*"] : types);
        await IsKnown(Head);
        return key;
    }

    async Task<IEnumerable<string>> Told(string key)
    {
        await github.WaitForTwoPolls();
        await github.WaitForTwoPolls();
        await wake.WaitUntilIdle();
        return (await wake.Turns(key)).SelectMany(x => x.Reasons);
    }

    [Theory]
    [InlineData("queued")]
    [InlineData("pending")]
    [InlineData("requested")]
    [InlineData("in_progress")]
    public async Task A_workflow_that_has_not_begun_its_jobs_is_waited_for_however_many_newer_runs_hide_it(
        string status
    )
    {
        github.PageSize = 2;
        github.Open(1);
        github.Run(1, Head, 11, null, suite: 51, workflow: 61, name: "Main CI", going: status);
        github.Run(2, Head, 12, null, suite: 52, workflow: 62, name: "Lint");
        github.Check(Head, "lint", null, id: 12, suite: 52);
        for (var id = 3; id < 6; id++)
            github.Run(id, LoopbackGitHub.Sha(9), id, "success", suite: 60 + id);
        var key = await Waiting(Patient);

        github.Check(Head, "lint", "success", id: 12, suite: 52);
        github.Run(2, Head, 12, "success", suite: 52, workflow: 62, name: "Lint");
        await github.WaitForTwoPolls();
        await Task.Delay(TimeSpan.FromSeconds(1.5));
        await github.WaitForTwoPolls();
        github.Check(Head, "build", null, id: 11, suite: 51);
        await github.WaitForTwoPolls();
        github.Run(1, Head, 11, "failure", suite: 51, workflow: 61, name: "Main CI");
        github.Check(Head, "build", "failure", id: 11, suite: 51);

        Assert.Equal(TurnOf("failure (1 of 2)"), await First(key));
        Assert.Single(await Told(key));
    }

    [Theory]
    [InlineData("startup_failure")]
    [InlineData("cancelled")]
    public async Task A_workflow_that_ended_badly_without_jobs_is_no_success(string conclusion)
    {
        github.Open(1);
        github.Check(Head, "lint", "success", suite: 52);
        github.Run(1, Head, 11, conclusion, suite: 51, workflow: 61, name: "Main CI");
        github.Run(2, Head, 12, "success", suite: 52, workflow: 62, name: "Lint");
        var key = await Waiting();

        Assert.Equal(
            TurnOf($"failure (1 of 2); no test has failed: Main CI ended with {conclusion}"),
            await First(key)
        );
        Assert.Equal(
            "Main CI",
            await wake.Scalar<string>("select data ->> 'failed' from events where type = 'github.ci.completed'")
        );
    }

    [Fact]
    public async Task What_stays_pending_is_told_once_with_its_name_and_the_end_of_it_when_it_comes()
    {
        github.Open(1);
        github.Check(Head, "build", null);
        github.Status(Head, "tide", "pending");
        var key = await Waiting(types: "github.ci.completed");

        github.Check(Head, "build", "success");

        Assert.Matches("^CI of PR #1: all has ended but tide, pending since 20[0-9T:Z-]+$", await First(key));
        Assert.Single(await Told(key));
        Assert.Equal(
            "pending tide",
            await wake.Scalar<string>(
                "select concat_ws(' ', data ->> 'conclusion', data ->> 'pending') from events where type = "
                    + "'github.ci.completed'"
            )
        );
        github.Status(Head, "tide", "success");
        await Rung();
        await wake.WaitForTurnEnd(key, 2);
        Assert.Equal("CI of PR #1 is finished: success", (await Told(key)).Last());
    }

    [Theory]
    [InlineData("protection")]
    [InlineData("rule")]
    [InlineData("settings")]
    public async Task What_nobody_requires_does_not_hold_the_end_and_is_told_only_if_it_changes_it(string said)
    {
        github.Open(1);
        if (said == "protection")
            github.Protect("main", "build");
        if (said == "rule")
            github.Rule("main", "build");
        github.Check(Head, "build", null);
        github.Status(Head, "tide", "pending");
        github.Status(Head, "cla", "pending");
        var key = await Waiting(
            new Dictionary<string, string>
            {
                ["GitHub__PendingAfter"] = "01:00:00",
                ["GitHub__Checks__0__Repositories__0"] = "octo-org/*",
                [said == "settings" ? "GitHub__Checks__0__Required__0" : "GitHub__Checks__0__Ignored__0"] =
                    said == "settings" ? "bui*" : "nothing",
                ["GitHub__Checks__1__Repositories__0"] = "another/*",
                ["GitHub__Checks__1__Required__0"] = "what there is not",
            }
        );

        github.Check(Head, "build", "success");

        Assert.Equal(TurnOf("success; cla, tide are not required and still pending"), await First(key));
        github.Status(Head, "tide", "success");
        await Rung();
        Assert.Single(await Told(key));
        github.Status(Head, "cla", "failure");
        await Rung();
        await wake.WaitForTurnEnd(key, 2);
        Assert.Equal(TurnOf("failure (1 of 3)"), (await Told(key)).Last());
    }

    [Fact]
    public async Task What_is_required_and_has_not_begun_is_waited_for_and_what_is_ignored_is_not()
    {
        github.Open(1);
        github.Protect("main", "build", "deploy");
        github.Check(Head, "build", null);
        github.Status(Head, "preview/web", "failure");
        var key = await Waiting(new Dictionary<string, string> { ["GitHub__Checks__0__Ignored__0"] = "preview/*" });

        github.Check(Head, "build", "success");

        Assert.Equal("CI of PR #1: all has ended but deploy, required and not begun", await First(key));
        github.Status(Head, "deploy", "success");
        await Rung();
        await wake.WaitForTurnEnd(key, 2);
        Assert.Equal(TurnOf("success"), (await Told(key)).Last());
    }

    [Theory]
    [InlineData("completed", "action_required")]
    [InlineData("waiting", null)]
    public async Task A_run_that_a_person_must_let_go_on_is_told_as_that_and_later_what_it_came_to(
        string status,
        string? conclusion
    )
    {
        github.Open(1, headRepository: "somebody/hello");
        github.Check(Head, "lint", null, suite: 52);
        var key = await Waiting(Patient);

        await Task.Delay(TimeSpan.FromSeconds(1));
        github.Run(1, Head, 11, conclusion, suite: 51, workflow: 61, name: "Main CI", going: status);
        github.Check(Head, "lint", "success", suite: 52);

        Assert.Equal("CI of PR #1 waits for approval: Main CI", await First(key));
        Assert.Equal(
            "action_required",
            await wake.Scalar<string>("select data ->> 'conclusion' from events where type = 'github.ci.completed'")
        );
        Assert.Equal(
            "Workflow Main CI on " + Head[..8] + " waits for approval",
            await wake.Scalar<string>("select reason from events where type = 'github.workflow_run.action_required'")
        );

        github.Run(1, Head, 11, null, suite: 51, workflow: 61, name: "Main CI");
        await github.WaitForTwoPolls();
        github.Check(Head, "build", "failure", id: 11, suite: 51);
        github.Run(1, Head, 11, "failure", suite: 51, workflow: 61, name: "Main CI");

        await wake.WaitForTurnEnd(key, 2);
        Assert.Equal(["CI of PR #1 waits for approval: Main CI", TurnOf("failure (1 of 2)")], await Told(key));
        Assert.Equal(
            "failure",
            await wake.Scalar<string>(
                "select data ->> 'conclusion' from events where type = 'github.workflow_run.completed'"
            )
        );
    }

    [Fact]
    public async Task A_late_delivery_about_a_commit_that_was_left_starts_no_turn()
    {
        github.Open(1);
        github.Run(1, Head, 11, "cancelled");
        var key = await Waiting(types: "github.workflow_run.completed");
        github.Push(1, LoopbackGitHub.Sha(2));
        await Eventually.Holds(async () =>
            await wake.Scalar<bool>("select state::text like '%Past\":[\"%' from github.cursors")
        );
        var before = (await Told(key)).Count();

        // As GitHub said it when the pull request was still there: sent again after a downtime.
        Assert.True(
            await github.Hook.Deliver(
                "workflow_run",
                new JsonObject
                {
                    ["action"] = "completed",
                    ["workflow_run"] = new JsonObject
                    {
                        ["id"] = 2,
                        ["name"] = "CI",
                        ["head_sha"] = Head,
                        ["status"] = "completed",
                        ["conclusion"] = "cancelled",
                        ["pull_requests"] = new JsonArray(
                            new JsonObject
                            {
                                ["number"] = 1,
                                ["head"] = new JsonObject { ["sha"] = Head },
                                ["base"] = new JsonObject { ["repo"] = new JsonObject { ["id"] = 1 } },
                            }
                        ),
                    },
                    ["repository"] = new JsonObject
                    {
                        ["id"] = 1,
                        ["full_name"] = "octo-org/hello",
                        ["html_url"] = "https://github.com/octo-org/hello",
                    },
                }
            )
        );

        await Eventually.Holds(async () =>
            await wake.Scalar<bool>("select exists (select from events where data ->> 'runId' = '2' and not wakes)")
        );
        Assert.Equal(before, (await Told(key)).Count());
    }

    [Theory]
    [InlineData("protection")]
    [InlineData("rule")]
    public async Task Required_checks_that_have_not_started_in_time_are_told_once_for_each_push(string said)
    {
        github.Open(1);
        if (said == "protection")
            github.Protect("main", "build", "deploy", "lint");
        else
            github.Rule("main", "build", "deploy", "lint");
        github.Check(Head, "build", null);
        var key = await Expecting(TimeSpan.FromSeconds(4));

        Assert.Equal("CI of PR #1: required and not started in time: deploy, lint", await First(key));
        Assert.Single(await Told(key));

        github.Push(1, LoopbackGitHub.Sha(2));
        await github.Deliver("synchronize", 1);
        await IsKnown(LoopbackGitHub.Sha(2));
        github.Check(LoopbackGitHub.Sha(2), "deploy", null, id: 77);
        await wake.WaitForTurnEnd(key, 2);
        Assert.Equal("CI of PR #1: required and not started in time: build, lint", (await Told(key)).Last());
        Assert.Equal(
            ["deploy, lint", "build, lint"],
            await wake.Scalar<string[]>(
                "select array_agg(data ->> 'missing' order by seq) from events where type = 'github.ci.missing'"
            )
        );
    }

    [Fact]
    public async Task That_no_check_has_started_in_time_is_told_where_nobody_knows_which_are_required()
    {
        github.Open(1);
        var key = await Expecting(TimeSpan.FromSeconds(3));

        Assert.Equal("CI of PR #1: no check has started in time", await First(key));
        Assert.Single(await Told(key));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Checks_that_have_started_in_time_are_not_told(bool required)
    {
        github.Open(1);
        if (required)
            github.Protect("main", "build");
        github.Check(Head, "build", null);
        var key = await Expecting(TimeSpan.FromSeconds(3));

        await IsKnown("\"DeadlineSeen\":true");
        Assert.Empty(await Told(key));
    }

    async Task<string> Expecting(TimeSpan within)
    {
        var process = await wake.StartProcess("Wake.Standalone", Patient);
        github.Hook.To = process.Url;
        var key = await wake.Session();
        await wake.Watch(key, "github:octo-org/hello#1", types: ["github.ci.*"], expectWithin: within);
        await IsKnown(Head);
        return key;
    }

    // Nothing of it comes to be told as pending, however slow the machine.
    static readonly Dictionary<string, string> Patient = new() { ["GitHub__PendingAfter"] = "01:00:00" };

    static string TurnOf(string what) => $"CI of PR #1 is finished: {what}";

    async Task<string> First(string key)
    {
        await wake.WaitForTurnEnd(key, 1);
        return Assert.Single((await wake.Turns(key)).SelectMany(x => x.Reasons));
    }

    // A status that comes late moves no run: a webhook tells of it, or a look some minutes later.
    Task<bool> Rung() =>
        github.Hook.Deliver(
            "check_run",
            new JsonObject
            {
                ["action"] = "completed",
                ["check_run"] = new JsonObject { ["head_sha"] = Head },
                ["repository"] = new JsonObject
                {
                    ["full_name"] = "octo-org/hello",
                    ["html_url"] = "https://github.com/octo-org/hello",
                },
            }
        );
}
