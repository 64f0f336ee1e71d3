using System.Text.Json.Nodes;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>CI where no account asks GitHub: what its webhook says of the checks of a commit is added up to one
/// event.</summary>
[Trait("Starts", "processes")]
public sealed class AddingUpDeliveries : IAsyncLifetime
{
    const string Head = "ffffffffffffffffffffffffffffffffffffffff",
        Old = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    readonly LoopbackHook hook = new(LoopbackGitHub.Secret);
    WakeSystem wake = null!;
    string key = null!;
    int seconds;

    public async Task InitializeAsync()
    {
        wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["GitHub__WebhookSecrets__0"] = LoopbackGitHub.Secret,
                ["GitHub__Settle"] = "00:00:01",
                ["GitHub__WatchRefreshInterval"] = "00:00:00.1",
                ["GitHub__PendingAfter"] = "00:00:08",
                ["GitHub__OwnLogins__0"] = "Hello-Bot",
                ["GitHub__Checks__0__Ignored__0"] = "preview",
            }
        );
        hook.To = wake.Http.BaseAddress;
        key = await wake.Session();
        await wake.Watch(key, "github:octo-org/hello#972", types: ["github.ci.*"]);
    }

    public async Task DisposeAsync() => await wake.DisposeAsync();

    async Task<IEnumerable<string>> Told(int turns)
    {
        await wake.WaitForTurnEnd(key, turns);
        await Eventually.Holds(
            async () => !await wake.Scalar<bool>("select exists (select from github.heads where due_at is not null)"),
            "all is told"
        );
        await wake.WaitUntilIdle();
        return (await wake.Turns(key)).SelectMany(x => x.Reasons);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Three_workflows_are_one_turn_with_their_sum_also_of_a_fork(bool fork)
    {
        if (fork)
            await PullRequest("opened", Head);
        for (var run = 1; run <= 3; run++)
            await Run(run, "requested", "queued", null, fork: fork);
        await Run(1, "completed", "completed", "success", fork: fork);
        await Status("preview", "pending");
        await Run(2, "completed", "completed", "success", fork: fork);
        await Eventually.Holds(async () =>
            await wake.Scalar<long>("select count(*) from events where type = 'github.workflow_run.completed'") == 2
        );
        await Run(3, "completed", "completed", "failure", fork: fork);
        await Run(3, "in_progress", "in_progress", null, fork: fork, late: true);

        Assert.Equal(["CI of PR #972 is finished: failure (1 of 3)"], await Told(1));

        await Run(3, "completed", "completed", "success", attempt: 2, fork: fork);
        Assert.Equal(
            ["CI of PR #972 is finished: failure (1 of 3)", "CI of PR #972 is finished: success"],
            await Told(2)
        );
    }

    [Fact]
    public async Task Whose_pull_request_it_is_and_that_no_test_has_failed_is_told_too()
    {
        await PullRequest("opened", Head);
        await Run(1, "completed", "completed", "timed_out", fork: true);

        Assert.Equal(
            ["CI of PR #972 is finished: failure (1 of 1); no test has failed: W1 ended with timed_out"],
            await Told(1)
        );
        Assert.Equal(
            "hello-bot topic true infrastructure",
            await wake.Scalar<string>(
                "select concat_ws(' ', data ->> 'author', data ->> 'branch', data ->> 'own', data ->> 'failure') "
                    + "from events where type = 'github.ci.completed'"
            )
        );
    }

    [Fact]
    public async Task What_stays_pending_is_told_with_its_name_and_an_approval_as_one()
    {
        await PullRequest("opened", Head);
        await Run(1, "completed", "completed", "success");
        await Status("tide", "pending");
        Assert.Matches("^CI of PR #972: all has ended but tide, pending since ", Assert.Single(await Told(1)));
        Assert.Equal(
            "pending",
            await wake.Scalar<string>("select data ->> 'conclusion' from events where type = 'github.ci.completed'")
        );

        await Run(2, "completed", "completed", "action_required");
        await Status("tide", "success");
        Assert.Equal("CI of PR #972 waits for approval: W2", (await Told(2)).Last());

        await Run(2, "in_progress", "in_progress", null);
        await Run(2, "completed", "completed", "success");
        Assert.Equal("CI of PR #972 is finished: success", (await Told(3)).Last());
    }

    [Fact]
    public async Task What_ran_on_a_commit_that_was_left_starts_no_turn()
    {
        await wake.Watch(key, "github:octo-org/hello#972");
        await PullRequest("opened", Old);
        await PullRequest("synchronize", Head, before: Old);

        // Of both kinds: GitHub says itself where the pull request is by now, and of a fork it says nothing.
        await Run(1, "completed", "completed", "cancelled", sha: Old);
        await Run(2, "completed", "completed", "cancelled", sha: Old, fork: true);
        await Deliver(
            "check_suite",
            new JsonObject
            {
                ["id"] = 5,
                ["head_sha"] = Old,
                ["status"] = "completed",
                ["conclusion"] = "cancelled",
                ["updated_at"] = At(),
                ["app"] = new JsonObject { ["slug"] = "circle" },
                ["pull_requests"] = PullRequests(Head),
            },
            "completed"
        );
        await Status("ci/old", "failure", Old);

        await Eventually.Holds(
            async () => !await wake.Scalar<bool>("select exists (select from github.heads where due_at is not null)"),
            "all is told"
        );
        await wake.WaitUntilIdle();
        Assert.Contains("PR #972 (Change) was opened", Assert.Single(await wake.Turns(key)).Reasons);
        Assert.Equal(
            0,
            await wake.Scalar<long>("select count(*) from events where wakes and type not like 'github.pull_request.%'")
        );
        Assert.Equal(
            4,
            await wake.Scalar<long>(
                "select count(*) from events where not wakes and type not like 'github.pull_request.%' and type not "
                    + "like 'github.ci.%'"
            )
        );
    }

    [Fact]
    public async Task What_is_required_and_has_not_started_in_time_is_told_once_for_each_push()
    {
        await PullRequest("opened", Old);
        var other = await wake.Session();
        // The watch comes when nothing more is delivered.
        await wake.Watch(
            other,
            "github:octo-org/hello#972",
            types: ["github.ci.missing"],
            expectWithin: TimeSpan.FromSeconds(2)
        );

        Assert.Equal(["CI of PR #972: no check has started in time"], (await wake.WaitForTurnEnd(other, 1)).Reasons);

        await PullRequest("synchronize", Head, before: Old);
        await wake.WaitForTurnEnd(other, 2);
        await wake.WaitUntilIdle();
        Assert.Equal(2, (await wake.Turns(other)).Count);
        Assert.Equal(
            [Old, Head],
            await wake.Scalar<string[]>(
                "select array_agg(data ->> 'sha' order by seq) from events where type = 'github.ci.missing'"
            )
        );
    }

    [Fact]
    public async Task Of_a_pull_request_that_is_closed_no_check_is_missing_until_it_is_reopened()
    {
        await PullRequest("opened", Old);
        await PullRequest("closed", Old);
        var other = await wake.Session();
        await wake.Watch(
            other,
            "github:octo-org/hello#972",
            types: ["github.ci.missing"],
            expectWithin: TimeSpan.FromSeconds(2)
        );
        // Of a commit that was pushed meanwhile nothing else is delivered.
        await PullRequest("reopened", Head);

        await wake.WaitForTurnEnd(other, 1);
        await wake.WaitUntilIdle();
        Assert.Equal(
            [Head],
            await wake.Scalar<string[]>(
                "select array_agg(data ->> 'sha' order by seq) from events where type = 'github.ci.missing'"
            )
        );
    }

    [Fact]
    public async Task Of_a_commit_that_two_pull_requests_have_it_is_told_to_who_waits_for_one_that_is_open()
    {
        await PullRequest("opened", Old, number: 971);
        await PullRequest("opened", Old);
        // Nobody waits for this one, but for the repository by its name.
        await Run(1, "requested", "queued", null, sha: Head, fork: true);
        await Run(1, "completed", "completed", "success", sha: Head, fork: true);
        var (other, nobody) = (await wake.Session(), await wake.Session());
        await wake.Watch(
            nobody,
            "github:octo-org/hello",
            types: ["github.ci.*"],
            expectWithin: TimeSpan.FromSeconds(1)
        );
        await PullRequest("closed", Old, number: 971);
        await wake.Watch(
            other,
            "github:octo-org/hello#972",
            types: ["github.ci.missing"],
            expectWithin: TimeSpan.FromSeconds(2)
        );

        Assert.Equal(
            ["CI of PR #971, #972: no check has started in time"],
            (await wake.WaitForTurnEnd(other, 1)).Reasons
        );
        Assert.False(
            await wake.Scalar<bool>(
                "select exists (select from github.heads where sha = $1 and state ->> 'DeadlineSeen' = 'true')",
                Head
            )
        );

        // With the last of them closed nobody waits any more; another that is opened is waited for again.
        await PullRequest("opened", Head, number: 973);
        await PullRequest("opened", Head, number: 975);
        await PullRequest("closed", Head, number: 973);
        Assert.Equal("false", await Seen());
        await PullRequest("closed", Head, number: 975);
        Assert.Equal("true", await Seen());
        await PullRequest("opened", Head, number: 974);
        Assert.Equal("false", await Seen());

        Task<string> Seen() =>
            wake.Scalar<string>("select state ->> 'DeadlineSeen' from github.heads where sha = $1", Head);
    }

    Task Run(
        long id,
        string action,
        string status,
        string? conclusion,
        int attempt = 1,
        string sha = Head,
        bool fork = false,
        bool late = false
    ) =>
        Deliver(
            "workflow_run",
            new JsonObject
            {
                ["id"] = id,
                ["name"] = $"W{id}",
                ["workflow_id"] = id,
                ["event"] = "pull_request",
                ["head_sha"] = sha,
                ["status"] = status,
                ["conclusion"] = conclusion,
                ["run_attempt"] = attempt,
                ["check_suite_id"] = 100 + id,
                ["updated_at"] = late ? "2026-11-20T00:00:00Z" : At(),
                ["pull_requests"] = fork ? new JsonArray() : PullRequests(Head),
            },
            action
        );

    Task Status(string context, string state, string sha = Head) =>
        Deliver(
            "status",
            null,
            null,
            new JsonObject
            {
                ["id"] = ++seconds,
                ["sha"] = sha,
                ["context"] = context,
                ["state"] = state,
                ["updated_at"] = At(),
            }
        );

    Task PullRequest(string action, string head, string? before = null, int number = 972) =>
        Deliver(
            "pull_request",
            new JsonObject
            {
                ["number"] = number,
                ["title"] = "Change",
                ["state"] = "open",
                ["user"] = new JsonObject { ["login"] = "hello-bot", ["type"] = "User" },
                ["head"] = new JsonObject { ["sha"] = head, ["ref"] = "topic" },
                ["base"] = new JsonObject
                {
                    ["ref"] = "main",
                    ["repo"] = new JsonObject { ["id"] = 1001 },
                },
            },
            action,
            new JsonObject { ["before"] = before }
        );

    async Task Deliver(string name, JsonNode? thing, string? action, JsonObject? payload = null)
    {
        payload ??= [];
        if (thing is not null)
            payload[name] = thing;
        if (action is not null)
            payload["action"] = action;
        payload["repository"] = new JsonObject
        {
            ["id"] = 1001,
            ["full_name"] = "octo-org/hello",
            ["html_url"] = "https://github.com/octo-org/hello",
        };
        payload["sender"] = new JsonObject { ["login"] = "mona", ["type"] = "User" };
        Assert.True(await hook.Deliver(name, payload));
    }

    static JsonArray PullRequests(string head) =>
        new(
            new JsonObject
            {
                ["number"] = 972,
                ["head"] = new JsonObject { ["sha"] = head },
                ["base"] = new JsonObject { ["repo"] = new JsonObject { ["id"] = 1001 } },
            }
        );

    // GitHub's times have whole seconds, and what happens one after the other has other ones.
    string At() =>
        new DateTimeOffset(2026, 11, 28, 12, 0, 0, TimeSpan.Zero)
            .AddSeconds(++seconds)
            .ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);
}
