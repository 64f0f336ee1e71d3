using Wake.Contracts;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>Which runner a wake goes to, and which wakes wait for others.</summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class FindingARunner : IAsyncLifetime
{
    readonly TemporaryFolder folder = new();
    WakeSystem wake = null!;

    public async Task InitializeAsync()
    {
        wake = await WakeSystem.Create(
            Transport.RabbitMq,
            new Dictionary<string, string>
            {
                // Nobody waits for one to be over, and a starved machine loses a short one.
                ["Runner__Lease"] = "00:01:00",
                ["Runner__WarmSessions"] = "4",
                ["Profiles__gpu__Pool"] = "gpu",
                ["Profiles__gpu__QuietWindow"] = "00:00:00",
                ["Profiles__cold__WarmFor"] = "00:00:00",
                ["Profiles__cold__QuietWindow"] = "00:00:00",
            }
        );
        await Task.WhenAll(wake.StartProcess("Wake.Gateway"), wake.StartProcess("Wake.Coordinator"));
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        folder.Dispose();
    }

    [Fact]
    public async Task A_session_goes_back_to_the_runner_that_has_its_process()
    {
        await Task.WhenAll(Runner("a"), Runner("b"), Runner("c"));
        var key = await wake.WatchingSession("instant");

        for (var number = 1; number <= 5; number++)
            await Wakes(key, number);

        Assert.Single((await wake.Turns(key)).Select(x => x.Runner).Distinct());
        Assert.Single(MachineProcess.CliProcesses(wake));
    }

    [Fact]
    public async Task A_session_goes_back_to_the_runner_that_has_its_workspace()
    {
        await GitCommand.Run(folder.Path, "init", "--quiet", "--bare", "origin");
        var workspaces = new Dictionary<string, string>
        {
            ["Profiles__repo__Repository"] = folder.File("origin"),
            ["Profiles__repo__WarmFor"] = "00:00:00",
        };
        await Task.WhenAll(
            from name in (string[])["a", "b", "c"]
            select Runner(name, [.. workspaces.Select(x => (x.Key, x.Value)), ("Runner__Cache", folder.File(name))])
        );
        var key = await wake.Session("repo", workspace: folder.File("workspace"));
        await wake.Watch(key, WakeSystem.Subject(key));

        for (var number = 1; number <= 5; number++)
            await Wakes(key, number);

        Assert.Single((await wake.Turns(key)).Select(x => x.Runner).Distinct());
        Assert.Empty(MachineProcess.CliProcesses(wake));
    }

    [Fact]
    public async Task When_that_runner_is_dead_another_takes_the_wake_at_once_and_remembers()
    {
        await using var holder = await Runner("holder");
        var key = await wake.WatchingSession("instant");
        await Wakes(key, 1);
        await Runner("other");
        await holder.Kill();

        var second = await Wakes(key, 2);

        Assert.Equal(("other", 1), (second.Runner, second.Attempt));
        Assert.Equal(2, FakeTranscript.Of(wake, await wake.Show(key)).UserMessages.Count);
    }

    [Fact]
    public async Task A_drained_runner_leaves_the_wakes_where_they_are_also_when_it_is_started_again()
    {
        var first = await Runner("drained");
        (await wake.Http.PostAsync("/v1/runners/drained/drain", null)).EnsureSuccessStatusCode();
        await first.Stop();
        await Runner("drained");
        var channel = await wake.Amqp();
        await Eventually.Holds(async () => await channel.ConsumerCountAsync("resume-session") == 0);

        (await wake.Http.DeleteAsync("/v1/runners/drained/drain")).EnsureSuccessStatusCode();
        Assert.Equal("drained", (await Wakes(await wake.WatchingSession("instant"), 1)).Runner);
    }

    [Fact]
    public async Task When_that_runner_is_busy_another_takes_it()
    {
        await Runner("holder", ("Runner__Slots", "1"), ("Runner__UrgentSlots", "0"));
        var key = await wake.WatchingSession("instant");
        await Wakes(key, 1);
        await Busy();
        await Runner("other");

        Assert.Equal("other", (await Wakes(key, 2)).Runner);
    }

    [Fact]
    public async Task A_session_is_run_by_its_pool_alone()
    {
        await Runner("usual");
        var key = await wake.WatchingSession("gpu");
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "for the pool"));
        await wake.WaitForState(key, SessionState.Dispatched);
        await Wakes(await wake.WatchingSession("instant"), 1);
        Assert.Equal(SessionState.Dispatched, (await wake.Show(key)).State);

        await Runner("special", ("Runner__Pool", "gpu"));

        Assert.Equal("special", (await wake.WaitForTurnEnd(key, 1)).Runner);
    }

    [Fact]
    public async Task A_person_does_not_wait_behind_programs()
    {
        await Runner("only", ("Runner__Slots", "1"));
        await Busy();
        var (program, person) = (await wake.WatchingSession("instant"), await wake.Session("instant"));
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(program), "a program's"));
        await wake.WaitForState(program, SessionState.Dispatched);

        await wake.Wake(person, "a person's");

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(person, 1)).Outcome);
        Assert.Equal(SessionState.Dispatched, (await wake.Show(program)).State);
    }

    [Fact]
    public async Task After_its_start_a_runner_begins_its_first_turns_one_after_the_other()
    {
        string[] keys =
        [
            await wake.WatchingSession("instant"),
            await wake.WatchingSession("instant"),
            await wake.WatchingSession("instant"),
        ];
        foreach (var key in keys)
            await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "owed"));
        foreach (var key in keys)
            await wake.WaitForState(key, SessionState.Dispatched);

        await Runner("starting", ("Runner__StaggerStart", "00:00:04"));

        var starts = new List<DateTimeOffset>();
        foreach (var key in keys)
            starts.Add((await wake.WaitForTurnEnd(key, 1)).StartedAt!.Value);
        starts.Sort();
        Assert.All(starts.Zip(starts.Skip(1)), x => Assert.True(x.Second - x.First > TimeSpan.FromSeconds(1), $"{x}"));
    }

    Task<ServiceProcess> Runner(string name, params (string, string)[] settings) =>
        wake.StartProcess("Wake.Runner", settings.Append(("Runner__Name", name)).ToDictionary());

    // A turn that does not end while the test lasts.
    async Task Busy()
    {
        var key = await wake.WatchingSession("cold");
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), $"holding [[fake:hold {folder.File("never")}]]"));
        await wake.WaitForState(key, SessionState.Running);
    }

    async Task<Turn> Wakes(string key, int number)
    {
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), $"wake {number}"));
        var turn = await wake.WaitForTurnEnd(key, number);
        Assert.Equal(TurnOutcome.Completed, turn.Outcome);
        return turn;
    }
}
