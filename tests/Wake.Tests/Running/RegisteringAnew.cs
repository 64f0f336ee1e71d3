using Wake.Contracts;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>
/// A Claude session whose session was closed and that is registered under another key: never two processes on it. And
/// what runners on several machines know of those that are open on one of them.
/// </summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class RegisteringAnew : IAsyncLifetime
{
    readonly TemporaryFolder second = new();
    WakeSystem wake = null!;
    ServiceProcess here = null!;

    public async Task InitializeAsync()
    {
        wake = await WakeSystem.Create(
            Transport.RabbitMq,
            new Dictionary<string, string>
            {
                ["Runner__WarmSessions"] = "4",
                ["Runner__Lease"] = "00:00:10",
                ["Profiles__elsewhere__Pool"] = "elsewhere",
                ["Profiles__elsewhere__QuietWindow"] = "00:00:00",
                ["Profiles__cold__WarmFor"] = "00:00:00",
                ["Profiles__cold__QuietWindow"] = "00:00:00",
            }
        );
        var starting = Runner("here");
        await Task.WhenAll(
            wake.StartProcess("Wake.Gateway"),
            wake.StartProcess("Wake.Coordinator"),
            starting,
            Runner("elsewhere", pool: "elsewhere")
        );
        here = await starting;
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        second.Dispose();
    }

    [Theory]
    [InlineData("cold")]
    [InlineData("elsewhere")]
    public async Task Its_first_turn_waits_until_the_turn_of_the_closed_one_is_over(string profile)
    {
        using var hold = new HoldFile();
        var (closed, id, workspace) = await Begun("cold", $"first [[fake:hold {hold.Path}]]");
        await hold.Reached();
        await Close(closed);

        var anew = await wake.Session(profile, id, workspace);
        await wake.Wake(anew, "second");

        var waiting = await wake.WaitForState(anew, SessionState.Waiting);
        Assert.Equal(
            $"its Claude session is still at work in the session {closed}, which was closed",
            waiting.LastTurn!.Note
        );
        Assert.Single(MachineProcess.CliProcesses(wake));
        hold.Release();

        var turn = await wake.WaitForTurnEnd(anew, 1);
        Assert.Equal((TurnOutcome.Completed, 1), (turn.Outcome, turn.Attempt));
        var messages = FakeTranscript.Of(wake, await wake.Show(anew)).UserMessages;
        Assert.Equal(2, messages.Count);
        Assert.Contains("second", messages[1]);
    }

    [Fact]
    public async Task When_the_runner_of_the_closed_one_dies_it_waits_for_its_lease()
    {
        using var hold = new HoldFile();
        var (closed, id, workspace) = await Begun("cold", $"first [[fake:hold {hold.Path}]]");
        await hold.Reached();
        await Close(closed);
        var anew = await wake.Session("elsewhere", id, workspace);
        await wake.Wake(anew, "second");
        await wake.WaitForState(anew, SessionState.Waiting);

        await here.Kill();

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(anew, 1)).Outcome);
    }

    [Theory]
    [InlineData("instant")]
    [InlineData("elsewhere")]
    public async Task Its_turns_never_find_the_process_that_the_closed_one_had_left(string profile)
    {
        var (closed, id, workspace) = await Begun("instant", "first");
        await wake.WaitForTurnEnd(closed, 1);
        var left = MachineProcess.CliProcess(wake);
        await Close(closed);
        using var hold = new HoldFile();
        var anew = await wake.Session(profile, id, workspace);

        await wake.Wake(anew, $"second [[fake:hold {hold.Path}]]");
        await hold.Reached();

        Assert.False(MachineProcess.Runs(left));
        hold.Release();
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(anew, 1)).Outcome);
    }

    [Fact]
    public async Task The_process_of_a_session_ends_when_it_is_closed()
    {
        var (key, _, _) = await Begun("instant", "first");
        await wake.WaitForTurnEnd(key, 1);
        Assert.Single(MachineProcess.CliProcesses(wake));

        await Close(key);

        await Eventually.Holds(() => Task.FromResult(MachineProcess.CliProcesses(wake) is []), "it ends");
    }

    [Fact]
    public async Task A_runner_elsewhere_leaves_a_turn_that_waits_to_the_runner_that_sees_for_whom()
    {
        var (key, id, _) = await Begun("cold", "first");
        await wake.WaitForTurnEnd(key, 1);
        using var terminal = OpenClaudeSession.Open(wake.ClaudeConfig, id);
        await wake.Wake(key, "second");
        var waiting = await wake.WaitForState(key, SessionState.Waiting);
        Assert.Contains("on runner here,", waiting.LastTurn!.Note);

        // It sees another configuration folder, and has all the time in the world.
        await Runner("far", configFolder: second.Path);
        await wake.Wake(key, "third");
        var began = await wake.Scalar<DateTime>("select clock_timestamp()");
        await Eventually.Holds(
            () => wake.Scalar<bool>("select clock_timestamp() > $1 + interval '15 seconds'", began),
            "more than a lease has gone by"
        );
        Assert.Equal(SessionState.Waiting, (await wake.Show(key)).State);

        terminal.Close();
        var turn = await wake.WaitForTurnEnd(key, 2);
        Assert.Equal(("here", 1), (turn.Runner, turn.Attempt));
        Assert.Equal(["second", "third"], turn.Reasons);
    }

    [Fact]
    public async Task When_the_runner_that_watches_dies_its_successor_sees_the_same()
    {
        var (key, id, _) = await Begun("cold", "first");
        await wake.WaitForTurnEnd(key, 1);
        using var terminal = OpenClaudeSession.Open(wake.ClaudeConfig, id);
        await wake.Wake(key, "second");
        await wake.WaitForState(key, SessionState.Waiting);

        await here.Kill();
        await Runner("successor");

        await Eventually.Holds(
            async () => (await wake.Show(key)).LastTurn!.Note?.Contains("on runner successor,") == true,
            "the successor watches"
        );
        terminal.Close();
        var turn = await wake.WaitForTurnEnd(key, 2);
        Assert.Equal(("successor", TurnOutcome.Completed, 1), (turn.Runner, turn.Outcome, turn.Attempt));
    }

    Task<ServiceProcess> Runner(string name, string pool = "default", string? configFolder = null) =>
        wake.StartProcess(
            "Wake.Runner",
            new Dictionary<string, string>
            {
                ["Runner__Name"] = name,
                ["Runner__Pool"] = pool,
                ["CLAUDE_CONFIG_DIR"] = configFolder ?? wake.ClaudeConfig,
            }
        );

    // A session in the midst of its first turn, or after it.
    async Task<(string Key, Guid ClaudeSession, string Workspace)> Begun(string profile, string reason)
    {
        var key = await wake.Session(profile);
        await wake.Wake(key, reason);
        var session = await Eventually.Sees(
            async () => await wake.Show(key) is { ClaudeSessionId: not null } begun ? begun : null,
            "it has begun"
        );
        return (key, session.ClaudeSessionId!.Value, session.Workspace);
    }

    async Task Close(string key) =>
        Assert.True((await wake.Http.DeleteAsync($"/v1/sessions/{Uri.EscapeDataString(key)}")).IsSuccessStatusCode);
}
