using Microsoft.Extensions.Configuration;
using Wake.Contracts;
using Wake.Coordinator;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>When a breaker opens, who is its trial, and when it closes. Hours pass by moving the rows into the
/// past.</summary>
public sealed class OpeningABreaker : IAsyncLifetime
{
    static readonly CancellationToken Cancel = CancellationToken.None;
    static readonly TimeSpan OpenFor = TimeSpan.FromMinutes(15);

    readonly TestStore store = new();
    Breakers breakers = null!;
    Pauses pauses = null!;
    LoopbackCoordinator coordinator = null!;

    public async Task InitializeAsync()
    {
        await store.InitializeAsync();
        (breakers, pauses) = (new(store.Database), new(store.Database));
        coordinator = await LoopbackCoordinator.Start(store);
    }

    public async Task DisposeAsync()
    {
        await coordinator.DisposeAsync();
        await store.DisposeAsync();
    }

    [Fact]
    public async Task As_many_turns_run_within_an_hour_as_may_and_then_none()
    {
        await Limits(new BreakerLimit(PauseScope.Session, null, BreakerKind.TurnsPerHour, 3));
        var session = await store.Session("busy");
        for (var turn = 1; turn <= 3; turn++)
            await Run(session, "busy", turn);

        await Observe("busy", "one more");
        await Look(session);

        Assert.False(coordinator.Commands.TryPeek(out _));
        var breaker = Assert.Single(await breakers.List(Cancel));
        Assert.Equal(
            (BreakerKind.TurnsPerHour, PauseScope.Session, "busy", BreakerState.Open, 3, 3),
            (breaker.Kind, breaker.Scope, breaker.Name, breaker.State, breaker.Used, breaker.Amount)
        );
        var paused = (await store.Sessions.Find("busy", Cancel))!.Paused!;
        Assert.Equal([breaker.PauseId!.Value], paused.Ids);
        Assert.Contains("(breaker: 3 turns within an hour, the limit is 3)", paused.Sentence);
        Assert.StartsWith(
            "Paused until",
            (await store.Explain.ExplainSession("busy", Cancel))!.Summary,
            StringComparison.Ordinal
        );

        // Until the first of them is an hour old, which is longer than a breaker is open by itself.
        Assert.InRange(paused.Until!.Value, DateTimeOffset.UtcNow.AddMinutes(59), DateTimeOffset.UtcNow.AddHours(1));
    }

    [Fact]
    public async Task Limits_that_sessions_share_hold_for_coordinators_that_decide_at_once()
    {
        await Limits(new BreakerLimit(PauseScope.Profile, "default", BreakerKind.TurnsPerHour, 5));
        await using var other = await LoopbackCoordinator.Start(store);
        var sessions = new List<Guid>();
        for (var number = 0; number < 30; number++)
        {
            sessions.Add(await store.Session($"of many {number}"));
            await Observe($"of many {number}", "storm");
        }

        await Task.WhenAll(sessions.Select((x, i) => (i % 2 == 0 ? coordinator : other).Tell(new WakeDue(x))));

        Assert.Equal(5, await store.Scalar<long>("select count(*) from turns"));
        Assert.Equal(BreakerState.Open, Assert.Single(await breakers.List(Cancel)).State);

        // Those that were dispatched run.
        foreach (var session in await store.Scalar<Guid[]>("select array_agg(session_id) from turns"))
            await store.ClaimTurn(session);
    }

    [Fact]
    public async Task One_turn_is_tried_and_when_it_ends_well_within_the_limit_the_breaker_closes()
    {
        var (tried, waits) = await HalfOpen(BreakerKind.TurnsPerHour, 2);

        await Look(tried);
        await Command(tried);
        await Look(waits);
        Assert.False(coordinator.Commands.TryPeek(out _));
        var trial = Assert.Single(await breakers.List(Cancel));
        Assert.Equal((BreakerState.HalfOpen, "first"), (trial.State, trial.Trial));
        Assert.Contains("the trial", (await store.Sessions.Find("second", Cancel))!.Paused!.Sentence);

        await End(tried, 3);
        await Review();
        Assert.Null((await store.Sessions.Find("second", Cancel))!.Paused);

        Assert.Equal("due", await store.Timer(waits));
        await Look(waits);
        await Command(waits);
    }

