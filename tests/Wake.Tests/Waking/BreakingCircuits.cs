using System.Net.Http.Json;
using Wake.Contracts.Http;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

public sealed class BreakingCircuitsInOneProcess() : BreakingCircuits(Transport.InMemory);

/// <summary>With two coordinators and two runners, each with no more rights than it is shipped with.</summary>
public sealed class BreakingCircuitsOnRabbitMq() : BreakingCircuits(Transport.RabbitMq);

/// <summary>A limit that is reached stops turns and nothing else, until its breaker closes.</summary>
[Trait("Starts", "processes")]
public abstract class BreakingCircuits(Transport transport) : IAsyncLifetime
{
    // Beyond what WaitUntilIdle waits for.
    const string OpenFor = "10:00:00";

    WakeSystem wake = null!;

    Task<CommandOutput> Wake(params string[] arguments) => WakeCommandLine.Run(wake.Here, null, arguments);

    public async Task InitializeAsync()
    {
        wake = await WakeSystem.Start(
            transport,
            new Dictionary<string, string>
            {
                ["Profiles__limited__QuietWindow"] = "00:00:00",
                ["Profiles__limited__MaxWait"] = "00:00:00",
                ["Profiles__slow__QuietWindow"] = "00:00:05",
                ["Breakers__OpenFor"] = OpenFor,
                ["Breakers__MaxOpenFor"] = "20:00:00",
                ["Breakers__Profiles__limited__TurnsPerHour"] = "6",
                ["Breakers__EachSession__TurnsPerHour"] = "3",
                ["Breakers__Sources__0__Source"] = "test:loud",
                ["Breakers__Sources__0__EventsPerMinute"] = "20",
            },
            guarded: transport is Transport.RabbitMq
        );
        if (transport is Transport.RabbitMq)
            await Task.WhenAll(wake.StartProcess("Wake.Coordinator"), wake.StartProcess("Wake.Runner"));
    }

    public async Task DisposeAsync() => await wake.DisposeAsync();

    [Fact]
    public async Task Of_a_storm_over_many_sessions_exactly_as_many_turns_run_as_may()
    {
        var keys = new List<string>();
        for (var number = 0; number < 12; number++)
            keys.Add(await wake.WatchingSession("limited"));

        await wake.Publish([.. keys.Select(x => WakeSystem.Event(WakeSystem.Subject(x), "storm"))]);
        var breaker = await Eventually.Sees(
            async () => (await Breakers()).FirstOrDefault(x => x.State is BreakerState.Open),
            "the breaker opens"
        );
        await wake.WaitUntilIdle();

        Assert.Equal(
            (BreakerLimit.TurnsPerHour, PauseScope.Profile, "limited", 6m, 6m),
            (breaker.Limit, breaker.Scope, breaker.Name, breaker.Used, breaker.Amount)
        );
        Assert.Equal(6, await wake.Scalar<long>("select count(*) from turns where outcome = 'completed'"));
        Assert.Equal(6, await wake.Scalar<long>("select count(*) from inbox where wake_number is null"));
        Assert.Contains("6 turns within an hour, the limit is 6", (await Wake("doctor")).Output);
        var listed = await Wake("breakers");
        Assert.True(listed.ExitCode == 0, listed.Errors);
        Assert.Contains("profile limited", listed.Output);

        // Closed by hand the others run, and no more than may.
        var closed = await Wake("unpause", $"{breaker.Pause}");
        Assert.True(closed.ExitCode == 0, closed.Errors);
        await Eventually.Holds(
            async () => await wake.Scalar<long>("select count(*) from turns where outcome = 'completed'") == 12,
            "the other turns run"
        );
        Assert.DoesNotContain(await Breakers(), x => x.State is not BreakerState.Closed);
    }

    [Fact]
    public async Task A_session_that_is_woken_too_often_waits_and_is_told_of_all_when_its_breaker_closes_by_itself()
    {
        var key = await wake.WatchingSession("instant");
        for (var number = 1; number <= 3; number++)
        {
            await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), $"event {number}"));
            await wake.WaitForTurnEnd(key, number);
        }

        await wake.Publish([
            .. Enumerable.Range(4, 5).Select(x => WakeSystem.Event(WakeSystem.Subject(key), $"event {x}")),
        ]);
        var paused = await Eventually.Sees(async () => (await wake.Show(key)).Paused, $"{key} is paused");
        await wake.WaitUntilIdle();

        Assert.Equal("breaker: 3 turns within an hour, the limit is 3", paused.Reason);
        Assert.Contains(paused.Reason!, (await wake.Explain(key)).Summary);
        Assert.Contains((await wake.Explain(key)).Ledger, x => x.What == "paused" && x.Note!.Contains(paused.Reason!));
        Assert.Contains("paused until", (await Wake("sessions", "show", key)).Output);
        Assert.Equal(3, (await wake.Turns(key)).Count);
        Assert.Equal(5, (await wake.Show(key)).Inbox);

        // Half a day later.
        await wake.Execute(
            """
            update turns
            set dispatched_at = dispatched_at - interval '12 hours', ended_at = ended_at - interval '12 hours';
            update pauses set until = until - interval '12 hours';
            update wake_timers set owed_at = owed_at - interval '12 hours' where owed_at < 'infinity';
            """
        );

        Assert.Equal(
            ["event 4", "event 5", "event 6", "event 7", "event 8"],
            (await wake.WaitForTurnEnd(key, 4)).Reasons.Order()
        );
        await Eventually.Holds(
            async () => !(await Breakers()).Any(x => x.State is not BreakerState.Closed),
            "the breaker closes"
        );
        Assert.Null((await wake.Show(key)).Paused);
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "and on"));
        await wake.WaitForTurnEnd(key, 5);
    }

    [Fact]
    public async Task A_source_that_pours_is_heard_in_one_turn_when_its_breaker_is_closed()
    {
        var key = await wake.WatchingSession("slow");
        var other = await wake.WatchingSession("instant");
        await wake.Publish([
            .. Enumerable
                .Range(1, 40)
                .Select(x => WakeSystem.Event(WakeSystem.Subject(key), $"event {x}") with { Source = "test:loud" }),
        ]);
        var breaker = await Eventually.Sees(
            async () => (await Breakers()).FirstOrDefault(x => x.State is BreakerState.Open),
            "the breaker opens"
        );
        Assert.Equal((BreakerLimit.EventsPerMinute, "test:loud"), (breaker.Limit, breaker.Name));
        await wake.WaitUntilIdle();
        Assert.Empty(await wake.Turns(key));
        Assert.Equal(40, (await wake.Show(key)).Inbox);

        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(other), "of another source"));
        await wake.WaitForTurnEnd(other, 1);

        Assert.Equal(0, (await Wake("unpause", $"{breaker.Pause}")).ExitCode);
        Assert.Equal(40, (await wake.WaitForTurnEnd(key, 1)).Reasons.Count);
        await wake.WaitUntilIdle();
        Assert.Single(await wake.Turns(key));
    }

    async Task<IReadOnlyList<Breaker>> Breakers() => (await wake.Http.GetFromJsonAsync<List<Breaker>>("/v1/breakers"))!;
}
