using System.Text.Json;
using Wake.Contracts;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

public sealed class PausingEventsInOneProcess() : PausingEvents(Transport.InMemory);

/// <summary>With two coordinators and two runners, each with no more rights than it is shipped with.</summary>
public sealed class PausingEventsOnRabbitMq() : PausingEvents(Transport.RabbitMq);

/// <summary>While a source or a subject is paused its events wake nobody, others do, and nothing is lost.</summary>
[Trait("Starts", "processes")]
public abstract class PausingEvents(Transport transport) : IAsyncLifetime
{
    const string Loud = "test:loud";

    WakeSystem wake = null!;

    Task<CommandOutput> Wake(params string[] arguments) => WakeCommandLine.Run(wake.Here, null, arguments);

    public async Task InitializeAsync()
    {
        wake = await WakeSystem.Start(
            transport,
            new Dictionary<string, string> { ["Runner__Slots"] = "4" },
            guarded: transport is Transport.RabbitMq
        );
        if (transport is Transport.RabbitMq)
            await Task.WhenAll(wake.StartProcess("Wake.Coordinator"), wake.StartProcess("Wake.Runner"));
    }

    public async Task DisposeAsync() => await wake.DisposeAsync();

    [Fact]
    public async Task Of_a_storm_over_many_sessions_each_is_told_in_one_wake_when_the_pause_ends()
    {
        const int Sessions = 50,
            Events = 20;
        await Succeed("pause", "--source", Loud, "--reason", "the CI server is being updated");
        List<string> keys = [];
        for (var number = 0; number < Sessions; number++)
            keys.Add(await wake.WatchingSession("instant"));

        // Some hear of something else in the middle of the storm.
        var woken = keys.Take(10).ToList();
        for (var batch = 0; batch < Events; batch++)
        {
            await wake.Publish([.. keys.Select(x => FromLoud(x, $"event {batch}"))]);
            if (batch == Events / 2)
                await wake.Publish([.. woken.Select(x => WakeSystem.Event(WakeSystem.Subject(x), "reviewed"))]);
        }

        foreach (var key in woken)
            Assert.Equal(["reviewed"], (await wake.WaitForTurnEnd(key, 1)).Reasons);
        await Eventually.Holds(
            async () =>
                await wake.Scalar<long>("select count(*) from inbox where wake_number is null") == Sessions * Events,
            "all is taken in"
        );
        await wake.WaitUntilIdle();
        Assert.Equal(woken.Count, await wake.Scalar<long>("select count(*) from turns"));
        var listed = JsonElement.Parse(await Succeed("pauses", "--output", "json")).EnumerateArray().Single();
        Assert.Equal(
            (Sessions, 0),
            (listed.GetProperty("sessions").GetInt32(), listed.GetProperty("running").GetInt32())
        );

        await Succeed("unpause", "--source", Loud);

        var told = Enumerable.Range(0, Events).Select(x => $"event {x}").Order();
        foreach (var key in keys)
            Assert.Equal(told, (await wake.WaitForTurnEnd(key, woken.Contains(key) ? 2 : 1)).Reasons.Order());
        await wake.WaitUntilIdle();
        Assert.Equal(Sessions + woken.Count, await wake.Scalar<long>("select count(*) from turns"));
    }

    [Fact]
    public async Task What_holds_an_event_is_said_wherever_somebody_asks()
    {
        var key = await wake.WatchingSession("instant");
        var subject = WakeSystem.Subject(key);
        await Succeed("pause", "--subject", $"{subject[..^3]}*", "--until", "3h", "--reason", "a release");
        var held = WakeSystem.Event(subject, "merged", id: Guid.NewGuid().ToString());
        await wake.Publish(held);
        await Eventually.Sees(async () => (await wake.Show(key)).Paused, $"{key} is paused");

        var explained = await wake.ExplainEvent(held.Id);
        Assert.StartsWith(
            $"It waits in the inbox of {key}, held by the pause of subject {subject[..^3]}*, until ",
            explained.Summary,
            StringComparison.Ordinal
        );
        Assert.Contains(": a release", explained.Summary);
        var session = await wake.Explain(key);
        Assert.StartsWith("Paused until ", session.Summary, StringComparison.Ordinal);
        Assert.Contains("a release", Assert.Single(session.Pending).HeldBy);
        Assert.Contains(session.Ledger, x => x.What == "paused" && x.Note!.StartsWith($"subject {subject[..^3]}*"));
        Assert.Contains("idle, paused until ", await Succeed("sessions", "show", key));
        Assert.Contains("(a release)", (await Wake("doctor")).Output);
        Assert.Contains(
            $"it would be held by the pause of subject {subject[..^3]}*",
            await Succeed("publish", "--dry-run", "--type", "t", "--subject", subject, "--reason", "what if")
        );
        Assert.Empty(await wake.Turns(key));

        // A person's wish is about something else, and is told alone.
        await Succeed("resume", "--session", key, "--reason", "look now");
        Assert.Equal(["look now"], (await wake.WaitForTurnEnd(key, 1)).Reasons);

        await Succeed("unpause", "--subject", $"{subject[..^3]}*");
        Assert.Equal(["merged"], (await wake.WaitForTurnEnd(key, 2)).Reasons);
        Assert.DoesNotContain("held by", (await wake.ExplainEvent(held.Id)).Summary);
    }

    [Fact]
    public async Task A_turn_that_only_such_events_woke_is_stopped_and_runs_again_as_the_same_wake()
    {
        var key = await wake.WatchingSession("instant");
        using var hold = new HoldFile();
        await wake.Publish(FromLoud(key, $"red [[fake:hold {hold.Path}]]"));
        await hold.Reached();

        await Succeed("pause", "--source", Loud, "--interrupt");
        var stopped = await wake.WaitForState(key, SessionState.Dispatched);
        Assert.Contains($"interrupted by a pause of source {Loud}", stopped.LastTurn!.Note);
        hold.Release();
        Assert.Equal(1, Assert.Single(await wake.Turns(key)).Attempt);

        await Succeed("unpause", "--source", Loud);
        var turn = await wake.WaitForTurnEnd(key, 1);

        Assert.Equal((TurnOutcome.Completed, 2), (turn.Outcome, turn.Attempt));
        await wake.WaitUntilIdle();
        Assert.Single(await wake.Turns(key));
    }

    static ExternalEventObserved FromLoud(string key, string reason) =>
        WakeSystem.Event(WakeSystem.Subject(key), reason, reason: reason) with
        {
            Source = Loud,
        };

    async Task<string> Succeed(params string[] arguments)
    {
        var output = await Wake(arguments);
        Assert.True(output.ExitCode == 0, output.Errors);
        return output.Output;
    }
}
