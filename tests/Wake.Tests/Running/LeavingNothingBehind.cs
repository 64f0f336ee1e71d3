using System.Net;
using System.Net.Sockets;
using Wake.Contracts;
using Wake.Runner;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>Tools that outlive what started them end when their runner stops, dies or loses their turn.</summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class LeavingNothingBehind : ToolsLeftBehindTestBase
{
    [Fact]
    public async Task A_tool_ends_with_a_turn_that_its_frozen_runner_has_lost()
    {
        var (key, tool, _) = await Running();

        await StartRunner("second");

        // What takes the turn over first ends what the attempt before it has left on the machine.
        runner.Freeze();
        await Completes(key, attempts: 2);
        Assert.False(MachineProcess.Runs(tool));

        runner.Thaw();
        Assert.Equal(0, await runner.Stop());
    }

    [Fact]
    public async Task A_tool_ends_with_a_runner_that_is_told_to_stop()
    {
        var (_, tool, _) = await Running();

        Assert.Equal(0, await runner.Stop());

        Assert.False(MachineProcess.Runs(tool));
    }

    [Fact]
    public async Task A_runner_that_goes_on_with_the_turn_of_a_killed_one_ends_its_tools_first()
    {
        var (key, tool, _) = await Running();
        await StartRunner("second");
        Assert.True(MachineProcess.Runs(tool));

        await runner.Kill();

        await Completes(key, attempts: 2);
        Assert.False(MachineProcess.Runs(tool));
    }

    [Fact]
    public async Task Another_runner_that_lives_keeps_its_processes()
    {
        var (_, tool, cli) = await Running();

        var second = await StartRunner("second");
        await second.Kill();
        await StartRunner("third");

        Assert.True(MachineProcess.Runs(tool));
        Assert.True(MachineProcess.Runs(cli));
    }

    [Fact]
    public async Task Files_of_a_killed_runner_for_its_run_are_deleted_and_those_of_a_living_one_are_not()
    {
        await Running("settings");
        var files = Assert.Single(Questions());

        await StartRunner("second");
        Assert.Equal([files], Questions());

        await runner.Kill();
        Assert.Equal([files], Questions());
        await StartRunner("third");
        Assert.DoesNotContain(files, Questions());

        string[] Questions() =>
            Directory.GetDirectories(folder.File("tmp"), "wake-questions-*", SearchOption.AllDirectories);
    }

    [Fact]
    public async Task A_workspace_that_is_being_made_is_given_up_by_a_runner_that_is_told_to_stop()
    {
        var (key, processes) = await Cloning();

        Assert.Equal(0, await runner.Stop());

        Assert.DoesNotContain(processes, MachineProcess.Runs);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.File("cache/mirrors")));
        var turn = Assert.Single(await wake.Turns(key));
        Assert.Equal((TurnState.Dispatched, "interrupted because the runner shut down"), (turn.State, turn.Note));
    }

    [Fact]
    public async Task Git_ends_with_a_runner_that_is_killed()
    {
        var (_, processes) = await Cloning();

        await runner.Kill();

        await Eventually.Holds(() => Task.FromResult(!MachineProcess.Runs(processes[0])), "git ends by itself");
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.File("cache/mirrors")));
        await StartRunner("next");
        Assert.DoesNotContain(processes, MachineProcess.Runs);
    }

    async Task<(string Key, IReadOnlyList<int> Processes)> Cloning()
    {
        var key = await wake.Session("cloning", workspace: folder.File("workspace"));
        await wake.Wake(key, "merged");

        // By then git has started all that it starts.
        connections.Add(await server.AcceptTcpClientAsync().WaitAsync(TimeSpan.FromSeconds(30)));
        return (key, [.. MachineProcess.WithArgument(Origin).Order()]);
    }
}

