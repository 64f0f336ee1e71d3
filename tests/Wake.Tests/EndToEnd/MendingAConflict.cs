using Wake.Contracts;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>A session of the real CLI is told that its branch conflicts with the one it is to be merged into. It merges
/// that with git, pushes, and is told that nothing more is missing.</summary>
[Trait("Starts", "processes")]
public sealed class MendingAConflict()
    : ClaudeOnGitHubTestBase(
        RealClaude.Current,
        new Dictionary<string, string>
        {
            ["GitHub__Settle"] = "00:00:00.5",
            ["GitHub__MergeStateSettle"] = "00:00:02",
            ["Profiles__tools__AllowedTools__0"] = "Bash",
        }
    )
{
    readonly TemporaryFolder folder = new();

    string Origin => folder.File("origin.git");

    string Workspace => folder.File("workspace");

    string Colleague => folder.File("colleague");

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        folder.Dispose();
    }

    [Fact]
    public async Task It_merges_and_pushes_and_takes_one_more_turn_that_says_it_is_ready()
    {
        await Clone();
        var before = await Head("topic");
        github.Open(1, before);
        github.Check(before, "build", "success");
        github.MergeState(1, true, "clean");
        await Start();
        var key = await wake.Session("tools", workspace: Workspace);
        string[] types = ["conflicted", "behind", "blocked", "unblocked", "ready"];
        await wake.Watch(key, "github:octo-org/hello#1", types: [.. types.Select(x => $"github.pull_request.{x}")]);
        await Eventually.Holds(async () =>
            await wake.Scalar<bool>("select exists (select from github.merge_states where state ->> 'Counted' <> '0')")
        );

        // A colleague has changed the same line, and is faster.
        api.Queue(
            "[[bash:git fetch --quiet && git merge origin/main]]",
            "[[bash:echo Hello, both of you! > greeting.txt && git commit --quiet --all --message 'Merge main' "
                + "&& git push --quiet origin topic]]",
            "[[say:I have merged main.]]",
            "[[say:It can be merged now.]]"
        );
        await Write(Colleague, "main", "Hello, main!");
        Assert.NotEqual("0", await Git(Origin, "rev-list", "--count", "topic..main"));
        github.MergeState(1, false, "dirty");
        await Eventually.Holds(async () => await Head("topic") != before, "it has pushed");

        // Whether it can be merged now GitHub finds out by itself, a moment later.
        var after = await Head("topic");
        Assert.Equal("0", await Git(Origin, "rev-list", "--count", "topic..main"));
        github.Push(1, after);
        github.Check(after, "build", "success");
        github.MergeState(1, null, "unknown");
        await github.WaitForTwoPolls();
        github.MergeState(1, true, "clean");

        var told = (await wake.WaitForTurnEnd(key, 1), await wake.WaitForTurnEnd(key, 2));
        await github.WaitForTwoPolls();
        await wake.WaitUntilIdle();
        Assert.Equal(
            ["PR #1 (Change 1) conflicts with main; CI may not run until that is resolved"],
            told.Item1.Reasons
        );
        Assert.Equal(["PR #1 (Change 1) is ready to be merged"], told.Item2.Reasons);
        Assert.Equal(
            [TurnOutcome.Completed, TurnOutcome.Completed],
            (await wake.Turns(key)).Select(x => x.Outcome!.Value)
        );
        Assert.True((await api.Next(x => x.IsInTail("Merge conflict in greeting.txt"))).IsInTail("CONFLICT"));
        Assert.Equal("Hello, both of you!", await Git(Origin, "show", "topic:greeting.txt"));
        Assert.Single((await wake.Show(key)).ClaudeSessionIds);
        Assert.Equal(
            [
                $"github.pull_request.conflicted|github:octo-org/hello#1|{before}|1",
                $"github.pull_request.ready|github:octo-org/hello#1|{after}|1",
            ],
            await wake.Scalar<string[]>(
                """
                select array_agg(dedup_key order by seq) from events
                where split_part(type, '.', 3) in ('conflicted', 'behind', 'blocked', 'unblocked', 'ready')
                """
            )
        );
    }

    // One line, which the branch changes.
    async Task Clone()
    {
        await Git(folder.Path, "init", "--quiet", "--bare", "--initial-branch", "main", Origin);
        foreach (var clone in (string[])[Colleague, Workspace])
        {
            await Git(folder.Path, "clone", "--quiet", Origin, clone);
            await Git(clone, "config", "user.name", "Tester");
            await Git(clone, "config", "user.email", "tester@example.com");
            if (clone == Colleague)
            {
                await Git(clone, "checkout", "--quiet", "-B", "main");
                await Write(clone, "main", "Hello!");
            }
        }

        await Git(Workspace, "checkout", "--quiet", "-b", "topic");
        await Write(Workspace, "topic", "Hello, topic!");
    }

    static async Task Write(string clone, string branch, string greeting)
    {
        await File.WriteAllTextAsync(Path.Combine(clone, "greeting.txt"), $"{greeting}\n");
        await Git(clone, "add", "greeting.txt");
        await Git(clone, "commit", "--quiet", "--message", greeting);
        await Git(clone, "push", "--quiet", "origin", branch);
    }

    Task<string> Head(string branch) => Git(Origin, "rev-parse", branch);

    static async Task<string> Git(string at, params string[] arguments) => (await GitCommand.Run(at, arguments)).Trim();
}
