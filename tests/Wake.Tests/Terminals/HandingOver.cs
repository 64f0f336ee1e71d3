using Wake.Offline;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Terminals;

/// <summary>The whole of it: a real Wake, the real CLI in a terminal, the plugin between them.</summary>
[Trait("Starts", "processes")]
public sealed class HandingOver : IAsyncLifetime
{
    const string Key = "sk-test-0123456789abcdefghij",
        Version = RealClaude.Current;

    readonly TemporaryFolder folder = new();
    readonly Guid id = Guid.NewGuid();
    MessagesApi api = null!;
    WakeSystem wake = null!;
    Dictionary<string, string> environment = [];

    string Workspace => folder.File("work");

    public async Task InitializeAsync()
    {
        Directory.CreateDirectory(Workspace);
        api = await MessagesApi.Start();
        environment = new()
        {
            ["ANTHROPIC_BASE_URL"] = api.Url,
            ["ANTHROPIC_API_KEY"] = Key,
            ["CLAUDE_CODE_MAX_RETRIES"] = "0",
        };
        wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>(environment)
            {
                ["Claude__Executable"] = RealClaude.Executable(Version),
                ["Claude__MaxRetries"] = "0",
                ["Claude__KillAfter"] = "00:00:10",
            }
        );
        environment["CLAUDE_CONFIG_DIR"] = wake.ClaudeConfig;
        environment["WAKE_DATA"] = wake.Data;
        environment["XDG_DATA_HOME"] = folder.File("share");
        environment["XDG_CACHE_HOME"] = folder.File("cache");
        await InstalledPlugin.Install(Version, environment);
        RealTerminal.Prepare(wake.ClaudeConfig, Workspace, Key);
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await api.DisposeAsync();
        folder.Dispose();
    }

    [Fact]
    public async Task Woken_where_it_is_open_then_by_a_runner_and_then_where_it_is_open_again_it_has_one_history()
    {
        await using (var terminal = await RealTerminal.Open(Version, Workspace, environment, "--session-id", $"{id}"))
        {
            await Attended();
            await Wakes("marigold happened");
            Assert.True(MachineProcess.Runs(terminal.Id));
            await terminal.Type("Remember tulip.");
            await api.Next(x => x.IsInTail("tulip"));
            await terminal.IsIdle();
            await terminal.Close();
        }

        await Wakes("petunia happened");
        var headless = await api.Next(x => x.IsInTail("petunia"));
        Assert.True(headless.IsInConversation("marigold") && headless.IsInConversation("tulip"));

        await using var again = await RealTerminal.Open(Version, Workspace, environment, "--resume", $"{id}");
        await Attended();
        await Wakes("orchid happened");
        var last = await api.Next(x => x.IsInTail("orchid"));
        Assert.All(["marigold", "tulip", "petunia"], x => Assert.True(last.IsInConversation(x), x));
        Assert.True(MachineProcess.Runs(again.Id));
    }

    async Task Wakes(string reason)
    {
        var said = await WakeCommandLine.Run(
            new Dictionary<string, string>(wake.Here) { ["CLAUDE_CONFIG_DIR"] = wake.ClaudeConfig },
            null,
            "resume",
            "--session",
            $"{id}",
            "--reason",
            reason,
            "--wait",
            "--timeout",
            "50s"
        );
        Assert.True(said.ExitCode == 0, said.Errors + said.Output);
    }

    Task Attended() =>
        Eventually.Holds(
            async () => await wake.Scalar<long>("select count(*) from terminals where attended_until > now()") == 1,
            "the session is attended"
        );
}
