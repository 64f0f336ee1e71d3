using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>
/// Results of turns on a GitHub on loopback: one comment that is edited, or a status. Its webhook and the poller both
/// see what is written there, and no turn comes of it.
/// </summary>
[Trait("Starts", "processes")]
public sealed class ReportingResults()
    : GitHubPollingTestBase(
        new Dictionary<string, string>
        {
            ["GitHub__WebhookSecrets__0"] = LoopbackGitHub.Secret,
            ["GitHub__PollInterval"] = "00:00:00.3",
            ["GitHub__Settle"] = "00:00:00.5",
            ["GitHub__RequestTimeout"] = "00:00:02",
            ["Routes__work__Subject"] = "github:octo-org/hello#*",
            ["Routes__work__Session"] = "worker@{subject}",
            ["Routes__work__Workspace"] = Path.GetTempPath(),
        }
    )
{
    const string Subject = "github:octo-org/hello#1",
        Session = $"worker@{Subject}";

    async Task<ServiceProcess> Start(string report)
    {
        var process = await wake.StartProcess(
            "Wake.Standalone",
            new Dictionary<string, string> { ["Routes__work__Report"] = report }
        );
        github.Hook.To = process.Url;
        return process;
    }

    async Task Turn(int number, string asked = "look")
    {
        await wake.Post(WakeSystem.Event(Subject, $"{Guid.NewGuid()}", reason: asked));
        await Eventually.Holds(async () =>
            await wake.Scalar<bool>("select exists (select from sessions where key = $1)", Session)
        );
        await wake.WaitForTurnEnd(Session, number);
    }

    Task Reported(int wakeNumber, string how = "reported") =>
        Eventually.Holds(
            () =>
                wake.Scalar<bool>(
                    "select exists (select from decisions where kind = $1 and wake_number = $2)",
                    how,
                    wakeNumber
                ),
            $"wake {wakeNumber} is {how}"
        );

    async Task<int> Turns()
    {
        await github.WaitForTwoPolls();
        await wake.WaitUntilIdle();
        return (await wake.Turns(Session)).Count;
    }

    Task<CommandOutput> Wake(params string[] arguments) => WakeCommandLine.Run(wake.Here, null, arguments);

    string Comment() => Assert.Single(github.CommentsOn(1)).Body;

    [Fact]
    public async Task One_comment_is_made_edited_found_again_after_a_kill_and_wakes_nobody()
    {
        github.Open(1);
        var process = await Start("comment");
        await Turn(1);
        await Reported(1);
        Assert.Contains("```text\nI have seen 1 user messages.\n```", Comment());

        await Turn(2, "[[fake:say fixes #1, @octocat]]");
        await Reported(2);
        Assert.Contains("```text\nfixes #1, @octocat\n```", Comment());
        Assert.Contains("- wake 1: It ended at", Comment());
        Assert.Equal(2, await Turns());

        // Whoever else writes the same is nobody: its author counts.
        var forged = github.Comment(1, Comment(), "mallory");
        Assert.True(await github.DeliverComment(forged));
        await wake.WaitForTurnEnd(Session, 3);
        await Reported(3);
        github.DeleteComment(forged);

        // On another pull request, the sender dies between sending and noting it.
        github.Open(2);
        github.SilentAfterWrites = true;
        await wake.Post(WakeSystem.Event("github:octo-org/hello#2", "x"));
        await Eventually.Holds(() => Task.FromResult(github.CommentsOn(2).Count == 1), "the comment is there");
        await process.Kill();
        github.SilentAfterWrites = false;
        await Start("comment");
        await Eventually.Holds(
            () =>
                wake.Scalar<bool>(
                    "select exists (select from decisions where kind = 'reported' and note like '%hello#2%')"
                ),
            "it is found again"
        );
        Assert.Single(github.CommentsOn(2));
        Assert.Equal(3, await Turns());

        var explained = await Wake("explain", Session);
        Assert.Contains("github:webhook has seen comment", explained.Output);
        Assert.Contains("github:poll has seen comment", explained.Output);
        Assert.Equal(
            0,
            await wake.Scalar<long>(
                "select count(*) from events where actor = $1 or data ->> 'author' = $1",
                github.Login
            )
        );
    }

    [Fact]
    public async Task What_github_refuses_is_said_once_and_what_a_person_deletes_stays_away()
    {
        github.Open(1);
        await Start("comment");
        github.Fail("/issues/1/comments", 403, """{"message":"Unable to create comment because issue is locked."}""");
        await Turn(1);
        await Reported(1, "notReported");
        Assert.Empty(github.CommentsOn(1));
        Assert.Contains(
            (await wake.Explain(Session)).Ledger,
            x => x is { What: "notReported", Note: var note } && note!.Contains("issue is locked")
        );

        Assert.Contains("1 results of turns of the last day were not reported.", (await Wake("doctor")).Output);

        // A gateway says that it is away, and it has made the comment all the same: it is found.
        github.FailAfterWrite(502);
        await Turn(2);
        await Reported(2);
        Assert.Contains("I have seen 2 user messages.", Comment());

        // A limit is kept to, and then it goes on.
        var id = github.CommentsOn(1)[0].Id;
        github.Fail($"/issues/comments/{id}", 429, headers: [("retry-after", "1")]);
        await Turn(3);
        await Reported(3);
        Assert.Contains("I have seen 3 user messages.", Comment());

        github.DeleteComment(id);
        await Turn(4);
        await Reported(4, "notReported");
        await Turn(5);
        Assert.Equal(5, await Turns());
        Assert.Empty(github.CommentsOn(1));
        Assert.Equal(1, await wake.Scalar<long>("select count(*) from decisions where note like '%was deleted%'"));
    }

    [Fact]
    public async Task A_status_stands_on_the_head_and_is_no_check_that_wakes()
    {
        github.Open(1);
        await Start("status");
        await IsKnown(LoopbackGitHub.Sha(1));
        await Turn(1);
        await Reported(1);
        await Turn(2, "[[fake:refusal]]");
        await Reported(2);

        Assert.Equal(2, await Turns());
        Assert.Equal(
            "wake/worker success wake 1: completed. I have seen 1 user messages.",
            github.StatusesOf(LoopbackGitHub.Sha(1))[0]
        );
        Assert.StartsWith("wake/worker failure wake 2: refused", github.StatusesOf(LoopbackGitHub.Sha(1))[1]);

        var routes = await Wake("routes");
        Assert.Contains(routes.Output.Split('\n'), x => x.Contains("worker@") && x.Contains(" status "));
        await Wake("watch", "--session", Session, "--subject", Subject, "--report", "none");
        Assert.Contains("none", (await Wake("watches")).Output);
        await Turn(3);
        Assert.Equal(3, await Turns());
        Assert.Equal(2, github.StatusesOf(LoopbackGitHub.Sha(1)).Count);
        Assert.Equal(
            0,
            await wake.Scalar<long>(
                "select count(*) from events where type in ('github.ci.completed', 'github.status.completed')"
            )
        );
    }
}
