using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Wake.Contracts;
using Wake.Offline;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

public sealed class TakingTheFoldersSetupWithClaude_2_1_329() : TakingTheFoldersSetup(RealClaude.Current);

public sealed class TakingTheFoldersSetupWithClaude_2_1_197() : TakingTheFoldersSetup(RealClaude.Old);

/// <summary>
/// A folder brings instructions, permissions, hooks and MCP servers along. The real CLI takes them in a woken turn
/// where its owner has trusted the folder or has run the session there, and nowhere else.
/// </summary>
[Trait("Starts", "processes")]
public abstract class TakingTheFoldersSetup(string version) : IAsyncLifetime
{
    const string Word = "The word of this project is heliotrope.";

    readonly TemporaryFolder folder = new();
    MessagesApi api = null!;
    WakeSystem wake = null!;
    string workspace = "";

    public async Task InitializeAsync()
    {
        api = await MessagesApi.Start();
        wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["ANTHROPIC_BASE_URL"] = api.Url,
                ["ANTHROPIC_API_KEY"] = "sk-test-0123456789",
                ["Claude__Executable"] = RealClaude.Executable(version),
                ["Claude__MaxRetries"] = "0",
                ["Claude__KillAfter"] = "00:00:10",
                ["Runner__Lease"] = "00:00:10",
                ["Profiles__closed__SettingSources"] = "user",
                ["Profiles__open__SettingSources"] = "user,project,local",
            }
        );

        workspace = Directory.CreateDirectory(folder.File("work")).FullName;
        Directory.CreateDirectory(Path.Combine(workspace, ".claude"));
        await File.WriteAllTextAsync(Path.Combine(workspace, "CLAUDE.md"), Word);
        await File.WriteAllTextAsync(
            Path.Combine(workspace, ".claude", "settings.json"),
            JsonSerializer.Serialize(
                new
                {
                    permissions = new { allow = (string[])["Write"] },
                    hooks = new
                    {
                        SessionStart = (object[])
                            [new { hooks = (object[])[new { type = "command", command = $"echo x >> '{Hooked}'" }] }],
                    },
                }
            )
        );

        // As docs/getting-started.md says it.
        await Claude("mcp", "add", "wake", "--", Path.Combine(AppContext.BaseDirectory, "wake"), "mcp");
    }

    string Hooked => folder.File("hooked");

    string Written => Path.Combine(workspace, "out");

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await api.DisposeAsync();
        folder.Dispose();
    }

    [Fact]
    public async Task In_a_folder_that_is_trusted_a_turn_has_all_of_it()
    {
        Trust();
        var turn = await Turn(await wake.Session(workspace: workspace));

        HasAll(turn);
    }

    [Fact]
    public async Task In_a_folder_that_nobody_has_trusted_it_has_none_of_it_and_says_so_in_time()
    {
        var answer = await wake.Http.PostAsJsonAsync("/v1/sessions", new { key = "cloned", workspace });
        Assert.Contains(
            "without CLAUDE.md, .claude/settings.json, the MCP server wake: nobody has trusted the folder",
            (await answer.Content.ReadFromJsonAsync<Session>(JsonSerializerOptions.Web))!.Notice
        );
        var doctor = await WakeCommandLine.Run(
            new Dictionary<string, string>(wake.Here) { ["CLAUDE_CONFIG_DIR"] = wake.ClaudeConfig },
            null,
            "doctor"
        );
        Assert.Contains($"{workspace}: Its turns run without CLAUDE.md", doctor.Output.ReplaceLineEndings(" "));

        var turn = await Turn("cloned");

        HasNone();
        Assert.Contains(
            "without CLAUDE.md, .claude/settings.json, the MCP server wake: nobody has trusted the folder",
            turn.Note
        );
    }

    [Fact]
    public async Task Where_its_owner_has_begun_the_session_a_turn_has_what_it_had_then()
    {
        var id = Guid.NewGuid();
        await Claude("-p", "[[say:armed]]", "--session-id", $"{id}");
        File.Delete(Hooked);

        var turn = await Turn(await wake.Session(claudeSession: id, workspace: workspace));

        HasAll(turn, mayWrite: false);
    }

    // Who names a session that began elsewhere has not run anything here.
    [Fact]
    public async Task A_session_that_was_begun_elsewhere_proves_nothing_about_this_folder()
    {
        var id = Guid.NewGuid();
        var elsewhere = Directory.CreateDirectory(folder.File("elsewhere")).FullName;
        await RealClaude.Run(version, elsewhere, Environment, "-p", "[[say:armed]]", "--session-id", $"{id}");

        await Turn(await wake.Session(claudeSession: id, workspace: workspace));

        HasNone();
    }

    [Theory]
    [InlineData("closed")]
    [InlineData("open")]
    public async Task The_profile_has_the_last_word(string profile)
    {
        if (profile == "closed")
            Trust();
        var turn = await Turn(await wake.Session(profile, workspace: workspace));

        if (profile == "open")
            HasAll(turn, mayWrite: false);
        else
            HasNone();
    }

    [Fact]
    public async Task A_server_that_is_gone_or_does_not_start_is_noted()
    {
        Trust();
        var key = await wake.Session(workspace: workspace);
        await Turn(key);

        await Claude("mcp", "remove", "wake");
        await Claude("mcp", "add", "other", "--", "false");

        var note = (await Turn(key, 2)).Note;
        Assert.Contains("without the MCP servers it had before: wake", note);
        Assert.Contains("MCP servers that did not start: other", note);
        Assert.DoesNotContain("had before", (await Turn(key, 3)).Note);
    }

    async Task<Turn> Turn(string key, int wakeNumber = 1)
    {
        await wake.Wake(
            key,
            $"go on {wakeNumber} [[tool:Write "
                + $"{JsonSerializer.Serialize(new { file_path = Written, content = "x" })}]][[say:fine]]"
        );
        var turn = await wake.WaitForTurnEnd(key, wakeNumber);
        Assert.Equal(TurnOutcome.Completed, turn.Outcome);
        return turn;
    }

    // Permissions of a folder count only where it is trusted, whatever the sources are.
    void HasAll(Turn turn, bool mayWrite = true)
    {
        var told = api.LastBody.GetRawText();
        Assert.Contains(Word, told);
        Assert.Contains("mcp__wake__watch", told);
        Assert.True(File.Exists(Hooked));
        Assert.Equal(mayWrite, File.Exists(Written));
        Assert.DoesNotContain("without", turn.Note ?? "");
    }

    void HasNone()
    {
        var told = api.LastBody.GetRawText();
        Assert.DoesNotContain(Word, told);
        Assert.DoesNotContain("mcp__wake__watch", told);
        Assert.False(File.Exists(Hooked));
        Assert.False(File.Exists(Written));
    }

    void Trust()
    {
        var file = Path.Combine(wake.ClaudeConfig, ".claude.json");
        var state = JsonNode.Parse(File.ReadAllText(file))!;
        state["projects"]![workspace]!["hasTrustDialogAccepted"] = true;
        File.WriteAllText(file, state.ToJsonString());
    }

    Dictionary<string, string> Environment =>
        new()
        {
            ["ANTHROPIC_BASE_URL"] = api.Url,
            ["ANTHROPIC_API_KEY"] = "sk-test-0123456789",
            ["CLAUDE_CONFIG_DIR"] = wake.ClaudeConfig,
            ["DISABLE_TELEMETRY"] = "1",
            ["DISABLE_AUTOUPDATER"] = "1",
        };

    Task<string> Claude(params string[] arguments) => RealClaude.Run(version, workspace, Environment, arguments);
}
