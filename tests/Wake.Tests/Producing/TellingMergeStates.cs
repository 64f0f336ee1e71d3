using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>
/// Whether a pull request can be merged, as GitHub finds it out by itself: by deliveries, by polls or by both, the same
/// facts with the same keys.
/// </summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class TellingMergeStates()
    : GitHubPollingTestBase(
        new Dictionary<string, string>
        {
            ["GitHub__PollInterval"] = "00:00:00.3",
            ["GitHub__Settle"] = "00:00:00.5",
            ["GitHub__MergeStateSettle"] = "00:00:05",
        }
    )
{
    const string Conflicted = "1",
        Ready = "5";

    static readonly string Head = LoopbackGitHub.Sha(15);

    // For what does not flicker.
    static readonly TimeSpan Short = TimeSpan.FromSeconds(1);

    [Flags]
    public enum Way
    {
        Webhook = 1,
        Poller = 2,
    }

    async Task<ServiceProcess> Start(Way way, TimeSpan? settle = null)
    {
        Dictionary<string, string> settings = [];
        if (way.HasFlag(Way.Webhook))
            settings["GitHub__WebhookSecrets__0"] = LoopbackGitHub.Secret;
        if (!way.HasFlag(Way.Poller))
            settings["GitHub__Accounts__main__Repositories__0"] = "octo-org/another";
        if (settle is { } time)
            settings["GitHub__MergeStateSettle"] = time.ToString();

        var process = await wake.StartProcess("Wake.Standalone", settings);
        github.Hook.To = process.Url;
        return process;
    }

    async Task Becomes(Way way, int number, bool? mergeable, string state)
    {
        github.MergeState(number, mergeable, state);
        if (way.HasFlag(Way.Webhook))
            Assert.True(await github.Deliver("edited", number));
    }

    Task Kept(string field, string value, int number = 15) =>
        Eventually.Holds(
            async () =>
                await wake.Scalar<bool>(
                    "select exists (select from github.merge_states where number = $1 and state ->> $2 = $3)",
                    (long)number,
                    field,
                    value
                ),
            $"{field} is {value}"
        );

    // It has stood for longer than it must, and was looked at since.
    async Task WouldBeTold()
    {
        await Eventually.Holds(
            () =>
                wake.Scalar<bool>(
                    "select clock_timestamp() > (state ->> 'Since')::timestamptz + $1 from github.merge_states",
                    Short * 2
                ),
            "it has stood for long enough"
        );
        await github.WaitForTwoPolls();
    }

    async Task<string[]> Keys() =>
        await wake.Scalar<string[]>(
            "select coalesce(array_agg(split_part(dedup_key, '.', 3) order by seq), '{}') from events where type like "
                + "'github.pull_request.%'"
        );

    Task Told(int count) =>
        Eventually.Holds(async () => (await Keys()).Length == count, $"{count} merge states are told");

    [Theory]
    [InlineData(Way.Poller)]
    [InlineData(Way.Webhook)]
    [InlineData(Way.Webhook | Way.Poller)]
    public async Task Each_that_stands_is_told_once_with_the_same_key_by_every_way(Way way)
    {
        github.Open(15);
        github.Check(Head, "build", "success");
        github.Decide(15, "REVIEW_REQUIRED", false, true, false);
        var process = await Start(way);
        var key = await wake.Session();
        await wake.Watch(key, "github:octo-org/hello#15", types: ["github.pull_request.*"]);
        if (way.HasFlag(Way.Poller))
            await Kept("Unanswered", "1");

        // As it was when the watch began.
        await Becomes(way, 15, true, "clean");
        await Kept("Counted", Ready);

        // A flicker.
        await Becomes(way, 15, false, "dirty");
        await Kept("Seen", Conflicted);
        await Becomes(way, 15, true, "clean");
        await Kept("Seen", Ready);

        await Becomes(way, 15, false, "dirty");
        await Told(1);
        await Becomes(way, 15, null, "unknown");
        await Eventually.Holds(async () =>
            await wake.Scalar<bool>("select (state ->> 'Unanswered')::int > 0 from github.merge_states")
        );
        await Becomes(way, 15, true, "clean");
        await Told(2);

        // Killed between the two it is told once more, with the same key.
        await Eventually.Holds(
            () => wake.Scalar<bool>("select state ->> 'ToTell' is null from github.merge_states"),
            "that it was told is saved"
        );
        await process.Kill();
        await Start(way);
        await Becomes(way, 15, false, "dirty");
        await Told(3);
        await Becomes(way, 15, true, "blocked");
        await Told(4);
        await Becomes(way, 15, true, "unstable");
        await Told(5);

        Assert.Equal(
            [
                $"conflicted|github:octo-org/hello#15|{Head}|1",
                $"ready|github:octo-org/hello#15|{Head}|1",
                $"conflicted|github:octo-org/hello#15|{Head}|2",
                $"blocked|github:octo-org/hello#15|{Head}|1",
                $"unblocked|github:octo-org/hello#15|{Head}|1",
            ],
            await Keys()
        );
        Assert.Equal(0, await wake.Scalar<long>("select count(*) from duplicates"));

        // Why is asked of GitHub, once, and its own limit is not the other one's.
        var polled = way.HasFlag(Way.Poller);
        Assert.Equal(
            polled ? "review_missing, conversation_unresolved" : "",
            await wake.Scalar<string>("select coalesce(data ->> 'why', '') from events where type like '%.blocked'")
        );
        Assert.Equal(
            "PR #15 (Change 15) cannot be merged yet"
                + (polled ? ": a review is missing, 2 conversations are unresolved" : ""),
            await wake.Scalar<string>("select reason from events where type like '%.blocked'")
        );
        Assert.Equal(polled ? 1 : 0, github.Requests.Count(x => x.Path == "/graphql"));

        await wake.WaitUntilIdle();
        Assert.Equal(
            "PR #15 (Change 15) conflicts with main; CI may not run until that is resolved",
            (await wake.Turns(key)).SelectMany(x => x.Reasons).First()
        );
    }

    [Fact]
    public async Task While_checks_run_nobody_is_told_that_they_are_missing()
    {
        github.Open(15);
        github.Check(Head, "build", null);
        github.MergeState(15, true, "clean");
        await Start(Way.Poller, Short);
        await wake.Watch(await wake.Session(), "github:octo-org/hello#15", types: ["github.pull_request.*"]);
        await Kept("Seen", Ready);

        github.Check(Head, "build", "success");
        await Kept("Counted", Ready);
        github.Check(Head, "build", null);
        github.Run(1, Head, 1, null);
        github.MergeState(15, true, "blocked");
        await Kept("Seen", "3");
        await WouldBeTold();
        Assert.Empty(await Keys());

        // GraphQL is not for this account: it is told with what the checks themselves say.
        github.Check(Head, "build", "failure");
        github.Run(1, Head, 1, "failure");
        await Told(1);
        Assert.Equal(
            "PR #15 (Change 15) cannot be merged yet: 1 check failed",
            await wake.Scalar<string>("select reason from events where type like '%.blocked'")
        );
    }

    [Fact]
    public async Task A_conflict_is_told_of_each_commit_that_has_it_and_to_who_waits_for_failed_CI()
    {
        github.Open(15);
        github.Check(Head, "build", "success");
        github.MergeState(15, false, "dirty");
        await Start(Way.Poller);
        var key = await wake.Session();
        var said = await WakeCommandLine.Run(
            wake.Here,
            null,
            "watch",
            "--session",
            key,
            "--pr",
            "https://github.com/Octo-Org/hello/pull/15",
            "--ci",
            "--where",
            "data.conclusion = failure",
            "--once"
        );
        Assert.True(said.ExitCode == 0, said.Errors);
        await Kept("Counted", Conflicted);
        await wake.WaitUntilIdle();
        Assert.Empty(await wake.Turns(key));

        github.Push(15, LoopbackGitHub.Sha(16));
        await wake.WaitForTurnEnd(key, 1);
        Assert.Equal(
            "PR #15 (Change 15) conflicts with main; CI may not run until that is resolved",
            Assert.Single(Assert.Single(await wake.Turns(key)).Reasons, x => !x.Contains("has new commits"))
        );

        // With nothing else said, the whole of it is watched, and of CI the sum.
        said = await WakeCommandLine.Run(wake.Here, null, "watch", "--session", key, "--pr", "octo-org/hello#99");
        Assert.True(said.ExitCode == 0, said.Errors);
        Assert.Equal(
            ["github.pull_request.*", "github.issue.*", "github.discussion.*", "github.ci.*"],
            await wake.Scalar<string[]>("select types from watches where subject = 'github:octo-org/hello#99'")
        );
    }

    [Fact]
    public async Task A_conflict_that_was_there_before_is_told_where_its_commit_gets_no_checks()
    {
        github.Open(15);
        github.MergeState(15, false, "dirty");
        await Start(Way.Poller, Short);
        await wake.Watch(await wake.Session(), "github:octo-org/hello#15", types: ["github.pull_request.conflicted"]);
        await Kept("Seen", Conflicted);
        await WouldBeTold();
        Assert.Empty(await Keys());

        // Minutes later.
        await Eventually.Holds(async () =>
        {
            await wake.Execute(
                """
                update github.cursors
                set state = regexp_replace(
                    state::text, '"MovedAt":"[^"]*"', '"MovedAt":"2026-01-01T00:00:00Z"', 'g'
                )::json
                """
            );
            return await Keys() is [_];
        });
        Assert.Equal("true", await wake.Scalar<string>("select data ->> 'baseline' from events"));
    }

    [Fact]
    public async Task Of_many_those_are_asked_for_that_may_have_moved_and_no_others()
    {
        for (var number = 15; number <= 19; number++)
        {
            github.Open(number);
            github.Check(LoopbackGitHub.Sha(number), "build", "success");
            github.MergeState(number, true, "clean");
        }

        await Start(Way.Poller);
        var key = await wake.Session();
        for (var number = 15; number <= 19; number++)
            await wake.Watch(key, $"github:octo-org/hello#{number}", types: ["github.pull_request.*", "github.ci.*"]);
        for (var number = 15; number <= 19; number++)
            await Kept("Counted", Ready, number);
        await github.WaitForTwoPolls();

        var before = github.Requests.Count;
        await github.WaitForTwoPolls();
        Assert.DoesNotContain(github.Requests.Skip(before), x => IsOne(x.Path));

        // What was merged into the branch is in conflict with another one now.
        github.MergeState(17, false, "dirty");
        github.Merge(18);
        await Eventually.Holds(async () =>
            await wake.Scalar<bool>(
                "select exists (select from events where type like '%.conflicted' and subject like '%#17')"
            )
        );
    }

    [Fact]
    public async Task One_that_has_moved_is_asked_for_although_more_than_a_look_asks_for_wait_for_checks()
    {
        const int Last = 45;
        for (var number = 15; number <= Last; number++)
        {
            github.Open(number);
            github.Check(LoopbackGitHub.Sha(number), "build", "success");
            github.MergeState(number, true, "clean");
        }

        await Start(Way.Poller);
        var key = await wake.Session();
        for (var number = 15; number < Last; number++)
            await wake.Watch(key, $"github:octo-org/hello#{number}", types: ["github.pull_request.conflicted"]);
        await Eventually.Holds(
            async () =>
                await wake.Scalar<long>(
                    "select count(*) from github.merge_states where state ->> 'Counted' = $1",
                    Ready
                )
                == Last - 15,
            "all but the last count"
        );
        await wake.Watch(key, $"github:octo-org/hello#{Last}", types: ["github.pull_request.conflicted"]);
        await Kept("Counted", Ready, Last);

        // Each is ready at a commit that has no checks yet, and could count if it had.
        for (var number = 15; number < Last; number++)
            github.Push(number, LoopbackGitHub.Sha(100 + number));
        await Eventually.Holds(
            async () =>
                await wake.Scalar<long>(
                    "select count(*) from github.merge_states where state ->> 'Head' <> state ->> 'CountedHead' "
                        + "and clock_timestamp() > (state ->> 'Since')::timestamptz + interval '8 seconds'"
                )
                == Last - 15,
            "all but the last wait"
        );

        github.MergeState(Last, false, "dirty");
        github.Review(Last, "COMMENTED", "Look at the conflict.");
        await Eventually.Holds(
            async () =>
                await wake.Scalar<bool>(
                    "select exists (select from events where type = 'github.pull_request.conflicted' and subject "
                        + "like '%#45')"
                ),
            "the last one is told"
        );
    }

    static bool IsOne(string path) => path.Split('/') is [.., "pulls", var number] && number.All(char.IsAsciiDigit);
}
