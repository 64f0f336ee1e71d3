using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>Several pollers side by side, as several replicas of the producer are.</summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class SharingThePolling
{
    [Fact]
    public async Task Two_ask_no_more_than_one_and_say_everything_once_also_when_one_of_them_dies()
    {
        await using var github = await LoopbackGitHub.Start();
        await using var wake = await WakeSystem.Start(Transport.RabbitMq);
        var settings = new Dictionary<string, string>
        {
            ["GitHub__Accounts__main__Api"] = github.Url.ToString(),
            ["GitHub__Accounts__main__Token"] = "ghp_secret",
            ["GitHub__PollInterval"] = "00:00:01",
            ["GitHub__WatchRefreshInterval"] = "00:00:00.1",
        };
        var replicas = await Task.WhenAll(
            wake.StartProcess("Wake.Producers.GitHub", settings),
            wake.StartProcess("Wake.Producers.GitHub", settings)
        );
        github.Open(70);
        github.Open(71);
        var key = await wake.Session();
        await wake.Watch(key, "github:octo-org/hello#70");
        await wake.Watch(key, "github:octo-org/hello#71");
        await github.WaitForTwoPolls();
        await github.WaitForTwoPolls();

        // While checks may still come a repository is looked at twice as often; never sooner than that, whoever looks.
        var looks = github
            .Requests.Where(x => x.Path.EndsWith("/pulls/comments", StringComparison.Ordinal))
            .Select(x => x.At)
            .ToList();
        Assert.All(
            looks.Zip(looks.Skip(1)).Skip(2),
            x => Assert.InRange(x.Second - x.First, TimeSpan.FromSeconds(0.4), TimeSpan.FromSeconds(30))
        );

        github.Merge(70);
        await wake.WaitForTurnEnd(key, 1);
        await replicas[0].Kill();
        github.Merge(71);
        await wake.WaitForTurnEnd(key, 2);

        await github.WaitForTwoPolls();
        await wake.WaitUntilIdle();
        Assert.Equal(
            ["PR #70 (Change 70) was merged", "PR #71 (Change 71) was merged"],
            (await wake.Turns(key)).SelectMany(x => x.Reasons)
        );
        Assert.Equal(0, await wake.Scalar<long>("select count(*) from duplicates"));
    }

    [Fact]
    public async Task Accounts_that_read_different_repositories_leave_each_other_what_they_remember()
    {
        await using var github = await LoopbackGitHub.Start();
        await using var enterprise = await LoopbackGitHub.Start();
        await using var wake = await WakeSystem.Start(Transport.RabbitMq);
        github.Open(70);
        enterprise.Open(71);
        await Task.WhenAll(
            wake.StartProcess("Wake.Producers.GitHub", Account(github, "ghp_one")),
            wake.StartProcess(
                "Wake.Producers.GitHub",
                new Dictionary<string, string>(Account(enterprise, "ghp_two"))
                {
                    ["GitHub__Accounts__main__Host"] = "ghe.example.com",
                }
            )
        );
        var key = await wake.Session();
        await wake.Watch(key, "github:octo-org/hello#70");
        await wake.Watch(key, "github@ghe.example.com:octo-org/hello#71");
        await Task.WhenAll(github.WaitForTwoPolls(), enterprise.WaitForTwoPolls());
        await Task.WhenAll(github.WaitForTwoPolls(), enterprise.WaitForTwoPolls());

        // What is remembered costs nothing to ask for again.
        var (one, two) = (github.Counted.Count, enterprise.Counted.Count);
        await Task.WhenAll(github.WaitForTwoPolls(), enterprise.WaitForTwoPolls());
        Assert.Equal((one, two), (github.Counted.Count, enterprise.Counted.Count));

        github.Merge(70);
        enterprise.Merge(71);
        await wake.WaitForTurnEnd(key, 1);
        await Eventually.Holds(async () => (await wake.Turns(key)).SelectMany(x => x.Reasons).Count() == 2);
    }

    [Fact]
    public async Task Of_two_accounts_the_one_looks_that_can_and_the_other_when_that_is_gone()
    {
        await using var github = await LoopbackGitHub.Start();
        await using var wake = await WakeSystem.Start(Transport.RabbitMq);
        github.DeniedToken = "ghp_stranger";
        github.Open(72);
        github.Open(73);
        await wake.StartProcess("Wake.Producers.GitHub", Account(github, "ghp_stranger"));
        var key = await wake.Session();
        await wake.Watch(key, "github:octo-org/hello#72");
        await Eventually.Holds(
            async () => await wake.Scalar<bool>("select exists (select from github.cursors where unable <> '{}')"),
            "it is not shown to the first"
        );

        var able = await wake.StartProcess("Wake.Producers.GitHub", Account(github, "ghp_one"));
        await github.WaitForTwoPolls();
        await wake.StartProcess("Wake.Producers.GitHub", Account(github, "ghp_two"));
        var before = github.Requests.Count;
        await github.WaitForTwoPolls();
        await github.WaitForTwoPolls();
        Assert.All(github.Requests.Skip(before), x => Assert.Equal("Bearer ghp_one", x.Authorization));

        await able.Kill();
        await wake.Scalar<long>(
            "with gone as (update github.cursors set seen_at = now() - interval '1 hour' returning 1) select "
                + "count(*) from gone"
        );
        await Eventually.Holds(
            () => Task.FromResult(github.Requests.Any(x => x.Authorization == "Bearer ghp_two" && x.Status < 400)),
            "the third goes on"
        );
        github.Merge(72);
        await wake.WaitForTurnEnd(key, 1);

        await wake.WaitUntilIdle();
        Assert.Equal(
            "PR #72 (Change 72) was merged",
            Assert.Single((await wake.Turns(key)).SelectMany(x => x.Reasons))
        );
    }

    static Dictionary<string, string> Account(LoopbackGitHub github, string token) =>
        new()
        {
            ["GitHub__Accounts__main__Api"] = github.Url.ToString(),
            ["GitHub__Accounts__main__Token"] = token,
            ["GitHub__PollInterval"] = "00:00:00.5",
            ["GitHub__WatchRefreshInterval"] = "00:00:00.1",
        };
}
