using Wake.Contracts;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

public sealed class WatchingCiWithClaude_2_1_329() : WatchingCi(RealClaude.Current);

public sealed class WatchingCiWithClaude_2_1_197() : WatchingCi(RealClaude.Old);

/// <summary>
/// A session of the real CLI waits for CI as its owner says it on the command line: three workflows of one commit end
/// one after the other, further apart than a sum has to hold, and the session takes one turn with all of them.
/// </summary>
[Trait("Starts", "processes")]
public abstract class WatchingCi(string version)
    : ClaudeOnGitHubTestBase(
        version,
        new Dictionary<string, string>
        {
            ["GitHub__Settle"] = Settle.ToString(),
            ["GitHub__MergeStateSettle"] = Settle.ToString(),
        }
    )
{
    static readonly TimeSpan Settle = TimeSpan.FromSeconds(2);

    [Fact]
    public async Task A_conflict_is_told_instead_of_checks_that_never_come()
    {
        var (before, after) = (LoopbackGitHub.Sha(1), LoopbackGitHub.Sha(2));
        github.Open(1, before);
        github.Check(before, "build", null);
        github.MergeState(1, true, "blocked");
        await Start();
        var key = await wake.Session();
        var said = await WakeCommandLine.Run(
            wake.Here,
            null,
            "watch",
            "--session",
            key,
            "--pr",
            "octo-org/hello#1",
            "--ci",
            "--once"
        );
        Assert.True(said.ExitCode == 0, said.Errors);
        await Eventually.Holds(async () =>
            await wake.Scalar<bool>("select exists (select from github.merge_states where state ->> 'Counted' <> '0')")
        );

        // Its branch moves on, and GitHub runs nothing.
        github.Push(1, after);
        github.MergeState(1, false, "dirty");

        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal(
            (TurnOutcome.Completed, "PR #1 (Change 1) conflicts with main; CI may not run until that is resolved"),
            (turn.Outcome, Assert.Single(turn.Reasons))
        );
        Assert.True(
            (await api.Next(x => x.IsInTail("conflicts with main"))).SessionId == (await wake.Show(key)).ClaudeSessionId
        );
    }

    [Fact]
    public async Task One_turn_tells_what_three_workflows_came_to_and_that_ends_the_watch()
    {
        var head = LoopbackGitHub.Sha(1);
        github.Open(1);
        for (var workflow = 1; workflow <= 3; workflow++)
            github.Run(
                workflow,
                head,
                10 + workflow,
                null,
                suite: 50 + workflow,
                workflow: 60 + workflow,
                name: $"W{workflow}"
            );
        await Start();
        var key = await wake.Session();
        var said = await WakeCommandLine.Run(
            wake.Here,
            null,
            "watch",
            "--session",
            key,
            "--pr",
            "octo-org/hello#1",
            "--ci",
            "--once"
        );
        Assert.True(said.ExitCode == 0, said.Errors);
        await IsKnown(head);

        for (var workflow = 1; workflow <= 3; workflow++)
        {
            // The jobs of one begin when the one before it has ended, which is what a busy pool of runners does.
            var conclusion = workflow == 3 ? "failure" : "success";
            github.Check(head, $"job {workflow}", null, id: 10 + workflow, suite: 50 + workflow);
            await github.WaitForTwoPolls();
            github.Check(head, $"job {workflow}", conclusion, id: 10 + workflow, suite: 50 + workflow);
            github.Run(
                workflow,
                head,
                10 + workflow,
                conclusion,
                suite: 50 + workflow,
                workflow: 60 + workflow,
                name: $"W{workflow}"
            );
            if (workflow < 3)
                await Task.Delay(Settle * 1.25);
        }

        var turn = await wake.WaitForTurnEnd(key, 1);
        await wake.WaitUntilIdle();
        Assert.Equal(
            (TurnOutcome.Completed, "CI of PR #1 is finished: failure (1 of 3)"),
            (turn.Outcome, Assert.Single(turn.Reasons))
        );
        Assert.Single(await wake.Turns(key));
        Assert.True((await api.Next(x => x.IsInTail("CI of PR #1 is finished"))).IsInTail("failure (1 of 3)"));
        Assert.Empty((await wake.Explain(key)).Watches);
        Assert.Equal(
            3,
            await wake.Scalar<long>("select count(*) from events where type = 'github.workflow_run.completed'")
        );
    }
}
