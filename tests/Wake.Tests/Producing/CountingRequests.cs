using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>What a poll costs while nothing happens.</summary>
[Trait("Starts", "processes")]
public sealed class CountingRequests()
    : GitHubPollingTestBase(
        new Dictionary<string, string> { ["GitHub__PollInterval"] = "00:00:00.5", ["GitHub__Settle"] = "00:00:00.5" }
    )
{
    [Fact]
    public async Task An_idle_pull_request_costs_five_questions_whose_answers_are_not_counted()
    {
        github.Open(15);
        github.Check(LoopbackGitHub.Sha(15), "build", "success");
        await wake.StartProcess("Wake.Standalone");
        await wake.Watch(await wake.Session(), "github:octo-org/hello#15");
        await Eventually.Holds(async () =>
            await wake.Scalar<bool>("select exists (select from events where type = 'github.ci.completed')")
        );
        await github.WaitForTwoPolls();

        var before = github.Requests.Count;
        await github.WaitForTwoPolls();

        // From the first request of a poll on.
        var polls = github
            .Requests.Skip(before)
            .SkipWhile(x => !IsFirst(x))
            .Select(x => $"{x.Status} {x.Path}{x.Query.Split("&since=")[0]}")
            .ToList();
        Assert.Equal(
            [
                "304 /repos/octo-org/hello/pulls/15",
                "304 /repos/octo-org/hello/issues/comments?sort=updated&direction=asc&per_page=100",
                "304 /repos/octo-org/hello/pulls/comments?sort=updated&direction=asc&per_page=100",
                "304 /repos/octo-org/hello/actions/runs?per_page=100",
                "304 /repos/octo-org/hello/deployments?per_page=100",
            ],
            polls.Take(5)
        );
        Assert.Equal(polls[0], polls[5]);
    }

    static bool IsFirst(LoopbackGitHub.ReceivedRequest request) =>
        request.Path.EndsWith("/pulls/15", StringComparison.Ordinal);
}
