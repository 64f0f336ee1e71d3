using System.Text.Json;
using Wake.Contracts;
using Wake.Offline;
using Wake.Prompting;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

public sealed class GoingOnWithClaude_2_1_329() : GoingOnWithAnyTranscript(RealClaude.Current);

public sealed class GoingOnWithClaude_2_1_197() : GoingOnWithAnyTranscript(RealClaude.Old);

/// <summary>
/// A session that others touch as well: its owner in a terminal, a power loss, a move of its project. Whatever
/// <c>claude --resume</c> would go on with is gone on with, on the real CLI.
/// </summary>
[Trait("Starts", "processes")]
public abstract class GoingOnWithAnyTranscript(string version) : IAsyncLifetime
{
    readonly TemporaryFolder folder = new();
    MessagesApi api = null!;
    WakeSystem wake = null!;
    Dictionary<string, string> login = [];

    string Projects => Path.Combine(wake.ClaudeConfig, "projects");

    public async Task InitializeAsync()
    {
        api = await MessagesApi.Start();
        login = api.Login;
        wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>(login)
            {
                ["Claude__Executable"] = RealClaude.Executable(version),
                ["Claude__MaxRetries"] = "0",
                ["Profiles__default__AllowedTools__0"] = "Bash",
                ["Profiles__default__AllowedTools__1"] = "EnterWorktree",
                ["Profiles__forgetful__Arguments__0"] = "--no-session-persistence",
                ["Runner__Lease"] = "00:00:10",
            }
        );
        login["CLAUDE_CONFIG_DIR"] = wake.ClaudeConfig;
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await api.DisposeAsync();
        folder.Dispose();
    }

    // anthropics/claude-agent-sdk-typescript#287, anthropics/claude-code#49876, #76059: the CLI drops what lies before
    // a parent that is not there, and passes over what is no row.
    [Theory]
    [InlineData("a parent that was never written", "PR #972 is open.")]
    [InlineData("a row of NULs", "heliotrope")]
    [InlineData("half a row", "heliotrope")]
    [InlineData("a row of an unknown type", "heliotrope")]
    public async Task Damage_that_claude_passes_over_costs_no_session(string damage, string remembered)
    {
        var (id, workspace) = (Guid.NewGuid(), Folder("workspace"));
        var key = await wake.Session(claudeSession: id, workspace: workspace);
        var file = new Runner.TranscriptFolder(wake.ClaudeConfig, workspace, id);
        Directory.CreateDirectory(file.Folder);
        await File.WriteAllTextAsync(file.MainFile, Conversation(id, workspace, damage));

        await wake.Wake(key, "CI failed");

        await wake.WaitForTurnEnd(key, 1);
        Assert.True((await api.Next(x => x.IsInTail("CI failed"))).IsInConversation(remembered));
        Assert.Equal([id], (await wake.Show(key)).ClaudeSessionIds);
        Assert.StartsWith(Conversation(id, workspace, damage), await File.ReadAllTextAsync(file.MainFile));
    }

    [Fact]
    public async Task What_its_owner_did_in_a_terminal_between_two_wakes_is_remembered_saved_and_told()
    {
        var key = await wake.Session();
        await wake.Wake(key, "heliotrope happened");
        await wake.WaitForTurnEnd(key, 1);
        var session = await wake.Show(key);
        await InATerminal(session, "marigold");
        await File.AppendAllTextAsync(
            Transcript(),
            new string('\0', 300) + "\n" + """{"type":"attachment","uuid":"00000000-0000-4000-8000-0000""" + "\n"
        );
        await InATerminal(session, "petunia");
        await InATerminal(session, "zinnia");
        var before = await File.ReadAllTextAsync(Transcript());

        await wake.Wake(key, "CI failed");
        await wake.WaitForTurnEnd(key, 2);

        var request = await api.Next(x => x.IsInTail("CI failed"));
        Assert.All(
            (string[])["heliotrope", "marigold", "petunia", "zinnia"],
            x => Assert.True(request.IsInConversation(x), x)
        );
        Assert.StartsWith(before, await File.ReadAllTextAsync(Transcript()));
        Assert.Contains(
            (await wake.Explain(key)).Ledger,
            x => x.What == "added" && x.Note!.EndsWith("rows were added outside Wake since the last save")
        );

        await OnAnotherMachine();
        await wake.Wake(key, "CI passed");
        await wake.WaitForTurnEnd(key, 3);
        Assert.True((await api.Next(x => x.IsInTail("CI passed"))).IsInConversation("zinnia"));
    }

    // anthropics/claude-code#58591, #44456: the CLI resolves links, and cuts a long name and adds a hash.
    [Theory]
    [InlineData("a link")]
    [InlineData("a long path")]
    public async Task Wherever_the_workspace_lies_its_first_memory_is_saved(string where)
    {
        var workspace = Folder("real/workspace");
        if (where == "a link")
            workspace = Path.Combine(
                Directory
                    .CreateSymbolicLink(Path.Combine(folder.Path, "link"), Path.Combine(folder.Path, "real"))
                    .FullName,
                "workspace"
            );
        else
            workspace = Folder(string.Join('/', Enumerable.Repeat("a-directory.of_a-long-name", 10)));
        var key = await wake.Session(workspace: workspace);
        await wake.Wake(key, "heliotrope happened");
        await wake.WaitForTurnEnd(key, 1);

        await OnAnotherMachine();
        await wake.Wake(key, "CI failed");
        await wake.WaitForTurnEnd(key, 2);

        Assert.True((await api.Next(x => x.IsInTail("CI failed"))).IsInConversation("heliotrope"));
        Assert.Single((await wake.Show(key)).ClaudeSessionIds);
    }

    // anthropics/claude-code#30906, #36855: the transcript moves with the session.
    [Fact]
    public async Task A_session_that_has_entered_a_worktree_goes_on_there_for_as_long_as_it_exists()
    {
        var workspace = Folder("workspace");
        await GitCommand.Run(workspace, "init", "--quiet");
        await GitCommand.Commit(workspace, "begun");
        var worktree = Path.Combine(workspace, ".claude/worktrees/feature");
        var key = await wake.Session(workspace: workspace);

        await wake.Wake(key, "heliotrope [[tool:EnterWorktree {\"name\":\"feature\"}]][[bash:echo 1=$(pwd).]]");
        await wake.WaitForTurnEnd(key, 1);
        await wake.Wake(key, "marigold [[bash:echo 2=$(pwd).]]");
        await wake.WaitForTurnEnd(key, 2);
        await OnAnotherMachine();
        await wake.Wake(key, "petunia [[bash:echo 3=$(pwd).]]");
        Assert.Null((await wake.WaitForTurnEnd(key, 3)).Note);
        Directory.Delete(worktree, recursive: true);
        await wake.Wake(key, "zinnia [[bash:echo 4=$(pwd).]]");

        Assert.Contains("is not there any more", (await wake.WaitForTurnEnd(key, 4)).Note);
        var request = api.Requests[^1];
        Assert.All(
            (string[])["heliotrope", "marigold", "petunia", "zinnia"],
            x => Assert.True(request.IsInConversation(x), x)
        );
        Assert.All(
            (string[])[$"1={worktree}.", $"2={worktree}.", $"3={worktree}.", $"4={workspace}."],
            x => Assert.True(request.IsInConversation(x), x)
        );
        Assert.Single((await wake.Show(key)).ClaudeSessionIds);
    }

    [Fact]
    public async Task A_project_folder_that_was_moved_costs_no_session()
    {
        var key = await wake.Session();
        await wake.Wake(key, "heliotrope happened");
        await wake.WaitForTurnEnd(key, 1);
        var moved = Path.Combine(Projects, "-home-somebody-elsewhere", Path.GetFileName(Transcript()));
        Directory.Move(Path.GetDirectoryName(Transcript())!, Path.GetDirectoryName(moved)!);

        await wake.Wake(key, "CI failed");
        await wake.WaitForTurnEnd(key, 2);

        Assert.True((await api.Next(x => x.IsInTail("CI failed"))).IsInConversation("heliotrope"));
        Assert.Equal(moved, Transcript());
    }

    [Fact]
    public async Task A_completed_turn_that_saved_nothing_is_told_and_found_by_the_audit()
    {
        wake.SkipInvariantChecks = true;
        var key = await wake.Session("forgetful");

        await wake.Wake(key, "heliotrope happened");

        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal(TurnOutcome.Completed, turn.Outcome);
        Assert.Contains("there is no transcript", turn.Note);
        Assert.Contains("its transcript was not saved", (await wake.Explain(key)).Summary);
        Assert.Contains(
            await new ConsistencyAudit(wake.Database).CheckRules(CancellationToken.None),
            x => x is { Rule: "A memory is there in full.", Broken: 1 }
        );
    }

    // A runner that has never had the session.
    Task OnAnotherMachine()
    {
        Directory.Delete(Projects, recursive: true);
        return Task.CompletedTask;
    }

    string Transcript() => Directory.EnumerateFiles(Projects, "*.jsonl", SearchOption.AllDirectories).Single();

    string Folder(string path) => Directory.CreateDirectory(Path.Combine(folder.Path, path)).FullName;

    Task<string> InATerminal(Session session, string said) =>
        RealClaude.Run(
            version,
            session.Workspace,
            login,
            "-p",
            "--resume",
            $"{session.ClaudeSessionId}",
            $"The word is {said}."
        );

    static string Conversation(Guid id, string workspace, string damage)
    {
        List<string> rows = [];
        Guid? parent = null;
        foreach (
            var (text, index) in (
                (string[])
                    [
                        "Remember heliotrope.",
                        "Noted.",
                        "Open the pull request.",
                        "PR #972 is open.",
                        "Wait for CI.",
                        "I wait for CI.",
                    ]
            ).Select((x, i) => (x, i))
        )
        {
            if (index == 3)
            {
                switch (damage)
                {
                    case "a row of NULs":
                        rows.Add(new('\0', 300));
                        break;
                    case "half a row":
                        rows.Add("""{"type":"attachment","uuid":"00000000-0000-4000-8000-000000000000","attachm""");
                        break;
                    case "a row of an unknown type":
                        rows.Add(
                            $$"""{"type":"of-a-later-release","uuid":"{{Guid.Empty}}","parentUuid":"{{parent}}"}"""
                        );
                        break;
                    default:
                        parent = Guid.Parse("99999999-9999-4999-8999-999999999999");
                        break;
                }
            }

            var own = Uuid5.Create(id, $"{index}");
            object message =
                index % 2 == 0
                    ? new { role = "user", content = text }
                    : new
                    {
                        role = "assistant",
                        content = new[] { new { type = "text", text } },
                        id = $"msg_{index}",
                        type = "message",
                        model = "claude-opus-4-5",
                        stop_reason = "end_turn",
                        usage = new { input_tokens = 1, output_tokens = 1 },
                    };
            rows.Add(
                JsonSerializer.Serialize(
                    new
                    {
                        parentUuid = parent,
                        isSidechain = false,
                        userType = "external",
                        cwd = workspace,
                        sessionId = id,
                        version = "2.1.146",
                        gitBranch = "",
                        type = index % 2 == 0 ? "user" : "assistant",
                        message,
                        uuid = own,
                        timestamp = $"2026-11-28T10:0{index}:00.000Z",
                    }
                )
            );
            parent = own;
        }

        return string.Join('\n', rows) + "\n";
    }
}
