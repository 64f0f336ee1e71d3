using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>A session of the real CLI that tries to mend CI of its pull request, and cannot.</summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class MendingCi()
    : ClaudeOnGitHubTestBase(
        RealClaude.Current,
        new Dictionary<string, string>
        {
            ["GitHub__Settle"] = "00:00:01",
            ["GitHub__OwnLogins__0"] = "octocat",
            ["Routes__ci__Subject"] = "github:octo-org/hello#1",
            ["Routes__ci__Types__0"] = "github.ci.completed",
            ["Routes__ci__Where__0"] = "data.conclusion = failure",
            ["Routes__ci__Session"] = "fixer@{subject}",
            ["Routes__ci__Workspace"] = "/srv/wake/{session}",
            ["Routes__ci__Ci__AttemptsPerCheck"] = "3",
        }
    )
{
    const string Key = "fixer@github:octo-org/hello#1";

    // Of each push, what its tests say.
    static readonly string[] Errors =
    [
        "a.cs(1,2): error CS1002: ; expected",
        "error: no method Run",
        "Expected four, but was five",
        "NullReferenceException in Run",
        "error: nothing works",
    ];

    static string Sha(long push) => LoopbackGitHub.Sha((int)push);

    // The tests of a push come to this.
    async Task Fails(int push)
    {
        var (head, log) = (Sha(push), $"Building\n{Errors[push - 1]}\n##[error]Process completed with exit code 1.\n");
        if (push > 1)
            github.Push(1, head);
        github.Run(push, head, 100 + push, null, suite: 50 + push);
        github.Check(head, "build", null, id: 100 + push, suite: 50 + push);
        await IsKnown(head);
        await github.WaitForTwoPolls();
        github.Log(200 + push, log);
        github.Check(head, "build", "failure", id: 100 + push, suite: 50 + push);
        github.Run(push, head, 100 + push, "failure", log, suite: 50 + push);
    }

    [Fact]
    public async Task Three_attempts_then_a_person_reads_all_rounds_and_allows_new_ones()
    {
        github.Open(1);
        github.Rerun = run =>
        {
            // The same comes of it, as of any mistake that is really there.
            github.BeginAgain(run);
            github.Check(Sha(run), "build", "failure", id: 200 + run, suite: 50 + run);
            github.EndAgain(run, "failure");
        };
        await Start();
        await wake.Session(key: Key);
        api.Queue("[[say:I added a semicolon.]]", "[[say:I added the method.]]", "[[say:I changed the sum.]]");

        for (var push = 1; push <= 3; push++)
        {
            await Fails(push);
            await wake.WaitForTurnEnd(Key, push);
        }

        await Fails(4);
        var parked = await wake.WaitForState(Key, SessionState.Parked);

        Assert.StartsWith("CI of github:octo-org/hello#1: build is red after 3 attempts", parked.LastTurn!.Note);
        Assert.Equal(3, api.Requests.Count(x => x.IsInTail("it was rerun and failed again")));
        var third = Assert.Single(
            api.Requests,
            x => x.IsInTail("attempt 3 of 3 at build, 3 of 6 for the pull request")
        );
        Assert.True(third.IsInTail("wake 2 was attempt 2, at commit " + Sha(2)[..8] + ", for: error: no method Run"));
        Assert.True(third.IsInTail("the last words of that turn, which may be wrong: I added the method."));
        var explained = await WakeCommandLine.Run(wake.Here, null, "explain", Key);
        Assert.All(
            [.. Errors.Take(4), "I added a semicolon.", "I added the method.", "I changed the sum."],
            x => Assert.Contains(x, explained.Output)
        );
        var doctor = await WakeCommandLine.Run(wake.Here, null, "doctor");
        Assert.Contains($"{Key}: the attempts to mend CI are spent", doctor.Output);

        await wake.Wake(Key, "try once more");

        await wake.WaitForTurnEnd(Key, 4);
        Assert.Contains(api.Requests, x => x.IsInTail("attempt 1 of 3 at build, 1 of 6"));
        Assert.Equal("try once more", Assert.Single((await wake.WaitForTurnEnd(Key, 5)).Reasons));
        await Fails(5);
        await wake.WaitForTurnEnd(Key, 6);
        Assert.Contains(api.Requests, x => x.IsInTail("attempt 2 of 3 at build, 2 of 6"));
        Assert.Equal(1, await wake.Scalar<long>("select count(*) from decisions where kind = 'escalated'"));
        await wake.WaitUntilIdle();
    }
}
