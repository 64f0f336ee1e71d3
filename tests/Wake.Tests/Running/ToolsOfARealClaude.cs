using Wake.Contracts;
using Wake.Offline;
using Wake.Runner;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

public sealed class ToolsOfClaude_2_1_329() : ToolsOfARealClaude(RealClaude.Current);

public sealed class ToolsOfClaude_2_1_197() : ToolsOfARealClaude(RealClaude.Old);

public sealed class ToolsOfClaude_2_1_332() : ToolsOfARealClaude(RealClaude.Newest);

[Collection(MachineProcesses.Name)]
public sealed class ToolsLeftByClaude_2_1_329() : ToolsLeftByARealClaude(RealClaude.Current);

[Collection(MachineProcesses.Name)]
public sealed class ToolsLeftByClaude_2_1_197() : ToolsLeftByARealClaude(RealClaude.Old);

[Collection(MachineProcesses.Name)]
public sealed class ToolsLeftByClaude_2_1_332() : ToolsLeftByARealClaude(RealClaude.Newest);

/// <summary>What the Bash tool of the real CLI may know, and that nothing it starts outlives its turn.</summary>
public abstract class ToolsOfARealClaude(string version) : RealToolsTestBase(version)
{
    [Fact]
    public async Task A_tool_sees_no_secret_of_the_runner_nor_of_the_cli()
    {
        await Completes($"[[bash:env -0 > {folder.File("environment")}]] [[say:done]]");

        var seen = File.ReadAllText(folder.File("environment"))
            .Split('\0', StringSplitOptions.RemoveEmptyEntries)
            .Select(x => x.Split('=', 2))
            .ToDictionary(x => x[0], x => x[1]);
        Assert.Equal(folder.Path, seen["HOME"]);
        Assert.DoesNotContain(
            seen,
            x => x.Value.Contains("swordfish") || x.Value.Contains("Password") || x.Value.Contains("sk-test")
        );

        // The turn's own token is what a tool is meant to speak to Wake with.
        Assert.DoesNotContain(seen.Keys, x => x != RunTokens.Variable && (x.Contains("TOKEN") || x.Contains("SOCKET")));

        // Nothing of the runner's but what is on the list; the rest is the CLI's own, or the shell's.
        var runners = ((string[])["PWD", "OLDPWD", "SHLVL", "_"]).Concat(ClaudeEnvironment.PassedVariables).ToList();
        var inherited = File.ReadAllText($"/proc/{wake.Processes[^1].Id}/environ")
            .Split('\0')
            .Select(x => x.Split('=')[0]);
        Assert.DoesNotContain(
            inherited.Where(seen.ContainsKey),
            x => !runners.Any(allowed => allowed.EndsWith('*') ? x.StartsWith(allowed[..^1]) : x == allowed)
        );
    }

    [Fact]
    public async Task A_tool_that_detached_itself_ends_with_its_turn()
    {
        await Completes($"[[bash:{Detached}]] [[say:done]]");

        Assert.False(MachineProcess.Runs(await MachineProcess.ReadProcessId(folder.File("tool"))));
    }

    [Fact]
    public async Task A_background_shell_ends_with_its_turn()
    {
        await Completes(
            $$"""[[tool:Bash {"command":"echo $$ > {{folder.File("tool")}}; sleep 1000","run_in_background":true}]] [[bash:until test -s {{folder.File("tool")}}; do sleep 0.1; done]] [[say:done]]"""
        );

        Assert.False(MachineProcess.Runs(await MachineProcess.ReadProcessId(folder.File("tool"))));
    }
}

/// <summary>Nor its runner, once the next one starts.</summary>
public abstract class ToolsLeftByARealClaude(string version) : RealToolsTestBase(version)
{
    [Fact]
    public async Task What_a_killed_runner_left_behind_the_next_one_ends()
    {
        var key = await wake.WatchingSession("tools");
        await wake.Publish(
            Event(key, $"[[bash:test -e {folder.File("tool")} || {{ {Detached}; sleep 1000; }}]] [[say:done]]")
        );
        var tool = await MachineProcess.ReadProcessId(folder.File("tool"));
        var cli = MachineProcess.CliProcess(wake);

        // Both at once: left a moment to itself 2.1.329 finds and ends some of its tools, and some not.
        MachineProcess.Freeze(cli);
        await wake.Processes[^1].Kill();
        MachineProcess.Kill(cli);
        Assert.True(MachineProcess.Runs(tool));
        await wake.StartProcess("Wake.Standalone");

        Assert.False(MachineProcess.Runs(tool));
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
    }
}

/// <summary>A Wake whose sessions may run commands by the real CLI.</summary>
[Trait("Starts", "processes")]
public abstract class RealToolsTestBase(string version) : IAsyncLifetime
{
    private protected readonly TemporaryFolder folder = new();
    MessagesApi api = null!;
    private protected WakeSystem wake = null!;

    public async Task InitializeAsync()
    {
        api = await MessagesApi.Start();
        wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["ANTHROPIC_BASE_URL"] = api.Url,
                ["ANTHROPIC_API_KEY"] = "sk-test-0123456789",
                ["MessageBus__Host"] = "rabbitmq://wake:swordfish@nowhere",
                ["DATABASE_URL"] = "postgres://wake:swordfish@nowhere",
                ["SOMETHING_ELSE"] = "swordfish",

                // The start-up files of whoever runs this would add variables of their own.
                ["HOME"] = folder.Path,
                ["Claude__Executable"] = RealClaude.Executable(version),
                ["Profiles__tools__AllowedTools__0"] = "Bash",
                ["Profiles__tools__QuietWindow"] = "00:00:00",
                ["Profiles__tools__MaxWait"] = "00:00:00",
            }
        );
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await api.DisposeAsync();
        folder.Dispose();
    }

    // Its parent ends at once, so that the CLI does not find it below itself either. The number is written whole or not
    // at all.
    private protected string Detached =>
        $"(setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $! > {folder.File("part")} && mv "
        + $"{folder.File("part")} {folder.File("tool")})";

    private protected async Task Completes(string reason)
    {
        var key = await wake.WatchingSession("tools");
        await wake.Publish(Event(key, reason));
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
    }

    private protected static ExternalEventObserved Event(string key, string reason) =>
        WakeSystem.Event(WakeSystem.Subject(key), reason);
}
