using System.Diagnostics;
using System.Text;
using Wake.Contracts;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>
/// Two runners that share nothing but the database and the broker, each with a configuration folder of its own, and the
/// real CLI: a session is one conversation wherever its turns run.
/// </summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class MovingBetweenRunners : IAsyncLifetime
{
    readonly Dictionary<string, ServiceProcess> runners = [];
    TwoMachines machines = null!;

    WakeSystem Wake => machines.Wake;

    public async Task InitializeAsync()
    {
        machines = await TwoMachines.Create(
            RealClaude.Current,
            new Dictionary<string, string>
            {
                ["Profiles__instant__AllowedTools__0"] = "Bash",
                ["Runner__Lease"] = "00:00:05",
                ["Runner__MaxAttempts"] = "100",
                ["Runner__WarmSessions"] = "4",
            }
        );
        await machines.StartServices();
    }

    public async Task DisposeAsync() => await machines.DisposeAsync();

    [Fact]
    public async Task Turns_alternate_between_them_and_the_memory_is_one()
    {
        var key = await Wake.WatchingSession("instant");

        for (var turn = 1; turn <= 4; turn++)
        {
            var runner = await Start(turn % 2 == 1 ? machines.First : machines.Second);
            await Wake.Publish(Event(key, $"event number {turn}."));
            Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, turn)).Outcome);
            Assert.Equal(0, await runner.Stop());
        }

        for (var turn = 1; turn <= 4; turn++)
            Assert.True(
                machines.Api.Requests[^1].IsInConversation($"event number {turn}."),
                $"turn {turn} is forgotten"
            );
        Assert.True(machines.Api.Requests[^1].IsInConversation("I have seen 3 user messages."));
        Assert.Single((await Wake.Show(key)).ClaudeSessionIds);
    }

    [Fact]
    public async Task Twenty_wakes_while_runners_are_killed_all_the_time_are_one_memory()
    {
        const int wakes = 20;
        var key = await Wake.WatchingSession("instant");
        await Start(machines.First);
        await Start(machines.Second);

        using var enough = new CancellationTokenSource();
        var killing = KillAllTheTime(enough.Token);
        for (var turn = 1; turn <= wakes; turn++)
        {
            await Wake.Publish(Event(key, $"event number {turn}. [[delay:0.4]][[say:noted {turn}.]]"));
            Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, turn)).Outcome);
        }

        await enough.CancelAsync();
        var kills = await killing;

        // Whatever runs it, the next turn tells what the session knows.
        await Wake.Publish(Event(key, "the last one"));
        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, wakes + 1)).Outcome);
        var said = machines.Api.Requests[^1].Messages.Where(x => x.Role == "user").Select(x => x.Text).ToList();
        for (var turn = 1; turn <= wakes; turn++)
            Assert.True(
                said.Sum(x => x.Split($"event number {turn}.").Length - 1) == 1,
                $"event {turn} is there {said.Count(x => x.Contains($"event number {turn}."))} times after {kills} "
                    + "kills"
            );

        var session = await Wake.Show(key);
        var transcript = FakeTranscript.Of(
            session.LastTurn!.Runner == "first" ? machines.First : machines.Second,
            session.Workspace,
            Assert.Single(session.ClaudeSessionIds)
        );
        for (var turn = 1; turn <= wakes; turn++)
            Assert.Single(transcript.UserMessages, x => x.Contains($"event number {turn}."));

        Assert.True(kills > 3, $"{kills} kills");
        await Task.WhenAll(runners.Values.Select(x => x.Kill()));
        await Eventually.Holds(() => Task.FromResult(!LeftRunning().Any()), "no process of the CLI is left");
    }

    [Fact]
    public async Task Killed_inside_a_tool_another_goes_on_and_does_not_run_it_again()
    {
        var key = await Wake.WatchingSession("instant");
        using var folder = new TemporaryFolder();
        var effect = folder.File("effect");
        await Start(machines.First);
        await Wake.Publish(Event(key, $"merged [[bash:echo ran >> {effect}; sleep 300]][[say:done]]"));
        await Eventually.Holds(() => Task.FromResult(File.Exists(effect)), "the tool runs");
        await Eventually.Holds(() => Wake.Scalar<bool>("select acted from turns"), "what it does is stored");

        // The machine is gone with all that ran on it.
        await runners[machines.First].Kill();
        foreach (var process in LeftRunning())
            process.Kill();
        await Start(machines.Second);

        var turn = await Wake.WaitForTurnEnd(key, 1);
        Assert.Equal((TurnOutcome.Completed, 2), (turn.Outcome, turn.Attempt));
        Assert.Equal(["ran"], File.ReadAllLines(effect));
        Assert.Contains(machines.Api.Requests, x => x.IsInConversation("outcome is unknown"));
        Assert.Single((await Wake.Show(key)).ClaudeSessionIds);
    }

    [Fact]
    public async Task One_that_was_frozen_beyond_its_lease_does_not_fork_the_memory()
    {
        var key = await Wake.WatchingSession("instant");
        await Start(machines.First);
        machines.Api.Queue("[[hold]][[say:never to be known]]");
        await Wake.Publish(Event(key, "merged"));
        await machines.Api.Next(x => x.IsInTail("merged"));

        await Start(machines.Second);
        runners[machines.First].Freeze();
        Assert.Equal("second", (await Wake.WaitForTurnEnd(key, 1)).Runner);
        machines.Api.Release();
        runners[machines.First].Thaw();
        await Eventually.Holds(
            () => Task.FromResult(runners[machines.First].Log.Contains("its process killed")),
            "it kills what it runs"
        );
        await runners[machines.Second].Stop();

        await Wake.Publish(Event(key, "deployed"));
        Assert.Equal("first", (await Wake.WaitForTurnEnd(key, 2)).Runner);
        Assert.True(machines.Api.Requests[^1].IsInConversation("I have seen 1 user messages."));
        Assert.False(machines.Api.Requests[^1].IsInConversation("never to be known"));
        Assert.Single(machines.Api.Requests[^1].Messages, x => x.Text.Contains("merged"));
    }

    async Task<ServiceProcess> Start(string machine) => runners[machine] = await machines.StartRunner(machine);

    async Task<int> KillAllTheTime(CancellationToken enough)
    {
        var (random, kills) = (new Random(7), 0);
        while (!enough.IsCancellationRequested)
        {
            await Task.Delay(random.Next(500, 3000), enough).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (enough.IsCancellationRequested)
                break;

            var machine = random.Next(2) == 0 ? machines.First : machines.Second;
            await runners[machine].Kill();
            await Start(machine);
            kills++;
        }

        return kills;
    }

    IEnumerable<Process> LeftRunning()
    {
        foreach (var process in Process.GetProcesses())
        {
            byte[] environment;
            try
            {
                environment = File.ReadAllBytes($"/proc/{process.Id}/environ");
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                continue;
            }

            var text = Encoding.UTF8.GetString(environment);
            if (
                (
                    text.Contains($"CLAUDE_CONFIG_DIR={machines.First}")
                    || text.Contains($"CLAUDE_CONFIG_DIR={machines.Second}")
                ) && !text.Contains("ConnectionStrings__Wake")
            )
                yield return process;
        }
    }

    static ExternalEventObserved Event(string key, string reason) => WakeSystem.Event(WakeSystem.Subject(key), reason);
}
