using System.Text.Json;
using Wake.Producers.GitHub;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>Which deliveries about failed runs are kept back where checks are run again first. They come in any
/// order.</summary>
public sealed class WithholdingRuns
{
    const string Pull = "github:octo-org/hello#1",
        Author = "octocat";

    const long Run = 7;

    static readonly string Sha = LoopbackGitHub.Sha(1);

    [Theory]
    [InlineData(null, 1, "failure", true)]
    [InlineData(null, 2, "failure", false)]
    [InlineData("Passed", 1, "failure", true)]
    [InlineData("Passed", 1, "success", false)]
    [InlineData("Passed", 2, "failure", false)]
    [InlineData("Failed", 1, "failure", false)]
    [InlineData("Refused", 1, "failure", false)]
    [InlineData("NotStarted", 1, "failure", false)]
    public void A_failed_attempt_is_kept_back_while_it_runs_again_and_for_good_once_that_has_passed(
        string? outcome,
        int attempt,
        string conclusion,
        bool withheld
    )
    {
        RerunOutcome? known = outcome is null ? null : Enum.Parse<RerunOutcome>(outcome);
        var attempts = new Dictionary<long, long> { [Run] = 1 };
        var commit = Commit() with { Rerun = new CommitRerun(default, "", attempts, [], [], known), Done = true };

        Assert.Equal(withheld, Withholds(commit, Run, attempt, conclusion));
        Assert.False(Withholds(commit, Run + 1, attempt, conclusion));
    }

    [Theory]
    [InlineData(null, false, true)]
    [InlineData("before", false, true)]
    [InlineData("now", false, false)]
    [InlineData(null, true, false)]
    public void Before_a_rerun_it_is_kept_back_until_the_sum_was_told(string? said, bool done, bool withheld)
    {
        var commit = Commit() with { Said = said, Done = done, Result = new(["build"], 1, "now") };

        Assert.Equal(withheld, Withholds(commit, Run, 1, "failure"));
    }

    [Fact]
    public void What_nobody_has_run_again_first_is_told()
    {
        Assert.False(Withholds(Commit(), Run, 1, "failure", author: "mona"));
        Assert.False(Withholds(Commit(), Run, 1, "failure", rerun: RerunFor.Nobody));
        Assert.True(Withholds(Commit(), Run, 1, "failure", author: "mona", rerun: RerunFor.Everybody));
    }

    static CommitState Commit() => new(default, Baseline: false);

    static bool Withholds(
        CommitState commit,
        long run,
        long attempt,
        string conclusion,
        string author = Author,
        RerunFor rerun = RerunFor.Sessions
    )
    {
        WatchedSubject[] subjects = [new(Pull, Types: null, Since: default) { Rerun = rerun }];
        var state = new RepositoryState();
        state.Pulls[1] = new PullState(default, default, null, Sha) { Author = author };
        state.Commits[Sha] = commit;
        var delivered = WakeSystem.Event(Pull, "ended") with
        {
            Type = "github.workflow_run.completed",
            Data = JsonSerializer.SerializeToElement(
                new
                {
                    runId = run,
                    attempt,
                    conclusion,
                }
            ),
        };
        return RerunFirst.Withholds(
            Assert.Single(WatchedRepository.FromSubjects(subjects)),
            state,
            new GitHubOptions { OwnLogins = [Author] },
            Sha,
            [1],
            delivered
        );
    }
}