    [Fact]
    public async Task A_trial_after_which_the_limit_is_reached_opens_it_again_for_longer()
    {
        var (tried, waits) = await HalfOpen(BreakerKind.TurnsPerHour, 1);

        await Look(tried);
        await Command(tried);
        await End(tried, 3);
        await Review();

        var again = Assert.Single(await breakers.List(Cancel));
        Assert.Equal(BreakerState.Open, again.State);
        Assert.InRange(again.Until!.Value, DateTimeOffset.UtcNow.AddMinutes(59), DateTimeOffset.UtcNow.AddHours(1));
        Assert.Equal(1, await store.Scalar<int>("select trips from pauses"));
        await Look(waits);
        Assert.False(coordinator.Commands.TryPeek(out _));
    }

    [Fact]
    public async Task A_trial_that_fails_opens_it_again_and_each_time_for_twice_as_long()
    {
        var (tried, _) = await HalfOpen(BreakerKind.TurnsPerHour, 2);
        await Look(tried);
        await Command(tried);

        await End(tried, 3, TurnOutcome.Refused);
        await Review();

        Assert.InRange(
            Assert.Single(await breakers.List(Cancel)).Until!.Value,
            DateTimeOffset.UtcNow.Add(OpenFor * 2).AddMinutes(-1),
            DateTimeOffset.UtcNow.Add(OpenFor * 2)
        );
    }

    [Fact]
    public async Task A_trial_that_had_nothing_left_to_tell_says_nothing_and_the_next_turn_is_tried()
    {
        var (tried, waits) = await HalfOpen(BreakerKind.TurnsPerHour, 2);
        await Look(tried);
        await Command(tried);

        await End(tried, 3, TurnOutcome.Stale);
        await Review();

        Assert.Equal(0, await store.Scalar<int>("select trips from pauses"));
        await Look(waits);
        await Command(waits);
    }

