using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>The real CLI, whose last words stand on the pull request that it was woken for.</summary>
[Trait("Starts", "processes")]
public sealed class ReportingFromARealClaude()
    : ClaudeOnGitHubTestBase(
        RealClaude.Current,
        new Dictionary<string, string>
        {
            ["GitHub__WebhookSecrets__0"] = LoopbackGitHub.Secret,
            ["Routes__talk__Subject"] = "github:octo-org/hello#1",
            ["Routes__talk__Types__0"] = "github.*.comment_created",
            ["Routes__talk__Session"] = "worker@{subject}",
            ["Routes__talk__Workspace"] = "/srv/wake/{session}",
            ["Routes__talk__Report"] = "Comment",
        }
    )
{
    [Fact]
    public async Task What_it_says_is_one_comment_that_is_edited_and_wakes_nobody()
    {
        const string Key = "worker@github:octo-org/hello#1";
        github.Open(1);
        await Start();
        github.Hook.To = wake.Processes[^1].Url;
        await wake.Session(key: Key);
        await IsKnown(LoopbackGitHub.Sha(1));
        api.Queue("[[say:Fixes #7. Thanks @octocat!]]", "[[say:Done with the second.]]");

        for (var turn = 1; turn <= 2; turn++)
        {
            Assert.True(await github.DeliverComment(github.Comment(1, $"please see to {turn}")));
            await Eventually.Holds(
                () =>
                    wake.Scalar<bool>(
                        "select exists (select from decisions where kind = 'reported' and wake_number = $1)",
                        turn
                    ),
                $"wake {turn} is reported"
            );
            var (_, _, body) = Assert.Single(github.CommentsOn(1), x => x.Author == github.Login);
            Assert.Contains(
                turn == 1 ? "```text\nFixes #7. Thanks @octocat!\n```" : "```text\nDone with the second.\n```",
                body
            );
        }

        await github.WaitForTwoPolls();
        await wake.WaitUntilIdle();
        Assert.Equal(2, (await wake.Turns(Key)).Count);
    }
}
