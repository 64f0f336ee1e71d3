using System.Net.Http.Json;
using Wake.Contracts;
using Wake.Contracts.Http;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>
/// From GitHub's API to the real CLI: a wake has waited, and what it was about is over when its turn comes. The model
/// is not asked anything.
/// </summary>
[Trait("Starts", "processes")]
public sealed class SparingATurn()
    : ClaudeOnGitHubTestBase(RealClaude.Current, new Dictionary<string, string> { ["GitHub__Settle"] = "00:00:00.1" })
{
    [Fact]
    public async Task Merged_while_the_wake_was_queued_no_turn_is_run_and_no_token_spent()
    {
        var key = await Failed();

        // The watch is for CI, and ends with the merge: nobody is told of that.
        github.Merge(1);
        await Eventually.Holds(async () => (await wake.Explain(key)).Watches.Count == 0);
        await Resume();

        var turn = await wake.WaitForTurnEnd(key, 1);
        await wake.WaitUntilIdle();
        Assert.Equal((TurnOutcome.Stale, "the pull request is merged"), (turn.Outcome, turn.Note));
        Assert.Equal((0m, default, null), (turn.CostUsd, turn.Tokens, turn.ClaudeSessionId));
        Assert.Empty(api.Requests);
        Assert.Single(await wake.Turns(key));

        var said = await WakeCommandLine.Run(wake.Here, null, "sessions");
        Assert.Contains("1 stale", said.Output);
    }

    [Fact]
    public async Task Commented_on_as_well_the_turn_is_run_and_reads_what_is_over()
    {
        var key = await Failed();
        await wake.Watch(key, "github:octo-org/hello#1", types: ["github.pull_request.comment_created"]);
        await github.WaitForTwoPolls();
        github.Comment(1, "And the changelog?");
        await Eventually.Holds(async () => (await wake.Explain(key)).Pending.Count == 2);
        await Resume();

        var turn = await wake.WaitForTurnEnd(key, 1);

        Assert.Equal(TurnOutcome.Completed, turn.Outcome);
        var request = await api.Next(x => x.IsInTail("And the changelog?"));
        Assert.True(request.IsInTail("still so at 20"));
    }

    // A session is paused while a check of its pull request fails.
    async Task<string> Failed()
    {
        var head = LoopbackGitHub.Sha(1);
        github.Open(1);
        github.Check(head, "build", null);
        await Start();
        var key = await wake.Session();
        var answer = await wake.Http.PostAsJsonAsync("/v1/pauses", new NewPause(PauseScope.All));
        Assert.True(answer.IsSuccessStatusCode);
        await wake.Watch(
            key,
            "github:octo-org/hello#1",
            types: ["github.ci.completed"],
            until: ["github.pull_request.merged"]
        );
        await IsKnown(head);
        github.Check(head, "build", "failure");
        await Eventually.Holds(async () => (await wake.Explain(key)).Pending.Count == 1);
        return key;
    }

    async Task Resume()
    {
        foreach (var pause in (await wake.Http.GetFromJsonAsync<List<Pause>>("/v1/pauses"))!)
            await wake.Http.DeleteAsync($"/v1/pauses/{pause.Id}");
    }
}
