using System.Text.Json;
using Wake.Contracts;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>Limits of time and money that a profile sets.</summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class KeepingToLimits : IAsyncLifetime
{
    WakeSystem wake = null!;

    public async Task InitializeAsync() =>
        wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["Profiles__hasty__IdleTimeout"] = "00:00:01",
                ["Profiles__brief__TurnTimeout"] = "00:00:01.5",
                ["Profiles__thrifty__SessionBudgetUsd"] = "5",
                ["Profiles__daily__DayBudgetUsd"] = "5",
                ["Profiles__other__DayBudgetUsd"] = "5",
                ["Profiles__capped__MaxBudgetUsd"] = "0.5",
            }
        );

    public async Task DisposeAsync() => await wake.DisposeAsync();

    [Theory]
    [InlineData("hasty", "hang", "it said nothing for too long")]
    [InlineData("hasty", "hold /nowhere", "it said nothing for too long")]
    [InlineData("brief", "hold /nowhere", "it took too long")]
    public async Task What_hangs_is_stopped_and_run_again_in_the_same_session(string profile, string hangs, string note)
    {
        using var folder = new TemporaryFolder();
        var key = await wake.WatchingSession(profile);

        // One stops talking altogether, the others still answer the interrupt.
        await Orders(hangs.Replace("/nowhere", folder.File("never")));
        await Publish(key, "merged");

        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal((TurnOutcome.Completed, 2), (turn.Outcome, turn.Attempt));
        Assert.Single((await wake.Show(key)).ClaudeSessionIds);
        Assert.Contains((await wake.Explain(key)).Ledger, x => x.What == "released" && x.Note!.Contains(note));
    }

    [Fact]
    public async Task What_hangs_every_time_is_parked()
    {
        using var folder = new TemporaryFolder();
        var key = await wake.WatchingSession("hasty");

        await Publish(key, $"merged [[fake:hold {folder.File("never")}]]");

        var parked = (await wake.WaitForState(key, SessionState.Parked)).LastTurn!;
        Assert.Equal(3, parked.Attempt);
        Assert.Contains("3 times in a row", parked.Note);
    }

    [Fact]
    public async Task A_turn_is_told_its_own_budget()
    {
        using var folder = new TemporaryFolder();
        var key = await wake.WatchingSession("capped");

        await Publish(key, $"merged [[fake:args {folder.File("args")}]]");
        await wake.WaitForTurnEnd(key, 1);

        Assert.Equal(
            ["--max-budget-usd", "0.5"],
            JsonSerializer
                .Deserialize<string[]>(File.ReadAllText(folder.File("args")))!
                .SkipWhile(x => x != "--max-budget-usd")
                .Take(2)
        );
    }

    [Fact]
    public async Task A_session_over_its_budget_is_parked_and_a_person_may_allow_one_turn_more()
    {
        var key = await wake.WatchingSession("thrifty");
        await Publish(key, "merged [[fake:cost 5.12]]");
        await wake.WaitForTurnEnd(key, 1);

        await Publish(key, "deployed [[fake:cost 1]]");
        var parked = await wake.WaitForState(key, SessionState.Parked);
        Assert.Contains("the session's budget of $5.00 is used up ($5.12)", parked.LastTurn!.Note);
        Assert.Equal(0, parked.LastTurn.CostUsd);

        await wake.Wake(key, "this one is worth it");
        Assert.Equal(
            (TurnOutcome.Completed, 1m),
            ((await wake.WaitForTurnEnd(key, 2)).Outcome, (await wake.WaitForTurnEnd(key, 2)).CostUsd)
        );

        // The next, which tells of the person's own word, waits for another.
        Assert.Contains("($6.12)", (await wake.WaitForState(key, SessionState.Parked)).LastTurn!.Note);

        // Another session of the profile has its own.
        var other = await wake.WatchingSession("thrifty");
        await Publish(other, "merged");
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(other, 1)).Outcome);
    }

    [Fact]
    public async Task A_profile_over_its_budget_for_today_goes_on_tomorrow_by_itself()
    {
        var (key, other) = (await wake.WatchingSession("daily"), await wake.WatchingSession("other"));
        await Publish(key, "merged [[fake:cost 5.12]]");
        await wake.WaitForTurnEnd(key, 1);

        var sibling = await wake.WatchingSession("daily");
        await Publish(sibling, "merged");
        Assert.Contains(
            "today's budget of $5.00 for profile daily is used up ($5.12)",
            (await wake.WaitForState(sibling, SessionState.Parked)).LastTurn!.Note
        );
        Assert.InRange(
            await wake.Scalar<double>(
                "select extract(epoch from (t.not_before at time zone 'utc') - (clock_timestamp() at time zone "
                    + "'utc')::date)::float8 from turns t where not_before is not null"
            ),
            86_399,
            86_401
        );

        await Publish(other, "merged");
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(other, 1)).Outcome);

        await Midnight();
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(sibling, 1)).Outcome);
    }

    // A day passes for the store: what was paid was paid yesterday, and what waited until tomorrow is due.
    Task<long> Midnight() =>
        wake.Scalar<long>(
            """
            with paid as (update spending set day = day - 1),
                 waiting as (update turns set not_before = clock_timestamp() where parked returning session_id),
                 due as (update wake_timers set owed_at = clock_timestamp() where session_id in (select session_id from waiting) returning 1)
            select count(*) from due
            """
        );

    Task Orders(string verb) =>
        File.WriteAllTextAsync(
            Path.Combine(wake.ClaudeConfig, "fake-claude.json"),
            JsonSerializer.Serialize(new { verbs = new[] { verb } })
        );

    Task Publish(string key, string reason) => wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), reason));
}
