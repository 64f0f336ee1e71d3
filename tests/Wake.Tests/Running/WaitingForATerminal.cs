using System.Diagnostics;
using System.Net.Http.Json;
using Wake.Contracts;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>With a lease so long that nothing is seen because one ran out.</summary>
public sealed class SystemWithLongLeases : IAsyncLifetime
{
    public WakeSystem Wake { get; private set; } = null!;

    public async Task InitializeAsync() =>
        Wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["Runner__Lease"] = "00:05:00",
                ["Runner__Slots"] = "1",
                ["Runner__UrgentSlots"] = "1",
                ["Runner__WarmSessions"] = "2",
                ["Profiles__beside__WhenOpen"] = "Takeover",
            }
        );

    public async Task DisposeAsync() => await Wake.DisposeAsync();
}

/// <summary>A session that somebody has open is not run beside them.</summary>
[Trait("Starts", "processes")]
public sealed class WaitingForATerminal(SystemWithLongLeases shared)
    : IClassFixture<SystemWithLongLeases>,
        IAsyncLifetime
{
    readonly WakeSystem wake = shared.Wake;
    readonly List<string> begun = [];

    public Task InitializeAsync() => Task.CompletedTask;

    // What waits or stays of a session must not be met by the next test.
    public async Task DisposeAsync()
    {
        foreach (var key in begun)
            await wake.Http.DeleteAsync($"/v1/sessions/{Uri.EscapeDataString(key)}");
    }

    [Fact]
    public async Task Its_turn_waits_says_for_whom_and_runs_when_they_have_closed_it()
    {
        var (key, id) = await Begun();
        using var terminal = Open(id);

        await wake.Wake(key, "second");

        var session = await wake.WaitForState(key, SessionState.Waiting);
        Assert.Matches(
            $@"^open in a terminal \(pid {terminal.Id} on runner \S+, since 20\S+ \S+Z\)$",
            session.LastTurn!.Note
        );
        Assert.Equal((2, 0), (session.LastTurn.Number, session.LastTurn.Attempt));
        Assert.Contains($"is waiting: open in a terminal (pid {terminal.Id}", (await wake.Explain(key)).Summary);

        // What comes meanwhile is told with it, and a person's waking does not end the wait.
        await wake.Wake(key, "third");
        await Eventually.Holds(async () => (await wake.Show(key)).Inbox == 2);
        Assert.Equal(SessionState.Waiting, (await wake.Show(key)).State);

        var closed = Stopwatch.StartNew();
        terminal.Close();
        var turn = await wake.WaitForTurnEnd(key, 2);

        Assert.True(closed.Elapsed < TimeSpan.FromSeconds(20), $"{closed.Elapsed}");
        Assert.Equal((TurnOutcome.Completed, 1, null), (turn.Outcome, turn.Attempt, turn.Note));
        Assert.Equal(["second", "third"], turn.Reasons);
        Assert.Single((await wake.Explain(key)).Ledger, x => x.What == "held");
        Assert.Equal([id], (await wake.Show(key)).ClaudeSessionIds);
    }

    [Fact]
    public async Task It_holds_no_slot()
    {
        var (sessions, terminals) = (new[] { await Begun(), await Begun() }, new List<OpenClaudeSession>());
        foreach (var (key, id) in sessions)
        {
            terminals.Add(Open(id));
            await wake.Wake(key, "second");
            await wake.WaitForState(key, SessionState.Waiting);
        }

        Assert.Equal(TurnOutcome.Completed, (await Wakes(await wake.Session(), 1)).Outcome);
        foreach (var (key, _) in sessions)
            Assert.Equal(SessionState.Waiting, (await wake.Show(key)).State);
        terminals.ForEach(x => x.Dispose());
    }

    [Theory]
    [InlineData("bg", "cli", "in the background")]
    [InlineData("interactive", "sdk-cli", "in another program")]
    [InlineData("of next year", "claude-vscode", "in another program")]
    public async Task Whoever_has_it_open_counts(string kind, string entrypoint, string where)
    {
        var (key, id) = await Begun();
        using var other = OpenClaudeSession.Open(wake.ClaudeConfig, id, kind, entrypoint);

        await wake.Wake(key, "second");

        Assert.StartsWith(
            $"open {where} (pid {other.Id}",
            (await wake.WaitForState(key, SessionState.Waiting)).LastTurn!.Note
        );
    }

    [Fact]
    public async Task A_process_that_leaves_the_session_and_lives_on_ends_the_wait()
    {
        var (key, id) = await Begun();
        using var terminal = Open(id);
        await wake.Wake(key, "second");
        await wake.WaitForState(key, SessionState.Waiting);

        OpenClaudeSession.Register(
            wake.ClaudeConfig,
            terminal.Id,
            new
            {
                pid = terminal.Id,
                sessionId = Guid.NewGuid(),
                kind = "interactive",
            }
        );

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 2)).Outcome);
    }

    [Fact]
    public async Task Files_that_tell_of_nobody_do_no_harm()
    {
        var (key, id) = await Begun();
        // Its number is another process's by now.
        using var reused = OpenClaudeSession.Open(wake.ClaudeConfig, id, startedOff: -100);
        using (var gone = Open(id))
            gone.Close();
        using var living = Process.Start("sleep", ["600"]);
        foreach (
            var content in (string[])
                [
                    "",
                    "nonsense",
                    "[]",
                    "{}",
                    "null",
                    "{\"sessionId\":7}",
                    "{\"sessionId\":\"\\ud800\"}",
                    new('{', 70_000),
                ]
        )
        {
            OpenClaudeSession.Register(wake.ClaudeConfig, living.Id, content);
            OpenClaudeSession.Register(wake.ClaudeConfig, 1, content);
        }

        OpenClaudeSession.Register(
            wake.ClaudeConfig,
            living.Id,
            new { sessionId = id, pidDomain = "linux:another:pid:[1]" }
        );
        File.WriteAllText(Path.Combine(wake.ClaudeConfig, "sessions", "no-number.json"), "{}");
        Directory.CreateDirectory(Path.Combine(wake.ClaudeConfig, "sessions", "4711.json"));

        var turn = await Wakes(key, 2);
        Assert.Equal((TurnOutcome.Completed, null), (turn.Outcome!.Value, turn.Note));
        living.Kill();
    }

    [Fact]
    public async Task A_person_may_say_that_it_runs_all_the_same_and_is_told_what_that_means()
    {
        var (key, id) = await Begun();
        using var terminal = Open(id);
        await wake.Wake(key, "second");
        await wake.WaitForState(key, SessionState.Waiting);

        var answer = await wake.Http.PostAsJsonAsync(
            $"/v1/sessions/{Uri.EscapeDataString(key)}/wake",
            new { reason = "third", takeover = true }
        );
        Assert.True(answer.IsSuccessStatusCode);

        var turn = await wake.WaitForTurnEnd(key, 2);
        Assert.Equal((TurnOutcome.Completed, 1), (turn.Outcome, turn.Attempt));
        Assert.Equal(["second", "third"], turn.Reasons);
        Assert.Matches(
            $@"^beside it the session is open in a terminal \(pid {terminal.Id}, since \S+ \S+\): what is said there does not know of this turn$",
            turn.Note
        );

        // It was said of that turn alone.
        await wake.Wake(key, "fourth");
        await wake.WaitForState(key, SessionState.Waiting);
    }

    [Fact]
    public async Task A_profile_may_say_so_too()
    {
        var (key, id) = await Begun("beside");
        using var terminal = Open(id);

        Assert.Contains($"open in a terminal (pid {terminal.Id}", (await Wakes(key, 2)).Note);
    }

    [Fact]
    public async Task Opened_while_its_turn_runs_the_turn_ends_and_says_so()
    {
        var (key, id) = await Begun();
        using var hold = new HoldFile();
        await wake.Wake(key, $"second [[fake:hold {hold.Path}]]");
        await hold.Reached();

        using var terminal = Open(id);
        hold.Release();

        var turn = await wake.WaitForTurnEnd(key, 2);
        Assert.Equal(TurnOutcome.Completed, turn.Outcome);
        Assert.Contains($"open in a terminal (pid {terminal.Id}", turn.Note);
        await wake.Wake(key, "third");
        await wake.WaitForState(key, SessionState.Waiting);
        Assert.Empty(ProcessesOf(id));
    }

    [Fact]
    public async Task A_process_that_stayed_ends_when_somebody_opens_its_session()
    {
        var (_, id) = await Begun();
        Assert.Single(ProcessesOf(id));

        using var terminal = Open(id);

        await Eventually.Holds(() => Task.FromResult(!ProcessesOf(id).Any()), "it ends");
    }

    [Fact]
    public async Task A_session_that_is_closed_while_it_waits_waits_no_more()
    {
        var (key, id) = await Begun();
        using var terminal = Open(id);
        await wake.Wake(key, "second");
        await wake.WaitForState(key, SessionState.Waiting);

        await wake.Http.DeleteAsync($"/v1/sessions/{Uri.EscapeDataString(key)}");
        await wake.WaitForState(key, SessionState.Closed);
        terminal.Close();

        Assert.Equal(TurnOutcome.Completed, (await Wakes(await wake.Session(), 1)).Outcome);
        Assert.Equal(0, (await wake.Show(key)).LastTurn!.Attempt);
    }

    [Fact]
    public async Task The_command_says_so_and_does_not_hang_in_silence()
    {
        var (key, id) = await Begun();
        var here = new Dictionary<string, string>(wake.Here) { ["CLAUDE_CONFIG_DIR"] = wake.ClaudeConfig };
        using var terminal = Open(id);

        using var resume = Process.Start(
            WakeCommandLine.Start(here, "resume", "--session", key, "--reason", "second", "--wait")
        )!;
        Assert.Contains(
            $"Wake 2 of {key} is waiting: open in a terminal (pid {terminal.Id} on runner",
            await resume.StandardError.ReadLineAsync()
        );
        Assert.Contains(
            $"waiting: open in a terminal (pid {terminal.Id} on runner",
            (await WakeCommandLine.Run(here, null, "sessions")).Output
        );
        Assert.Contains(
            $"{key} is open in a terminal (pid {terminal.Id}",
            (await WakeCommandLine.Run(here, null, "doctor")).Output
        );

        terminal.Close();
        await resume.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(0, resume.ExitCode);
    }

    OpenClaudeSession Open(Guid claudeSession) => OpenClaudeSession.Open(wake.ClaudeConfig, claudeSession);

    // The processes of other sessions stay, too.
    IEnumerable<int> ProcessesOf(Guid claudeSession) =>
        MachineProcess.CliProcesses(wake).Intersect(MachineProcess.WithArgument($"{claudeSession}"));

    async Task<(string Key, Guid ClaudeSession)> Begun(string profile = "default")
    {
        var key = await wake.Session(profile);
        begun.Add(key);
        await Wakes(key, 1);
        return (key, (await wake.Show(key)).ClaudeSessionId!.Value);
    }

    async Task<Turn> Wakes(string key, int number)
    {
        await wake.Wake(key, $"turn {number}");
        return await wake.WaitForTurnEnd(key, number);
    }
}
