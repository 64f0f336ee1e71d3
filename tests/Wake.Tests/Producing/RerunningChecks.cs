using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>What a session is told of checks that are run again first: a whole Wake, with a GitHub on
/// loopback.</summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class RerunningChecks()
    : GitHubPollingTestBase(
        new Dictionary<string, string>
        {
            ["GitHub__WebhookSecrets__0"] = LoopbackGitHub.Secret,
            ["GitHub__PollInterval"] = "00:00:00.3",
            ["GitHub__Settle"] = "00:00:01",
            ["GitHub__PendingAfter"] = "01:00:00",
            ["GitHub__OwnLogins__0"] = "OctoCat",
            ["Routes__ci__Subject"] = Subject,
            ["Routes__ci__Types__0"] = "github.ci.*",
            ["Routes__ci__Types__1"] = "github.workflow_run.*",
            ["Routes__ci__Where__0"] = "data.conclusion != success",
            ["Routes__ci__Session"] = "fixer@{subject}",
            ["Routes__ci__Workspace"] = Path.GetTempPath(),
            ["Routes__ci__Ci__RerunFirst"] = "true",
        }
    )
{
    const string Subject = "github:octo-org/hello#1",
        Session = $"fixer@{Subject}";

    static readonly string Head = LoopbackGitHub.Sha(1);

    static readonly IReadOnlyDictionary<string, string> Impatient = new Dictionary<string, string>
    {
        // Longer than a starved machine needs from what is pending at first to what has failed.
        ["GitHub__PendingAfter"] = "00:00:20",
    };

    // CI of the pull request runs, and the producer knows it.
    async Task<ServiceProcess> Begin(IReadOnlyDictionary<string, string>? settings = null)
    {
        github.Open(1);
        github.Run(1, Head, 11, null);
        github.Check(Head, "build", null, id: 11);
        var process = await wake.StartProcess("Wake.Standalone", settings);
        github.Hook.To = process.Url;
        await Eventually.Holds(async () =>
            await wake.Scalar<bool>(
                "select exists (select from github.cursors where state::text like $1 "
                    + "and state::text like '%in_progress%')",
                $"%{Head}%"
            )
        );
        return process;
    }

    void Fail(string log = "##[error]Expected 1, but was 2.\n")
    {
        github.Check(Head, "build", "failure", id: 11);
        github.Run(1, Head, 11, "failure", log);
    }

    void RunsAgain(long run)
    {
        github.BeginAgain(run);
        github.Check(Head, "build", null);
    }

    void EndsAgain(string conclusion)
    {
        github.Check(Head, "build", conclusion, id: 21);
        github.EndAgain(1, conclusion);
    }

    Task Asked() => Eventually.Holds(() => Task.FromResult(Reruns > 0), "it is to be run again");

    int Reruns => github.Requests.Count(x => x.Method == "POST" && x.Path.EndsWith("/runs/1/rerun-failed-jobs"));

    async Task FirstTurn()
    {
        await Eventually.Holds(async () => await wake.Scalar<bool>("select exists (select from sessions)"));
        await wake.WaitForTurnEnd(Session, 1);
    }

    async Task<string[]> Told()
    {
        await github.WaitForTwoPolls();
        await github.WaitForTwoPolls();
        await wake.WaitUntilIdle();
        return await wake.Scalar<bool>("select exists (select from sessions)")
            ? [.. (await wake.Turns(Session)).SelectMany(x => x.Reasons)]
            : [];
    }

    Task<string> Ci(string what) =>
        wake.Scalar<string>($"select {what} from events where type = 'github.ci.completed' order by seq desc limit 1");

    Task CiTold() =>
        Eventually.Holds(async () =>
            await wake.Scalar<bool>("select exists (select from events where type = 'github.ci.completed')")
        );

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_passes_when_it_is_run_again_starts_no_turn_and_is_noted_as_flaky(bool hooked)
    {
        github.Rerun = RunsAgain;
        await Begin();

        Fail();
        if (hooked)
            Assert.True(await github.DeliverRun());
        await Asked();
        await github.WaitForTwoPolls();
        EndsAgain("success");
        if (hooked)
            Assert.True(await github.DeliverRun());

        await CiTold();
        Assert.Empty(await Told());
        Assert.Equal(0, await wake.Scalar<long>("select count(*) from events where data ->> 'conclusion' = 'failure'"));
        Assert.Equal(
            "CI of PR #1 is finished: success; build failed first and passed when it was rerun: flaky, 1 of its 1 "
                + "reruns passed",
            await Ci("reason")
        );
        Assert.Equal(
            """passed [{"name":"build","reruns":1,"passed":1}]""",
            await Ci("concat_ws(' ', data ->> 'rerun', data ->> 'flaky')")
        );
        Assert.Equal(1, Reruns);
    }

    [Fact]
    public async Task What_fails_again_is_told_once_with_that_and_not_run_a_third_time()
    {
        github.Rerun = RunsAgain;
        await Begin();

        Fail();
        Assert.True(await github.DeliverRun());
        await Asked();
        await github.WaitForTwoPolls();
        Assert.Empty(await Told());
        github.Run(2, LoopbackGitHub.Sha(9), 21, "success", "##[error]Expected 1, but was 3.\n", suite: 9);
        EndsAgain("failure");

        await FirstTurn();
        Assert.Equal(
            [
                "CI of PR #1 is finished: failure (1 of 1); it was rerun and failed again",
                "Workflow CI ended on " + Head[..8] + ": failure",
            ],
            (await Told()).Order()
        );
        Assert.Equal(
            "failed tests octocat topic true ##[error]Expected 1, but was 3.",
            await Ci(
                "concat_ws(' ', data ->> 'rerun', data ->> 'failure', data ->> 'author', data ->> 'branch', "
                    + "data ->> 'own', data ->> 'excerpt')"
            )
        );
        Assert.Equal(1, Reruns);
    }

    [Fact]
    public async Task What_may_not_be_run_again_is_told_at_once()
    {
        await Begin();

        Fail();

        await FirstTurn();
        var told = await Told();
        Assert.Contains("CI of PR #1 is finished: failure (1 of 1); it could not be rerun", told);
        Assert.Contains("Workflow CI ended on " + Head[..8] + ": failure", told);
        Assert.Equal(1, Reruns);
    }

    [Fact]
    public async Task What_is_no_job_of_GitHub_Actions_is_told_at_once()
    {
        github.Rerun = RunsAgain;
        await Begin();

        github.Status(Head, "jenkins", "failure");
        Fail();

        await FirstTurn();
        Assert.Contains("CI of PR #1 is finished: failure (2 of 2); it could not be rerun", await Told());
        Assert.Equal(0, Reruns);
    }

    [Theory]
    [InlineData(false, "; it was to be rerun, and that has not begun")]
    [InlineData(true, "; this is the rerun after build failed")]
    public async Task What_does_not_begin_or_end_again_is_told_after_a_while(bool begins, string told)
    {
        github.Rerun = begins ? RunsAgain : _ => { };
        await Begin(Impatient);

        Fail();

        await FirstTurn();
        Assert.Contains(await Told(), x => x.StartsWith("CI of PR #1") && x.EndsWith(told));
        Assert.Equal(1, Reruns);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Killed_between_the_failure_and_its_rerun_it_is_told_nevertheless(bool begins)
    {
        var asked = new TaskCompletionSource();
        github.Rerun = run =>
        {
            if (begins)
                RunsAgain(run);
            asked.TrySetResult();
        };
        var process = await Begin(Impatient);
        Fail();
        await asked.Task;
        await process.Kill();

        if (begins)
            EndsAgain("failure");
        await wake.StartProcess("Wake.Standalone", Impatient);

        await FirstTurn();
        Assert.Contains(
            await Told(),
            x => x.EndsWith(begins ? "; it was rerun and failed again" : "; it was to be rerun, and that has not begun")
        );
        Assert.Equal(1, Reruns);
    }

    [Fact]
    public async Task Pull_requests_of_others_are_not_run_again()
    {
        github.Rerun = RunsAgain;
        await Begin(new Dictionary<string, string> { ["GitHub__OwnLogins__0"] = "somebody" });

        Fail();

        await FirstTurn();
        Assert.Contains("CI of PR #1 is finished: failure (1 of 1)", await Told());
        Assert.Equal(0, Reruns);
    }

    [Theory]
    [InlineData("timed_out", null, "; no test has failed: build ended with timed_out")]
    [InlineData("cancelled", null, "; no test has failed: build ended with cancelled")]
    [InlineData(
        "failure",
        "The self-hosted runner: r1 lost communication with the server.",
        "; no test has failed: build lost its runner"
    )]
    public async Task A_failure_of_what_runs_the_tests_is_told_as_that(
        string conclusion,
        string? annotation,
        string told
    )
    {
        if (annotation is not null)
            github.Annotate(11, annotation);
        await Begin(new Dictionary<string, string> { ["Routes__ci__Ci__RerunFirst"] = "false" });

        github.Check(Head, "build", conclusion, id: 11);
        github.Run(1, Head, 11, conclusion);

        await FirstTurn();
        Assert.Contains($"CI of PR #1 is finished: failure (1 of 1){told}", await Told());
        Assert.Equal(
            "infrastructure infrastructure",
            await Ci("concat_ws(' ', data ->> 'failure', data -> 'checks' -> 0 ->> 'failure')")
        );
    }
}
