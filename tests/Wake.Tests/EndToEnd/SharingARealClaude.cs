using System.Diagnostics;
using System.Text.Json;
using Wake.Contracts;
using Wake.Offline;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

public sealed class SharingClaude_2_1_329() : SharingARealClaude(RealClaude.Current);

public sealed class SharingClaude_2_1_197() : SharingARealClaude(RealClaude.Old);

public sealed class SharingClaude_2_1_332() : SharingARealClaude(RealClaude.Newest);

/// <summary>
/// The real CLI open in a real terminal, or in a program, while its session is woken. What it relies on:
/// <c>sessions/PID.json</c> with <c>sessionId</c> and <c>procStart</c>, which is there while a process has the session
/// open and names another after /clear.
/// </summary>
[Trait("Starts", "processes")]
public abstract class SharingARealClaude(string version) : IAsyncLifetime
{
    const string Key = "sk-test-0123456789abcdefghij";

    readonly TemporaryFolder workspace = new();
    readonly Guid id = Guid.NewGuid();
    MessagesApi api = null!;
    WakeSystem wake = null!;
    Dictionary<string, string> login = [];
    string key = "";

    public async Task InitializeAsync()
    {
        api = await MessagesApi.Start();
        login = new(api.Login) { ["ANTHROPIC_API_KEY"] = Key };
        wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>(login)
            {
                ["Claude__Executable"] = RealClaude.Executable(version),
                ["Claude__MaxRetries"] = "0",
                ["Claude__KillAfter"] = "00:00:10",
                // Nothing here is seen because a lease ran out.
                ["Runner__Lease"] = "00:05:00",
                ["Runner__WarmSessions"] = "4",
            }
        );
        login["CLAUDE_CONFIG_DIR"] = wake.ClaudeConfig;
        TmuxTerminal.Prepare(wake.ClaudeConfig, workspace.Path, Key);
        await RealClaude.Run(
            version,
            workspace.Path,
            login,
            "-p",
            "--session-id",
            $"{id}",
            "The secret word is marzipan."
        );
        key = await wake.Session(claudeSession: id, workspace: workspace.Path);
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await api.DisposeAsync();
        workspace.Dispose();
    }

    [Fact]
    public async Task Open_in_a_terminal_it_is_woken_when_that_is_closed_and_knows_what_was_typed_there()
    {
        await using var terminal = await RealTerminal.Open(version, workspace.Path, login, "--resume", $"{id}");
        await wake.Wake(key, "marigold happened");
        var waiting = await wake.WaitForState(key, SessionState.Waiting);
        Assert.StartsWith($"open in a terminal (pid {terminal.Id} on runner ", waiting.LastTurn!.Note);

        await terminal.Type("Remember petunia.");
        await api.Next(x => x.IsInTail("petunia"));
        await terminal.IsIdle();
        await IsWrittenDown("petunia");
        Assert.DoesNotContain(api.Requests, x => x.IsInTail("marigold"));

        var closed = Stopwatch.StartNew();
        await terminal.Close();
        var turn = await wake.WaitForTurnEnd(key, 1);

        Assert.True(closed.Elapsed < TimeSpan.FromSeconds(30), $"{closed.Elapsed}");
        Assert.Equal((TurnOutcome.Completed, 1, null), (turn.Outcome, turn.Attempt, turn.Note));
        var request = await api.Next(x => x.IsInTail("marigold"));
        Assert.True(
            request.IsInConversation("petunia") && request.IsInConversation("marzipan"),
            string.Join('\n', request.Messages.Select(x => x.Text))
        );

        // And back in the terminal there is one history.
        await using var again = await RealTerminal.Open(version, workspace.Path, login, "--resume", $"{id}");
        await again.Type("What do you know?");
        var asked = await api.Next(x => x.IsInTail("What do you know?"));
        Assert.True(
            asked.IsInConversation("petunia")
                && asked.IsInConversation("marigold")
                && asked.IsInConversation("marzipan")
        );
        Assert.True(await wake.Scalar<bool>("select on_branch from turns"));
    }

    [Fact]
    public async Task A_terminal_that_leaves_it_with_clear_and_stays_open_does_not_keep_it()
    {
        await using var terminal = await RealTerminal.Open(version, workspace.Path, login, "--resume", $"{id}");
        await wake.Wake(key, "marigold happened");
        await wake.WaitForState(key, SessionState.Waiting);

        await terminal.Type("/clear");

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.True(MachineProcess.Runs(terminal.Id));
    }

    [Fact]
    public async Task Held_by_a_program_it_is_woken_when_that_has_ended_however_it_ended()
    {
        using var program = Program();
        await Eventually.Holds(
            () => Task.FromResult(File.Exists(Path.Combine(wake.ClaudeConfig, "sessions", $"{program.Id}.json"))),
            "it registers itself"
        );
        await wake.Wake(key, "marigold happened");
        Assert.StartsWith(
            $"open in another program (pid {program.Id} on runner ",
            (await wake.WaitForState(key, SessionState.Waiting)).LastTurn!.Note
        );

        await program.StandardInput.WriteLineAsync(
            JsonSerializer.Serialize(
                new { type = "user", message = new { role = "user", content = "Remember petunia." } }
            )
        );
        await api.Next(x => x.IsInTail("petunia"));
        while (
            await program.StandardOutput.ReadLineAsync() is { } line
            && !line.Contains("\"type\":\"result\"", StringComparison.Ordinal)
        ) { }

        await IsWrittenDown("petunia");
        program.Kill();

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        var request = await api.Next(x => x.IsInTail("marigold"));
        Assert.True(request.IsInConversation("petunia"), string.Join('\n', request.Messages.Select(x => x.Text)));
    }

    [Fact]
    public async Task What_a_takeover_costs_is_said_in_its_note()
    {
        await using var terminal = await RealTerminal.Open(version, workspace.Path, login, "--resume", $"{id}");
        var said = await WakeCommandLine.Run(
            wake.Here,
            null,
            "resume",
            "--session",
            key,
            "--reason",
            "marigold happened",
            "--takeover",
            "--wait"
        );

        Assert.True(said.ExitCode == 0, said.Errors);
        Assert.Contains($"beside it the session is open in a terminal (pid {terminal.Id}", said.Output);

        // The fork that the owner was told of.
        await terminal.Type("What do you know?");
        Assert.False((await api.Next(x => x.IsInTail("What do you know?"))).IsInConversation("marigold"));
    }

    [Fact]
    public async Task Processes_of_its_own_keep_no_wake_waiting()
    {
        await wake.Wake(key, "marigold happened");
        await wake.WaitForTurnEnd(key, 1);
        var process = MachineProcess.CliProcess(wake);
        Assert.True(File.Exists(Path.Combine(wake.ClaudeConfig, "sessions", $"{process}.json")));

        await wake.Wake(key, "petunia happened");

        Assert.Equal(
            (TurnOutcome.Completed, null),
            ((await wake.WaitForTurnEnd(key, 2)).Outcome, (await wake.WaitForTurnEnd(key, 2)).Note)
        );
        Assert.Equal(process, MachineProcess.CliProcess(wake));
        Assert.Equal(2, await wake.Scalar<long>("select count(*) from turns where on_branch"));
    }

    // It writes down what was said a moment after it has said it is done, and what is ended before has forgotten. What
    // it has queued is in the file before that.
    Task IsWrittenDown(string said) =>
        Eventually.Holds(
            () =>
                Task.FromResult(
                    Directory
                        .EnumerateFiles(
                            Path.Combine(wake.ClaudeConfig, "projects"),
                            $"{id}.jsonl",
                            SearchOption.AllDirectories
                        )
                        .SelectMany(File.ReadLines)
                        .Any(x => x.Contains("\"type\":\"user\"") && x.Contains(said))
                ),
            $"{said} is written down"
        );

    Process Program()
    {
        var start = new ProcessStartInfo(
            RealClaude.Executable(version),
            ["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose", "--resume", $"{id}"]
        )
        {
            WorkingDirectory = workspace.Path,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["HOME"] = Servers.Home;
        foreach (var (name, value) in login)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }
}
