using Wake.Offline;
using Wake.Testing;
using Wake.Tests.HouseRules;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>What happens while Wake does not run reaches the real CLI when it does.</summary>
public sealed class WakingLater : IAsyncLifetime
{
    MessagesApi api = null!;
    WakeSystem wake = null!;

    public async Task InitializeAsync()
    {
        api = await MessagesApi.Start();
        wake = await WakeSystem.Start(Transport.InMemory, new Dictionary<string, string>
        {
            ["ANTHROPIC_BASE_URL"] = api.Url,
            ["ANTHROPIC_API_KEY"] = "sk-test-0123456789",
            ["Claude__Executable"] = RealClaude.Executable(RealClaude.Current),
        });
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await api.DisposeAsync();
    }

    [Fact]
    public async Task A_shell_script_drops_a_file_while_it_is_down()
    {
        var key = await wake.WatchingSession();
        await wake.Wake(key, "the first thing happened");
        await wake.Ended(key, 1);
        Assert.Equal(0, await wake.Processes[^1].Stop());

        await Example.Run(Path.Combine(Repository.Root, "deploy/examples/drop.sh"),
            $$"""{"type":"backup.done","subject":"{{WakeSystem.Subject(key)}}","reason":"The backup is done"}""",
            new Dictionary<string, string> { ["WAKE_DATA"] = wake.Data });
        await wake.StartProcess("Wake.Standalone");

        Assert.Equal(["The backup is done"], (await wake.Ended(key, 2)).Reasons);
        Assert.True((await api.Next(x => x.Hears("The backup is done"))).Remembers("the first thing happened"));
    }

    [Fact]
    public async Task The_command_keeps_what_it_is_told_while_it_is_down_and_says_so()
    {
        var key = await wake.Session();
        var here = new Dictionary<string, string> { ["WAKE_DATA"] = wake.Data };
        await wake.Processes[^1].Kill();

        var resumed = await WakeCommandLine.Run(here, null, "resume", "--session", key, "--reason", "PR #972 merged");
        var published = await WakeCommandLine.Run(here, null,
            "publish", "--subject", "s", "--type", "t", "--reason", "CI is green", "--session", key, "--output", "json");
        var waiting = await WakeCommandLine.Run(here, null, "resume", "--session", key, "--reason", "x", "--wait");
        var wrong = await WakeCommandLine.Run(here, "{}", "publish", "--file", "-");
        var elsewhere = await WakeCommandLine.Run(
            new Dictionary<string, string> { ["WAKE_URL"] = "http://127.0.0.1:9" }, null, "resume", "--session", key, "--reason", "x");

        Assert.Equal((0, 0, 1, 1, 1), (resumed.ExitCode, published.ExitCode, waiting.ExitCode, wrong.ExitCode, elsewhere.ExitCode));
        Assert.Contains("not running. Kept in", resumed.Output);
        Assert.Contains("keptIn", published.Output);
        Assert.Equal(2, Directory.GetFiles(Path.Combine(wake.Data, "spool"), "*.json").Length);
        await wake.StartProcess("Wake.Standalone");

        Assert.Equal(["PR #972 merged", "CI is green"], (await wake.Ended(key, 1)).Reasons);
    }
}
