using Wake.Contracts;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>Processes of the CLI that stay after their turn, and when they must not be used or kept.</summary>
[Trait("Starts", "processes")]
public sealed class StayingWarm : IAsyncLifetime
{
    readonly TemporaryFolder folder = new();
    WakeSystem wake = null!;

    public async Task InitializeAsync() =>
        wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["Runner__WarmSessions"] = "2",
                ["Profiles__short__WarmFor"] = "00:00:00.2",
                ["Profiles__cold__WarmFor"] = "00:00:00",
                ["Profiles__bounded__MaxBudgetUsd"] = "10",
                ["Profiles__thrifty__SessionBudgetUsd"] = "5",
            }
        );

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        folder.Dispose();
    }

    [Fact]
    public async Task The_next_wake_goes_to_the_same_process()
    {
        var key = await wake.Session();
        await Wakes(key, 1, "first [[fake:cost 0.25]]");
        var process = MachineProcess.CliProcess(wake);

        var second = await Wakes(key, 2, "second [[fake:cost 0.5]]");

        Assert.Equal(process, MachineProcess.CliProcess(wake));
        Assert.Equal(0.5m, second.CostUsd);
        Assert.Equal(["first", "second"], await Said(key));
    }

    [Fact]
    public async Task What_it_says_is_saved_like_that_of_any_other()
    {
        var key = await wake.Session();
        await Wakes(key, 1, "first");
        await Wakes(key, 2, "second");

        var session = await wake.Show(key);
        Assert.Equal(
            FakeTranscript.Of(wake, session).Rows.Count,
            await wake.Scalar<int>(
                "select rows from transcript_files where claude_session_id = $1 and replaced_at is null",
                session.ClaudeSessionId!.Value
            )
        );
    }

    [Theory]
    [InlineData("cold")]
    [InlineData("bounded")]
    public async Task It_ends_with_its_turn_where_it_may_not_stay(string profile)
    {
        await Wakes(await wake.Session(profile), 1, "first");
        Assert.Empty(MachineProcess.CliProcesses(wake));
    }

    [Fact]
    public async Task It_ends_when_its_time_is_over_and_the_next_wake_remembers()
    {
        var key = await wake.Session("short");
        await Wakes(key, 1, "first");
        await Eventually.Holds(() => Task.FromResult(MachineProcess.CliProcesses(wake) is []), "the process ends");

        await Wakes(key, 2, "second");
        Assert.Equal(["first", "second"], await Said(key));
    }

    [Fact]
    public async Task The_one_used_longest_ago_goes_when_there_are_too_many()
    {
        var (first, second, third) = (await wake.Session(), await wake.Session(), await wake.Session());
        await Wakes(first, 1, "1");
        var oldest = MachineProcess.CliProcess(wake);
        await Wakes(second, 1, "2");
        var kept = MachineProcess.CliProcesses(wake).Single(x => x != oldest);

        await Wakes(third, 1, "3");

        await Eventually.Holds(
            () => Task.FromResult(MachineProcess.CliProcesses(wake).Count == 2),
            "one of three ends"
        );
        Assert.DoesNotContain(oldest, MachineProcess.CliProcesses(wake));
        Assert.Contains(kept, MachineProcess.CliProcesses(wake));
    }

    [Fact]
    public async Task None_stays_that_holds_more_memory_than_all_may()
    {
        await using var small = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string> { ["Runner__WarmSessions"] = "2", ["Runner__WarmMemoryMegabytes"] = "1" }
        );
        var key = await small.Session();
        await small.Wake(key, "first");
        await small.WaitForTurnEnd(key, 1);

        await Eventually.Holds(() => Task.FromResult(MachineProcess.CliProcesses(small) is []), "the process ends");
    }

    // As when a person goes on with the conversation in a terminal: the process would never hear of it.
    [Fact]
    public async Task A_process_does_not_go_on_once_somebody_else_has()
    {
        var key = await wake.Session();
        await Wakes(key, 1, "first");
        var process = MachineProcess.CliProcess(wake);
        var session = await wake.Show(key);
        var transcript = Directory
            .EnumerateFiles(wake.ClaudeConfig, $"{session.ClaudeSessionId}.jsonl", SearchOption.AllDirectories)
            .Single();
        var last = FakeTranscript
            .Of(wake, session)
            .Rows.Last(x => x.TryGetProperty("uuid", out _))
            .GetProperty("uuid")
            .GetString();
        await File.AppendAllTextAsync(
            transcript,
            $$"""{"type":"user","uuid":"{{Guid.NewGuid()}}","parentUuid":"{{last}}","message":{"role":"user","content":"in between"} }"""
                + "\n"
        );

        await Wakes(key, 2, "second");

        Assert.DoesNotContain(process, MachineProcess.CliProcesses(wake));
        Assert.Equal(["first", "in between", "second"], await Said(key));
    }

    [Fact]
    public async Task A_process_that_begins_a_turn_by_itself_is_ended()
    {
        var key = await wake.Session();
        await Wakes(key, 1, $"first [[fake:foreign-turn-after {folder.File("now")}]]");
        Assert.Single(MachineProcess.CliProcesses(wake));

        await File.WriteAllTextAsync(folder.File("now"), "");
        await Eventually.Holds(() => Task.FromResult(MachineProcess.CliProcesses(wake) is []), "it ends");

        Assert.Equal(TurnOutcome.Completed, (await Wakes(key, 2, "second")).Outcome);
    }

    [Fact]
    public async Task A_process_whose_tools_are_still_at_work_does_not_stay()
    {
        await Wakes(await wake.Session(), 1, $"first [[fake:orphan {folder.File("tool")} 600]]");

        Assert.Empty(MachineProcess.CliProcesses(wake));
        Assert.False(MachineProcess.Runs(await MachineProcess.ReadProcessId(folder.File("tool"))));
    }

    [Fact]
    public async Task A_process_that_has_died_costs_the_next_wake_no_attempt()
    {
        var key = await wake.Session();
        await Wakes(key, 1, "first");
        MachineProcess.Kill(MachineProcess.CliProcess(wake));

        Assert.Equal(1, (await Wakes(key, 2, "second")).Attempt);
        Assert.Equal(["first", "second"], await Said(key));
    }

    // It takes two seconds to end. Whoever finds the turn given back may begin the next at once.
    [Fact]
    public async Task One_that_may_not_stay_is_gone_before_its_turn_is_given_back()
    {
        var key = await wake.WatchingSession("thrifty");
        await Wakes(key, 1, "first [[fake:cost 6]][[fake:result-then-linger]]");
        Assert.Single(MachineProcess.CliProcesses(wake));

        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "over the budget"));
        await wake.WaitForState(key, SessionState.Parked);

        Assert.Empty(MachineProcess.CliProcesses(wake));
    }

    [Fact]
    public async Task It_ends_with_Wake()
    {
        await Wakes(await wake.Session(), 1, "first");
        var process = MachineProcess.CliProcess(wake);

        Assert.Equal(0, await wake.Processes[0].Stop());

        Assert.False(MachineProcess.Runs(process));
    }

    async Task<Turn> Wakes(string key, int number, string reason)
    {
        await wake.Wake(key, reason);
        var turn = await wake.WaitForTurnEnd(key, number);
        Assert.Equal(TurnOutcome.Completed, turn.Outcome);
        return turn;
    }

    // The reasons that the transcript has, without the rest of the prompt.
    async Task<IReadOnlyList<string>> Said(string key) =>
        [
            .. from message in FakeTranscript.Of(wake, await wake.Show(key)).UserMessages
            let known = ((string[])["first", "in between", "second"]).FirstOrDefault(x =>
                message.Contains(x, StringComparison.Ordinal)
            )
            where known is not null
            select known,
        ];
}