    // As when the coordinator dies that has dispatched it: nothing is kept in a process.
    [Fact]
    public async Task Another_coordinator_goes_on_with_an_open_breaker_and_with_a_trial()
    {
        var (tried, waits) = await HalfOpen(BreakerKind.TurnsPerHour, 2);
        await Look(tried);
        await Command(tried);
        await coordinator.DisposeAsync();
        coordinator = await LoopbackCoordinator.Start(store);

        await Look(waits);
        Assert.False(coordinator.Commands.TryPeek(out _));
        await Look(tried);
        await Command(tried);
        await End(tried, 3);
        await Review();
        await Look(waits);

        await Command(waits);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_late_word_about_an_earlier_turn_takes_no_trial(bool dispatched)
    {
        var (tried, _) = await HalfOpen(BreakerKind.TurnsPerHour, 2);
        if (dispatched)
            await store.Execute("update session_wakes set current_state = 4");

        await coordinator.Tell(new TurnEnded(tried, 1, TurnOutcome.Completed));

        Assert.Equal(0, await store.Scalar<long>("select count(*) from pauses where trial_session is not null"));
        await Look(tried);
        await Command(tried);
    }

    [Fact]
    public async Task Closed_by_hand_it_counts_anew()
    {
        await Limits(new BreakerLimit(PauseScope.Session, null, BreakerKind.TurnsPerHour, 2));
        var session = await store.Session("mine");
        await Run(session, "mine", 1);
        await Run(session, "mine", 2);
        await Observe("mine", "one more");
        await Look(session);
        var open = Assert.Single(await breakers.List(Cancel));

        Assert.True(await pauses.End(open.PauseId!.Value, Cancel));
        Assert.Equal("due", await store.Timer(session));
        await Look(session);
        await Command(session);
        await End(session, 3);
        await Run(session, "mine", 4);

        await Observe("mine", "another");
        await Look(session);
        Assert.Equal(BreakerState.Open, Assert.Single(await breakers.List(Cancel)).State);
        Assert.Equal(4, await store.Scalar<long>("select count(*) from turns"));
    }

    [Theory]
    [InlineData(BreakerKind.UsdPerHour)]
    [InlineData(BreakerKind.UsdPerDay)]
    public async Task What_turns_cost_opens_it_and_keeps_those_from_running_that_were_dispatched(BreakerKind kind)
    {
        await Limits(new BreakerLimit(PauseScope.All, null, kind, 2));
        var (spends, waits) = (await store.Session("spends"), await store.Session("waits"));
        await Observe("waits", "before");
        await Look(waits);
        await Command(waits);
        await Run(spends, "spends", 1, usd: 2);
        await Observe("spends", "one more");
        await Look(spends);

        var open = Assert.Single(await breakers.List(Cancel));
        Assert.Equal((BreakerState.Open, 2m), (open.State, open.Used));
        Assert.IsType<TurnClaim.NotDue>(await store.Turns.Claim(waits, 1, "test", TimeSpan.FromMinutes(10), Cancel));
        await Look(waits);
        Assert.False(coordinator.Commands.TryPeek(out _));
        if (kind is BreakerKind.UsdPerDay)
            Assert.True(open.Until!.Value.UtcDateTime >= DateTime.UtcNow.Date.AddDays(1));

        // What was dispatched and did not run may be the trial.
        await Later("2 days");
        await Look(waits);
        await Command(waits);
        await Look(spends);
        Assert.False(coordinator.Commands.TryPeek(out _));
        var trial = await store.ClaimTurn(waits);
        Assert.True(await store.Turns.EndTurn(trial, TurnOutcome.Completed, null, new(0.5m, default), Cancel));
        await Review();
        Assert.Equal(BreakerState.Closed, Assert.Single(await breakers.List(Cancel)).State);
        await Look(spends);
        await Command(spends);
    }

    [Fact]
    public async Task A_source_that_publishes_too_much_wakes_nobody_and_what_it_publishes_is_kept()
    {
        await Limits(new BreakerLimit(PauseScope.Source, "loud", BreakerKind.EventsPerMinute, 10));
        var session = await store.Session("hears");
        await store.Accept([.. Enumerable.Range(1, 10).Select(x => Loud($"event {x}"))]);
        await Review();
        Assert.Equal(BreakerState.Closed, Assert.Single(await breakers.List(Cancel)).State);

        await store.Accept(Loud("event 11"));
        await Review();
        await Look(session);
        Assert.False(coordinator.Commands.TryPeek(out _));
        Assert.Equal(BreakerState.Open, Assert.Single(await breakers.List(Cancel)).State);
        Assert.Contains("than it may publish", (await store.Sessions.Find("hears", Cancel))!.Paused!.Reason);

        await Later("16 minutes");
        await Look(session);
        await Command(session);
        var turn = await store.ClaimTurn(session);
        Assert.Equal(11, turn.Events.Count);
        await store.Turns.EndTurn(turn, TurnOutcome.Completed, null, default, Cancel);
        await Review();
        Assert.Equal(BreakerState.Closed, Assert.Single(await breakers.List(Cancel)).State);

        static ExternalEventObserved Loud(string fact) => WakeSystem.Event("hears", fact) with { Source = "loud" };
    }

    [Fact]
    public async Task What_another_source_says_wakes_the_session_with_all_that_waits()
    {
        await Limits(new BreakerLimit(PauseScope.Source, "loud", BreakerKind.EventsPerMinute, 1));
        var session = await store.Session("hears both");
        await store.Accept([
            .. Enumerable.Range(1, 3).Select(x => WakeSystem.Event("hears both", $"{x}") with { Source = "loud" }),
        ]);
        await Review();
        await Look(session);
        Assert.False(coordinator.Commands.TryPeek(out _));

        await Observe("hears both", "a person");
        Assert.Equal("due", await store.Timer(session));
        await Look(session);

        await Command(session);
        Assert.Equal(4, (await store.ClaimTurn(session)).Events.Count);
    }

    [Fact]
    public async Task A_chain_of_own_words_ends_and_another_word_begins_anew()
    {
        await Limits([new BreakerLimit(PauseScope.Session, null, BreakerKind.ChainDepth, 2)], "Agent");
        var session = await store.Session("loop");
        await Observe("loop", "a person asks");
        for (var turn = 1; turn <= 3; turn++)
            await Answer(turn);

        await Look(session);
        Assert.False(coordinator.Commands.TryPeek(out _));
        var open = Assert.Single(await breakers.List(Cancel));
        Assert.Equal((BreakerKind.ChainDepth, BreakerState.Open, "loop"), (open.Kind, open.State, open.Name));
        int[] depths = [0, 1, 2];
        Assert.Equal(
            depths,
            await store.Scalar<int[]>("select array_agg(coalesce(depth, 0) order by wake_number) from turns")
        );

        // The trial goes on with it.
        await Later("16 minutes");
        await Answer(4);
        await Review();
        Assert.Equal(BreakerState.Open, Assert.Single(await breakers.List(Cancel)).State);

        // Another does not, though it wakes with what the session itself said.
        await Observe("loop", "a person asks again");
        await Later("40 minutes");
        await Look(session);
        await Command(session);
        await End(session, 5);
        await Review();
        Assert.Empty(await breakers.List(Cancel));
        Assert.Equal(0, await store.Scalar<int>("select coalesce(depth, 0) from turns where wake_number = 5"));

        async Task Answer(int number)
        {
            await Look(session);
            await Command(session);
            var turn = await store.ClaimTurn(session, number);
            await Comment(number, "agent");
            await store.Turns.EndTurn(turn, TurnOutcome.Completed, null, default, Cancel);
        }
    }

    [Theory]
    [InlineData("somebody", "0 minutes", 0)]
    [InlineData("agent", "0 minutes", 1)]
    [InlineData("agent", "50 seconds", 1)]
    [InlineData("agent", "2 minutes", 0)]
    [InlineData("agent", "-1 hour", 0)]
    [InlineData(null, "0 minutes", 0)]
    public async Task A_turn_has_caused_what_its_account_did_meanwhile(string? actor, string after, int depth)
    {
        await Limits([], "agent");
        var session = await store.Session("caused");
        await Run(session, "caused", 1);
        var at = await store.Scalar<DateTime>($"select ended_at + interval '{after}' from turns");

        await store.Accept(WakeSystem.Event("caused", "a comment") with { Actor = actor, Time = at });
        await Look(session);

        await Command(session);
        Assert.Equal(depth, await store.Scalar<int>("select coalesce(depth, 0) from turns where wake_number = 2"));
    }

    [Fact]
    public async Task A_profile_s_own_limits_are_in_the_place_of_those_of_each_session()
    {
        await Limits(
            new BreakerLimit(PauseScope.Session, null, BreakerKind.TurnsPerHour, 1),
            new BreakerLimit(PauseScope.Session, "another", BreakerKind.TurnsPerHour, null)
        );
        var free = await store.Session("free", "another");
        await Run(free, "free", 1);
        await Run(free, "free", 2);

        Assert.Empty(await breakers.List(Cancel));
    }

    [Fact]
    public async Task Of_a_limit_that_is_taken_away_the_breaker_closes()
    {
        await Limits(new BreakerLimit(PauseScope.Session, null, BreakerKind.TurnsPerHour, 1));
        var session = await store.Session("freed");
        await Run(session, "freed", 1);
        await Observe("freed", "one more");
        await Look(session);

        await Limits();
        await pauses.EndExpired(Cancel);

        Assert.Equal("due", await store.Timer(session));
        await Look(session);
        await Command(session);
    }

    [Fact]
    public void Settings_say_which_limits_hold()
    {
        var options = new ConfigurationBuilder()
            .AddInMemoryCollection(
                new Dictionary<string, string?>
                {
                    ["EachSession:TurnsPerHour"] = "",
                    ["EachSession:UsdPerHour"] = "2.5",
                    ["Profiles:reviewer:EachSession:ChainDepth"] = "7",
                    ["Sources:0:Source"] = "cron:nightly",
                    ["Sources:0:EventsPerMinute"] = "10",
                    ["Sources:0:UsdPerDay"] = "3",
                }
            )
            .Build()
            .Get<BreakerOptions>()!;

        Assert.Equal(
            [
                new(PauseScope.Session, null, BreakerKind.UsdPerHour, 2.5m),
                new(PauseScope.Session, null, BreakerKind.ChainDepth, 5),
                new(PauseScope.Session, "reviewer", BreakerKind.TurnsPerHour, 120),
                new(PauseScope.Session, "reviewer", BreakerKind.ChainDepth, 7),
                new(PauseScope.Source, "cron:nightly", BreakerKind.EventsPerMinute, 10),
                new(PauseScope.Source, "cron:nightly", BreakerKind.UsdPerDay, 3),
            ],
            options.Limits().Where(x => x.Amount is not null)
        );
    }

    // A breaker for everything that is half-open, for which two sessions wait.
    async Task<(Guid Tried, Guid Waits)> HalfOpen(BreakerKind kind, int amount)
    {
        await Limits(new BreakerLimit(PauseScope.All, null, kind, amount));
        Guid[] sessions = [await store.Session("first"), await store.Session("second")];
        await Run(sessions[0], "first", 1);
        if (amount > 1)
            await Run(sessions[0], "first", 2);
        else
            await store.Execute("update turns set wake_number = 2");
        await Observe("first", "more");
        await Observe("second", "more");
        foreach (var session in sessions)
            await Look(session);
        Assert.False(coordinator.Commands.TryPeek(out _));
        await Later("61 minutes");
        return (sessions[0], sessions[1]);
    }

    Task Limits(params BreakerLimit[] limits) => Limits(limits, []);

    Task Limits(BreakerLimit[] limits, params string[] logins) =>
        breakers.Replace(limits, OpenFor, TimeSpan.FromHours(4), logins, Cancel);

    async Task Run(Guid session, string key, int turn, decimal usd = 0)
    {
        await Observe(key, $"event {turn}");
        await Look(session);
        await Command(session);
        await End(session, turn, usd: usd);
    }

    async Task End(Guid session, int turn, TurnOutcome outcome = TurnOutcome.Completed, decimal usd = 0)
    {
        var claimed = await store.ClaimTurn(session, turn);
        Assert.True(await store.Turns.EndTurn(claimed, outcome, null, new(usd, default), Cancel));
    }

    async Task Comment(int turn, string actor) =>
        await store.Accept(
            WakeSystem.Event("loop", $"comment {turn}") with
            {
                Actor = actor,
                Time = DateTimeOffset.UtcNow,
            }
        );

    async Task Review()
    {
        await breakers.Review(Cancel);
        await pauses.EndExpired(Cancel);
    }

    Task Later(string span) =>
        store.Execute(
            $"""
            update turns set dispatched_at = dispatched_at - interval '{span}', ended_at = ended_at - interval '{span}',
                             started_at = started_at - interval '{span}';
            update events
            set accepted_at = accepted_at - interval '{span}', happened_at = happened_at - interval '{span}';
            update pauses set created_at = created_at - interval '{span}', until = until - interval '{span}';
            """
        );

    Task Look(Guid session) => coordinator.Tell(new WakeDue(session));

    Task<IReadOnlyList<IntakeResult>> Observe(string key, string fact) => store.Accept(WakeSystem.Event(key, fact));

    async Task Command(Guid session) => Assert.Equal(session, (await coordinator.NextCommand()).SessionId);
}
