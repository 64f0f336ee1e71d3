using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>What a poll costs while nothing happens.</summary>
[Trait("Starts", "processes")]
public sealed class CountingRequests()
    : GitHubPollingTestBase(
        new Dictionary<string, string>
        {
            ["GitHub__PollInterval"] = "00:00:00.5",
            ["GitHub__Settle"] = "00:00:00.5",
            ["GitHub__MergeStateSettle"] = "00:00:01",
        }
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

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Whether_many_can_be_merged_costs_a_question_for_fifty_where_it_is_answered(bool answers)
    {
        const int Many = 120;
        github.AnswersQueries = answers;
        for (var number = 1; number <= Many; number++)
        {
            github.Open(number);
            github.Check(LoopbackGitHub.Sha(number), "build", "success");
            github.MergeState(number, true, "clean");
        }

        // All are watched before any is looked at.
        var before = await wake.StartProcess(
            "Wake.Standalone",
            new Dictionary<string, string> { ["GitHub__Accounts__main__Repositories__0"] = "octo-org/another" }
        );
        var key = await wake.Session();
        for (var number = 1; number <= Many; number++)
            await wake.Watch(key, $"github:octo-org/hello#{number}", types: ["github.pull_request.conflicted"]);
        await before.Kill();
        await wake.StartProcess("Wake.Standalone");
        await Eventually.Holds(
            async () =>
                await wake.Scalar<long>("select count(*) from github.merge_states where state ->> 'Counted' = '5'")
                == Many,
            "all count"
        );

        // When they begin, and once more when they have stood for long enough; under load, each a few times.
        var single = github.Counted.Count(x =>
            x.Path.Split('/') is [.., "pulls", var number] && number.All(char.IsAsciiDigit)
        );
        var queries = github.Requests.Count(x => x.Path == "/graphql");
        if (answers)
            Assert.True(single < Many / 10 && queries is >= 6 and <= 30, $"{single} and {queries} were asked");
        else
            Assert.True(single >= Many && queries == 1, $"{single} and {queries} were asked");

        // One is told for itself.
        github.MergeState(7, false, "dirty");
        github.Review(7, "COMMENTED", "Look at the conflict.");
        await wake.WaitForTurnEnd(key, 1);
    }

    static bool IsFirst(LoopbackGitHub.ReceivedRequest request) =>
        request.Path.EndsWith("/pulls/15", StringComparison.Ordinal);
}
