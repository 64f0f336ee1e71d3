using System.Text.Json;
using System.Text.Json.Nodes;
using Wake.Contracts;
using Wake.Offline;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Terminals;

/// <summary>The whole of it: a real Wake, the real CLI in a terminal, the plugin between them.</summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class HandingOver : IAsyncLifetime
{
    const string Key = "sk-test-0123456789abcdefghij",
        Version = RealClaude.Current;

    readonly TemporaryFolder folder = new();
    Guid id = Guid.NewGuid();
    MessagesApi api = null!;
    WakeSystem wake = null!;
    Dictionary<string, string> environment = [];

    string Workspace => folder.File("work");

    public async Task InitializeAsync()
    {
        Directory.CreateDirectory(Workspace);
        api = await MessagesApi.Start();
        environment = new(api.Login) { ["ANTHROPIC_API_KEY"] = Key };
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
        TmuxTerminal.Prepare(wake.ClaudeConfig, Workspace, Key);
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await api.DisposeAsync();
        folder.Dispose();
    }

    [Fact]
    public async Task Twenty_times_from_the_terminal_to_a_runner_and_back_nothing_is_forgotten()
    {
        const int rounds = 20;
        List<string> remembered = [];
        var wakes = 0;
        for (var round = 1; round <= rounds; round++)
        {
            string[] opening = round == 1 ? ["--session-id", $"{id}"] : ["--resume", $"{id}"];
            await using (var terminal = await RealTerminal.Open(Version, Workspace, environment, opening))
            {
                await IsAttended();
                await Remembers($"tulip-{round} happened");
                Assert.True(MachineProcess.Runs(terminal.Id));
                if (round % 5 == 1)
                {
                    await terminal.Type($"Remember orchid-{round} of mine.");
                    await Seen($"orchid-{round} ");
                    await terminal.IsIdle();
                }

                await terminal.Close();
            }

            await Remembers($"petunia-{round} happened");
        }

        await using var last = await RealTerminal.Open(Version, Workspace, environment, "--resume", $"{id}");
        await IsAttended();
        await Remembers("marigold-0 happened");
        var turns = await wake.Turns($"{id}");
        Assert.Equal((2 * rounds) + 1, turns.Count);
        Assert.All(turns, x => Assert.Equal(TurnOutcome.Completed, x.Outcome));
        Assert.All(
            remembered,
            x => Assert.Single(api.Requests[^1].Messages, y => y.Role == "user" && y.Text.Contains(x))
        );

        async Task Remembers(string reason)
        {
            wakes++;
            if (wakes == 1)
                await WakeByCommand(reason);
            else
                await wake.Wake($"{id}", reason);
            await wake.WaitForTurnEnd($"{id}", wakes);
            await Seen(reason);
        }

        async Task Seen(string word)
        {
            var request = await api.Next(x => x.IsInTail(word));
            Assert.All(remembered, x => Assert.True(request.IsInConversation(x), $"{x} at {word}"));
            remembered.Add(word);
        }
    }

    [Fact]
    public async Task A_background_session_is_woken_where_it_is_and_by_a_runner_when_it_is_stopped()
    {
        // A background session has the environment of its settings, not that of the shell.
        var settings = Path.Combine(wake.ClaudeConfig, "settings.json");
        var written = JsonNode.Parse(File.ReadAllText(settings))!;
        written["env"] = JsonSerializer.SerializeToNode(environment);
        File.WriteAllText(settings, written.ToJsonString());
        await using var background = await BackgroundClaude.Start(Version, Workspace, environment, "Remember tulip.");
        id = background.Session;
        await IsAttended();

        await WakeByCommand("marigold happened");
        var woken = await api.Next(x => x.IsInTail("marigold"));
        Assert.True(woken.IsInConversation("tulip"));
        Assert.True(MachineProcess.Runs(background.Id));
        Assert.Equal("idle", await background.Status());

        await background.Stop();
        await wake.Wake($"{id}", "petunia happened");
        var headless = await api.Next(x => x.IsInTail("petunia"));
        Assert.True(headless.IsInConversation("tulip") && headless.IsInConversation("marigold"));
    }

    // A session that is known by nothing but its id.
    async Task WakeByCommand(string reason)
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

    Task IsAttended() =>
        Eventually.Holds(
            async () => await wake.Scalar<long>("select count(*) from terminals where attended_until > now()") == 1,
            "the session is attended"
        );
}
