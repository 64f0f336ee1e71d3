using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>Several pollers side by side, as several replicas of the producer are.</summary>
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
            ["GitHub__PollEvery"] = "00:00:01",
            ["GitHub__LookEvery"] = "00:00:00.1",
        };
        var replicas = await Task.WhenAll(wake.StartProcess("Wake.Producers.GitHub", settings), wake.StartProcess("Wake.Producers.GitHub", settings));
        github.Open(70);
        github.Open(71);
        var key = await wake.Session();
        await wake.Watch(key, "github:octo-org/hello#70");
        await wake.Watch(key, "github:octo-org/hello#71");
        await github.LooksTwice();
        await github.LooksTwice();

        // While checks may still come a repository is looked at twice as often; never sooner than that, whoever looks.
        var looks = github.Requests.Where(x => x.Path.EndsWith("/pulls/comments", StringComparison.Ordinal)).Select(x => x.At).ToList();
        Assert.All(looks.Zip(looks.Skip(1)).Skip(2), x => Assert.InRange(x.Second - x.First, TimeSpan.FromSeconds(0.4), TimeSpan.FromSeconds(30)));

        github.Merge(70);
        await wake.Ended(key, 1);
        await replicas[0].Kill();
        github.Merge(71);
        await wake.Ended(key, 2);

        await github.LooksTwice();
        await wake.Quiet();
        Assert.Equal(["PR #70 (Change 70) was merged", "PR #71 (Change 71) was merged"], (await wake.Turns(key)).SelectMany(x => x.Reasons));
        Assert.Equal(0, await wake.Scalar<long>("select count(*) from duplicates"));
    }
}