/// <summary>Tools that outlive what started them end with the run they belong to, and with no other.</summary>
[Trait("Starts", "processes")]
public sealed class EndingToolsWithTheirTurn(EndingToolsWithTheirTurn.OneRunner shared)
    : IClassFixture<EndingToolsWithTheirTurn.OneRunner>,
        IDisposable
{
    readonly TemporaryFolder folder = new();
    readonly WakeSystem wake = shared.System;

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("600")]
    [InlineData("600 ignore-term")]
    public async Task A_tool_ends_with_its_turn(string how)
    {
        var key = await wake.WatchingSession("instant");
        await wake.Publish(
            WakeSystem.Event(WakeSystem.Subject(key), $"merged [[fake:orphan {folder.File("tool")} {how}]]")
        );

        await ToolsLeftBehindTestBase.Completes(wake, key, attempts: 1);
        Assert.False(MachineProcess.Runs(await MachineProcess.ReadProcessId(folder.File("tool"))));
    }

    [Theory]
    [InlineData("orphan", "600 hide")]
    [InlineData("hidden", "")]
    [InlineData("hidden", "shed")]
    public async Task A_tool_that_hides_ends_with_its_turn(string verb, string how)
    {
        var key = await wake.WatchingSession("instant");
        await wake.Publish(
            WakeSystem.Event(WakeSystem.Subject(key), $"merged [[fake:{$"{verb} {folder.File("tool")} {how}".Trim()}]]")
        );

        await ToolsLeftBehindTestBase.Completes(wake, key, attempts: 1);
        Assert.False(MachineProcess.Runs(await MachineProcess.ReadProcessId(folder.File("tool"))));
    }

    [Fact]
    public async Task A_tool_that_hides_ends_with_its_own_turn_and_with_no_other()
    {
        var (beside, tool, hold) = (await wake.WatchingSession("instant"), folder.File("beside"), folder.File("hold"));
        await wake.Publish(
            WakeSystem.Event(WakeSystem.Subject(beside), $"merged [[fake:hidden {tool}]] [[fake:hold {hold}]]")
        );
        await Eventually.Holds(() => Task.FromResult(File.Exists($"{hold}.reached")), "the turn reaches its hold");

        var key = await wake.WatchingSession("instant");
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), $"merged [[fake:hidden {folder.File("tool")}]]"));
        await ToolsLeftBehindTestBase.Completes(wake, key, attempts: 1);
        Assert.False(MachineProcess.Runs(await MachineProcess.ReadProcessId(folder.File("tool"))));
        Assert.True(MachineProcess.Runs(await MachineProcess.ReadProcessId(tool)));

        await File.WriteAllTextAsync(hold, "");
        await ToolsLeftBehindTestBase.Completes(wake, beside, attempts: 1);
        Assert.False(MachineProcess.Runs(await MachineProcess.ReadProcessId(tool)));
    }

    [Fact]
    public async Task A_tool_that_sheds_its_limits_beside_another_turn_ends_with_the_last_that_may_have_begun_it()
    {
        var (beside, hold) = (await wake.WatchingSession("instant"), folder.File("hold"));
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(beside), $"merged [[fake:hold {hold}]]"));
        await Eventually.Holds(() => Task.FromResult(File.Exists($"{hold}.reached")), "the turn reaches its hold");

        var key = await wake.WatchingSession("instant");
        await wake.Publish(
            WakeSystem.Event(WakeSystem.Subject(key), $"merged [[fake:hidden {folder.File("tool")} shed]]")
        );
        await ToolsLeftBehindTestBase.Completes(wake, key, attempts: 1);

        // Nobody's processes are killed on a guess; where the machine has groups none is needed.
        Assert.Equal(
            !RunCgroup.IsAvailable,
            MachineProcess.Runs(await MachineProcess.ReadProcessId(folder.File("tool")))
        );
        await File.WriteAllTextAsync(hold, "");
        await ToolsLeftBehindTestBase.Completes(wake, beside, attempts: 1);
        Assert.False(MachineProcess.Runs(await MachineProcess.ReadProcessId(folder.File("tool"))));
    }

    [Fact]
    public async Task A_tool_whose_parents_are_gone_becomes_the_runners_child_and_leaves_no_zombie()
    {
        var (key, tool, _) = await shared.Running(files: folder);
        Assert.Equal(shared.LivingRunner.Id, MachineProcess.Parent(tool));

        MachineProcess.Kill(tool);
        await Eventually.Holds(() => Task.FromResult(MachineProcess.IsGone(tool)), "the runner collects it");

        // And the exit code of the CLI was left to the one who waits for it.
        File.WriteAllText(folder.File("hold"), "");
        await ToolsLeftBehindTestBase.Completes(wake, key, attempts: 1);
    }

    /// <summary>All turns are of one runner, which outlives them.</summary>
    public sealed class OneRunner : ToolsLeftBehindTestBase
    {
        internal WakeSystem System => wake;

        internal ServiceProcess LivingRunner => runner;
    }
}

