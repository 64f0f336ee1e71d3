using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>
/// What Wake is for, from one end to the other: GitHub's webhook and its API, the door and the poller, the intake, the
/// saga and the runner. However a merge is learnt, and whatever goes wrong meanwhile, its session takes one turn about
/// it.
/// </summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class MergingOnGitHub()
    : GitHubPollingTestBase(
        new Dictionary<string, string>
        {
            ["GitHub__PollInterval"] = "00:00:00.2",
            ["GitHub__RequestTimeout"] = "00:00:00.5",
        }
    )
{
    /// <summary>How it can be learnt, and what is done to that.</summary>
    [Flags]
    public enum Way
    {
        Webhook = 1,
        Poller = 2,

        /// <summary>The webhook reaches nobody for a while.</summary>
        Unreachable = 4,

        /// <summary>All of Wake dies before the merge, again while it finds out, and again afterwards.</summary>
        Killed = 8,
    }

    [Theory]
    [InlineData(Way.Webhook | Way.Poller)]
    [InlineData(Way.Webhook)]
    [InlineData(Way.Poller)]
    [InlineData(Way.Webhook | Way.Unreachable)]
    [InlineData(Way.Webhook | Way.Poller | Way.Unreachable)]
    [InlineData(Way.Webhook | Way.Poller | Way.Killed)]
    public async Task Wakes_its_session_once(Way way)
    {
        var (hooked, polled, killed) = (way.HasFlag(Way.Webhook), way.HasFlag(Way.Poller), way.HasFlag(Way.Killed));
        int[] numbers = [970, 971, 972, 973, 974];
        github.PageSize = 2;
        Array.ForEach(numbers, x => github.Open(x));
        var process = await Start(way);
        var key = await wake.Session();
        foreach (var number in numbers)
            await wake.Watch(key, $"github:octo-org/hello#{number}");
        if (polled)
            await IsKnown("\"974\"");

        // One after the other, to whatever is asked of this next.
        var asked = polled ? "/pulls" : "/deliveries";
        github.Fail(asked, 502);
        github.Fail(
            asked,
            403,
            "{\"message\":\"You have exceeded a secondary rate limit\"}",
            "application/json",
            ("Retry-After", "1")
        );
        github.Hang(asked);
        github.CutOff(asked);
        github.Renamed = !hooked;
        if (way.HasFlag(Way.Unreachable))
            github.Hook.To = null;
        if (killed)
            await process.Kill();

        github.Merge(972);
        Assert.Equal(way is Way.Webhook or (Way.Webhook | Way.Poller), hooked && await github.Deliver("closed", 972));
        if (killed)
        {
            process = await Start(way);
            await Eventually.Holds(() => Task.FromResult(github.AllFaultsMet));
            await process.Kill();
            process = await Start(way);
        }
        else
            github.Hook.To = wake.Http.BaseAddress;

        await wake.WaitForTurnEnd(key, 1);
        await Eventually.Holds(() => Task.FromResult(github.AllFaultsMet));
        if (killed)
        {
            await process.Kill();
            await Start(way);
        }

        if (hooked)
        {
            // Down or not: in the end GitHub has been told that it has come, and telling it once more changes nothing.
            await Eventually.Holds(() =>
                Task.FromResult(github.Hook.Deliveries.Any(x => (string)x["status"]! == "OK"))
            );
            Assert.True(await github.Hook.Redeliver(1));
        }

        if (way.HasFlag(Way.Unreachable))
        {
            // What has come by now is not asked for any more.
            await Eventually.Holds(() =>
                Task.FromResult(process.Log.Contains("1 of 1 failed webhook deliveries of ", StringComparison.Ordinal))
            );
            var (gets, posts) = (github.Requests.Count(IsGap), github.Requests.Count(x => x.Method == "POST"));
            await Eventually.Holds(() => Task.FromResult(github.Requests.Count(IsGap) >= gets + 2));
            Assert.Equal(posts, github.Requests.Count(x => x.Method == "POST"));
        }

        if (polled)
        {
            github.LagBehind("/pulls");
            github.LagBehind("/pulls");
            await Eventually.Holds(() => Task.FromResult(github.AllFaultsMet));
            await github.WaitForTwoPolls();
        }

        await wake.WaitUntilIdle();
        Assert.Equal("PR #972 (Change 972) was merged", Assert.Single(Assert.Single(await wake.Turns(key)).Reasons));
        Assert.Equal(1, await wake.Scalar<long>("select count(*) from events"));
    }

    static bool IsGap(LoopbackGitHub.ReceivedRequest asked) =>
        asked.Path.EndsWith("/deliveries", StringComparison.Ordinal) && asked.Status == 200;

    async Task<ServiceProcess> Start(Way way)
    {
        var settings = new Dictionary<string, string>();
        if (way.HasFlag(Way.Webhook))
            (settings["GitHub__WebhookSecrets__0"], settings["GitHub__Accounts__main__Hooks__0"]) = (
                LoopbackGitHub.Secret,
                "repos/octo-org/hello/hooks/5"
            );

        // An account that reads nothing here can still ask for the deliveries of a hook.
        if (!way.HasFlag(Way.Poller))
            settings["GitHub__Accounts__main__Repositories__0"] = "octo-org/another";

        var process = await wake.StartProcess("Wake.Standalone", settings);
        github.Hook.To = process.Url;
        return process;
    }
}
