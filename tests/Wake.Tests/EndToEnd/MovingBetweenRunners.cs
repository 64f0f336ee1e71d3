using System.Diagnostics;
using System.Text;
using Wake.Contracts;
using Wake.Offline;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>
/// Two runners that share nothing but the database and the broker, each with a configuration folder of its own, and the real
/// CLI: a session is one conversation wherever its turns run.
/// </summary>
public sealed class MovingBetweenRunners : IAsyncLifetime
{
    readonly TemporaryFolder first = new(), second = new();
    readonly Dictionary<string, ServiceProcess> runners = [];
    MessagesApi api = null!;
    WakeSystem wake = null!;

    public async Task InitializeAsync()
    {
        api = await MessagesApi.Start();
        wake = await WakeSystem.Start(Transport.RabbitMq, new Dictionary<string, string>
        {
            ["ANTHROPIC_BASE_URL"] = api.Url,
            ["ANTHROPIC_API_KEY"] = "sk-test-0123456789",
            ["Claude__Executable"] = RealClaude.Executable(RealClaude.Current),
            ["Claude__MaxRetries"] = "0",
            ["Profiles__instant__AllowedTools__0"] = "Bash",
            ["Runner__Lease"] = "00:00:05",
            ["Runner__MaxAttempts"] = "100",
        }, runner: false);
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await api.DisposeAsync();
        first.Dispose();
        second.Dispose();
    }

    [Fact]
    public async Task Turns_alternate_between_them_and_the_memory_is_one()
    {
        var key = await wake.WatchingSession("instant");

        for (var turn = 1; turn <= 4; turn++)
        {
            var runner = await Start(turn % 2 == 1 ? first : second);
            await wake.Publish(Event(key, $"event number {turn}."));
            Assert.Equal(TurnOutcome.Completed, (await wake.Ended(key, turn)).Outcome);
            Assert.Equal(0, await runner.Stop());
        }

        for (var turn = 1; turn <= 4; turn++)
            Assert.True(api.Requests[^1].Remembers($"event number {turn}."), $"turn {turn} is forgotten");
        Assert.True(api.Requests[^1].Remembers("I have seen 3 user messages."));
        Assert.Single((await wake.Show(key)).ClaudeSessionIds);
    }

    [Fact]
    public async Task Twenty_wakes_while_runners_are_killed_all_the_time_are_one_memory()
    {
        const int wakes = 20;
        var key = await wake.WatchingSession("instant");
        await Start(first);
        await Start(second);

        using var enough = new CancellationTokenSource();
        var killing = KillAllTheTime(enough.Token);
        for (var turn = 1; turn <= wakes; turn++)
        {
            await wake.Publish(Event(key, $"event number {turn}. [[delay:0.4]][[say:noted {turn}.]]"));
            Assert.Equal(TurnOutcome.Completed, (await wake.Ended(key, turn)).Outcome);
        }

        await enough.CancelAsync();
        var kills = await killing;

        // Whatever runs it, the next turn tells what the session knows.
        await wake.Publish(Event(key, "the last one"));
        Assert.Equal(TurnOutcome.Completed, (await wake.Ended(key, wakes + 1)).Outcome);
        var said = api.Requests[^1].Messages.Where(x => x.Role == "user").Select(x => x.Text).ToList();
        for (var turn = 1; turn <= wakes; turn++)
            Assert.True(said.Sum(x => x.Split($"event number {turn}.").Length - 1) == 1, $"event {turn} is there {said.Count(x => x.Contains($"event number {turn}."))} times after {kills} kills");

        var session = await wake.Show(key);
        var transcript = FakeTranscript.Of(session.LastTurn!.Runner == "first" ? first.Path : second.Path, session.Workspace, Assert.Single(session.ClaudeSessionIds));
        for (var turn = 1; turn <= wakes; turn++)
            Assert.Single(transcript.UserMessages, x => x.Contains($"event number {turn}."));

        Assert.True(kills > 3, $"{kills} kills");
        await Task.WhenAll(runners.Values.Select(x => x.Kill()));
        await Eventually.Holds(() => Task.FromResult(!LeftRunning().Any()), "no process of the CLI is left");
    }

    [Fact]
    public async Task Killed_inside_a_tool_another_goes_on_and_does_not_run_it_again()
    {
        var key = await wake.WatchingSession("instant");
        using var folder = new TemporaryFolder();
        var effect = folder.File("effect");
        await Start(first);
        await wake.Publish(Event(key, $"merged [[bash:echo ran >> {effect}; sleep 300]][[say:done]]"));
        await Eventually.Holds(() => Task.FromResult(File.Exists(effect)), "the tool runs");
        await Eventually.Holds(() => wake.Scalar<bool>("select acted from turns"), "what it does is stored");

        // The machine is gone with all that ran on it.
        await runners["first"].Kill();
        foreach (var process in LeftRunning())
            process.Kill();
        await Start(second);

        var turn = await wake.Ended(key, 1);
        Assert.Equal((TurnOutcome.Completed, 2), (turn.Outcome, turn.Attempt));
        Assert.Equal(["ran"], File.ReadAllLines(effect));
        Assert.Contains(api.Requests, x => x.Remembers("outcome is unknown"));
        Assert.Single((await wake.Show(key)).ClaudeSessionIds);
    }

    [Fact]
    public async Task One_that_was_frozen_beyond_its_lease_does_not_fork_the_memory()
    {
        var key = await wake.WatchingSession("instant");
        await Start(first);
        api.Queue("[[hold]][[say:never to be known]]");
        await wake.Publish(Event(key, "merged"));
        await api.Next(x => x.Hears("merged"));

        await Start(second);
        runners["first"].Freeze();
        Assert.Equal("second", (await wake.Ended(key, 1)).Runner);
        api.Release();
        runners["first"].Thaw();
        await Eventually.Holds(() => Task.FromResult(runners["first"].Log.Contains("its process killed")), "it kills what it runs");
        await runners["second"].Stop();

        await wake.Publish(Event(key, "deployed"));
        Assert.Equal("first", (await wake.Ended(key, 2)).Runner);
        Assert.True(api.Requests[^1].Remembers("I have seen 1 user messages."));
        Assert.False(api.Requests[^1].Remembers("never to be known"));
        Assert.Single(api.Requests[^1].Messages, x => x.Text.Contains("merged"));
    }

    async Task<ServiceProcess> Start(TemporaryFolder machine)
    {
        var name = machine == first ? "first" : "second";
        return runners[name] = await wake.StartProcess("Wake.Runner", new Dictionary<string, string>
        {
            ["Runner__Name"] = name,
            ["CLAUDE_CONFIG_DIR"] = machine.Path,
        });
    }

    async Task<int> KillAllTheTime(CancellationToken enough)
    {
        var (random, kills) = (new Random(7), 0);
        while (!enough.IsCancellationRequested)
        {
            await Task.Delay(random.Next(500, 3000), enough).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (enough.IsCancellationRequested)
                break;

            var machine = random.Next(2) == 0 ? first : second;
            await runners[machine == first ? "first" : "second"].Kill();
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
            if ((text.Contains($"CLAUDE_CONFIG_DIR={first.Path}") || text.Contains($"CLAUDE_CONFIG_DIR={second.Path}"))
                && !text.Contains("ConnectionStrings__Wake"))
                yield return process;
        }
    }

    static ExternalEventObserved Event(string key, string reason) => WakeSystem.Event(WakeSystem.Subject(key), reason);
}