/// <summary>What a runner leaves behind that is killed is there until another one starts, whoever's.</summary>
[Collection(MachineProcesses.Name)]
[Trait("Starts", "processes")]
public sealed class EndingWhatAKilledRunnerLeft : ToolsLeftBehindTestBase
{
    [Fact]
    public async Task What_a_killed_runner_left_behind_the_next_one_ends_before_it_takes_work()
    {
        var (key, tool, cli) = await Running();

        await runner.Kill();
        await Eventually.Holds(() => Task.FromResult(!MachineProcess.Runs(cli)), "the CLI ends by itself");
        Assert.True(MachineProcess.Runs(tool));

        var next = await StartRunner("next");
        Assert.False(MachineProcess.Runs(tool));
        Assert.Contains("processes that a killed runner had left behind.", next.Log);
        await Completes(key, attempts: 2);
    }
}

/// <summary>Runs that leave tools behind, in a session of their own and without a parent, as a command leaves them that
/// ends in an ampersand.</summary>
public abstract class ToolsLeftBehindTestBase : IAsyncLifetime
{
    private protected readonly TemporaryFolder folder = new();

    // A git server that says nothing.
    private protected readonly TcpListener server = new(IPAddress.Loopback, 0);
    private protected readonly List<TcpClient> connections = [];
    private protected WakeSystem wake = null!;
    private protected ServiceProcess runner = null!;

    public async Task InitializeAsync()
    {
        server.Start();
        await File.WriteAllTextAsync(folder.File("settings.json"), "{}");
        wake = await WakeSystem.Create(
            Transport.RabbitMq,
            new Dictionary<string, string>
            {
                ["TMPDIR"] = Directory.CreateDirectory(folder.File("tmp")).FullName,
                ["Runner__Cache"] = folder.File("cache"),
                // A shorter one is over by itself on a starved machine, which costs an attempt.
                ["Runner__Lease"] = "00:00:10",
                ["Profiles__cloning__Repository"] = Origin,
                ["Profiles__settings__Arguments__0"] = "--settings",
                ["Profiles__settings__Arguments__1"] = folder.File("settings.json"),
            }
        );
        runner = (
            await Task.WhenAll(
                wake.StartProcess("Wake.Gateway"),
                wake.StartProcess("Wake.Coordinator"),
                StartRunner("first")
            )
        )[2];
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        connections.ForEach(x => x.Dispose());
        server.Dispose();
        folder.Dispose();
    }

    private protected string Origin => $"http://{server.LocalEndpoint}/x.git";

    private protected Task<ServiceProcess> StartRunner(string name) =>
        wake.StartProcess("Wake.Runner", new Dictionary<string, string> { ["Runner__Name"] = name });

    private protected Task Completes(string key, int attempts) => Completes(wake, key, attempts);

    internal static async Task Completes(WakeSystem wake, string key, int attempts)
    {
        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal((TurnOutcome.Completed, attempts), (turn.Outcome, turn.Attempt));
    }

    // A turn that has left a tool behind and goes on, the first time it is run.
    internal async Task<(string Key, int Tool, int Cli)> Running(
        string profile = "instant",
        TemporaryFolder? files = null
    )
    {
        files ??= folder;
        var key = await wake.WatchingSession(profile);
        var hold = files.File("hold");
        await wake.Publish(
            WakeSystem.Event(
                WakeSystem.Subject(key),
                "merged",
                reason: $"merged [[fake:first orphan {files.File("tool")} 600]] [[fake:first hold {hold}]]"
            )
        );
        await Eventually.Holds(() => Task.FromResult(File.Exists($"{hold}.reached")), "the turn reaches its hold");

        var tool = await MachineProcess.ReadProcessId(files.File("tool"));
        return (key, tool, MachineProcess.CliProcess(wake));
    }
}
