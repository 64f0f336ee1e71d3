using Wake.Contracts;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

public sealed class WakingASessionInOneProcess(StandaloneSystem shared)
    : WakingASession(shared),
        IClassFixture<StandaloneSystem>;

public sealed class WakingASessionOnRabbitMq(GuardedRabbitMqSystem shared)
    : WakingASession(shared),
        IClassFixture<GuardedRabbitMqSystem>;

/// <summary>The sentence itself: an event wakes a session, which takes a turn.</summary>
[Trait("Starts", "processes")]
public abstract class WakingASession(SharedSystem shared)
{
    readonly WakeSystem wake = shared.System;

    [Fact]
    public async Task An_event_wakes_the_session_that_watches_its_subject()
    {
        var key = await wake.WatchingSession();

        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged", reason: "PR #972 merged"));

        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal(TurnOutcome.Completed, turn.Outcome);
        Assert.Equal(["PR #972 merged"], turn.Reasons);
    }

    [Fact]
    public async Task Five_observations_of_one_fact_are_one_turn_with_one_reason()
    {
        var key = await wake.WatchingSession();
        var observations = Enumerable
            .Range(1, 5)
            .Select(x => WakeSystem.Event(WakeSystem.Subject(key), "merged", id: $"{key}-{x}"))
            .ToArray();

        foreach (var observation in observations)
            await wake.Publish(observation);

        var turn = await wake.WaitForTurnEnd(key, 1);
        await wake.WaitUntilIdle();
        Assert.Equal(["merged"], turn.Reasons);
        Assert.Single(await wake.Turns(key));

        var explanation = await wake.ExplainEvent(observations[0].Id);
        Assert.Equal(observations.Skip(1).Select(x => x.Id), explanation.Duplicates.Select(x => x.Id));
    }

    [Fact]
    public async Task Fifty_events_in_one_window_are_one_turn_with_all_reasons_in_the_order_observed()
    {
        var key = await wake.WatchingSession("patient");
        var facts = Enumerable.Range(1, 50).Select(x => $"fact {x}").ToArray();

        await wake.Publish([.. facts.Select(x => WakeSystem.Event(WakeSystem.Subject(key), x))]);

        var turn = await wake.WaitForTurnEnd(key, 1);
        await wake.WaitUntilIdle();
        Assert.Equal(facts, turn.Reasons);
        Assert.Single(await wake.Turns(key));
    }

    [Fact]
    public async Task Events_during_a_turn_make_exactly_one_follow_up()
    {
        var key = await wake.WatchingSession();
        using var hold = new HoldFile();
        await wake.Publish(
            WakeSystem.Event(WakeSystem.Subject(key), "first", reason: $"first [[fake:hold {hold.Path}]]")
        );
        await hold.Reached();

        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "second"));
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "third"));
        await Eventually.Holds(async () => (await wake.Show(key)).Inbox == 2);
        hold.Release();

        var followUp = await wake.WaitForTurnEnd(key, 2);
        await wake.WaitUntilIdle();
        Assert.Equal(["second", "third"], followUp.Reasons);
        Assert.Equal(2, (await wake.Turns(key)).Count);
    }

    [Fact]
    public async Task An_ambient_event_starts_no_turn_and_is_handed_over_with_the_next()
    {
        var key = await wake.WatchingSession();

        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "labelled", Delivery.Ambient));
        await Eventually.Holds(async () => (await wake.Show(key)).Inbox == 1);
        await wake.WaitUntilIdle();
        Assert.Empty(await wake.Turns(key));

        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged"));
        Assert.Equal(["labelled", "merged"], (await wake.WaitForTurnEnd(key, 1)).Reasons);
    }

    [Fact]
    public async Task A_watch_made_after_the_event_still_finds_it()
    {
        var key = await wake.Session();
        var observed = WakeSystem.Event($"late:{key}", "merged");
        await wake.Publish(observed);
        await Eventually.Holds(async () =>
            await wake.Scalar<long>("select count(*) from events where id = $1", observed.Id) == 1
        );

        await wake.Watch(key, $"late:{key}", intent: "then deploy it");

        Assert.Equal(["merged"], (await wake.WaitForTurnEnd(key, 1)).Reasons);
    }

    [Fact]
    public async Task A_steady_stream_that_never_falls_quiet_reaches_the_max_wait()
    {
        var key = await wake.WatchingSession("patient");
        using var end = new CancellationTokenSource();
        var stream = Task.Run(async () =>
        {
            for (var i = 1; !end.IsCancellationRequested; i++)
            {
                await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), $"{i}"));
                await Task.Delay(100);
            }
        });

        await Eventually.Holds(async () => (await wake.Turns(key)) is [{ State: TurnState.Ended }, ..]);
        await end.CancelAsync();
        await stream;

        // More than one window's worth, fewer than all: the maximum wait ended the collecting, not the silence.
        await wake.WaitUntilIdle();
        var turns = await wake.Turns(key);
        Assert.True(turns[0].Reasons.Count > 5, $"The first turn had {turns[0].Reasons.Count} reasons.");
        Assert.Equal(
            Enumerable.Range(1, turns.Sum(x => x.Reasons.Count)).Select(x => $"{x}"),
            turns.SelectMany(x => x.Reasons)
        );
    }

    [Fact]
    public async Task A_person_does_not_wait_for_the_quiet_window()
    {
        var key = await wake.WatchingSession("patient");
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "labelled"));
        await Eventually.Holds(async () => (await wake.Show(key)).Inbox == 1);

        await wake.Wake(key, "look at it now");

        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal(["labelled", "look at it now"], turn.Reasons);
        Assert.True(turn.StartedAt - turn.DispatchedAt < TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task An_event_that_expired_before_the_turn_is_not_handed_over()
    {
        var key = await wake.WatchingSession("patient");
        var gone = WakeSystem.Event(WakeSystem.Subject(key), "gone") with
        {
            Expires = DateTimeOffset.UtcNow.AddSeconds(-1),
        };

        await wake.Publish(gone);
        await Eventually.Holds(async () => (await wake.Show(key)).Inbox == 1);
        await wake.WaitUntilIdle();

        Assert.Empty(await wake.Turns(key));
    }

    [Fact]
    public async Task An_event_that_expires_during_a_turn_is_handed_over_to_its_next_attempt()
    {
        var key = await wake.WatchingSession("instant");
        using var hold = new HoldFile();
        await wake.Publish(
            WakeSystem.Event(
                WakeSystem.Subject(key),
                "merged",
                reason: $"merged [[fake:hold {hold.Path}]] [[fake:first kill-self KILL]]"
            )
        );
        await hold.Reached();

        await using (
            var expire = wake.Database.CreateCommand(
                "update events set expires_at = clock_timestamp() where seq = (select event from inbox i join "
                    + "sessions s on s.id = i.session_id where s.key = $1)"
            )
        )
        {
            expire.Parameters.AddWithValue(key);
            await expire.ExecuteNonQueryAsync();
        }

        hold.Release();

        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal((2, null), (turn.Attempt, turn.Note));
        Assert.Contains("merged", FakeTranscript.Of(wake, await wake.Show(key)).UserMessages[^1]);
    }

    [Fact]
    public async Task A_closed_session_takes_no_more_turns()
    {
        var key = await wake.WatchingSession();
        var answer = await wake.Http.DeleteAsync($"/v1/sessions/{Uri.EscapeDataString(key)}");
        Assert.Equal(System.Net.HttpStatusCode.NoContent, answer.StatusCode);

        var decision = Assert.Single(await wake.Post(WakeSystem.Event(WakeSystem.Subject(key), "merged")));

        Assert.Equal("unwatched", decision.GetProperty("outcome").GetString());
        Assert.Equal(SessionState.Closed, (await wake.Show(key)).State);
    }

    [Fact]
    public async Task The_session_remembers_its_earlier_turns()
    {
        var key = await wake.WatchingSession();
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "first"));
        await wake.WaitForTurnEnd(key, 1);

        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "second"));
        await wake.WaitForTurnEnd(key, 2);

        var session = await wake.Show(key);
        Assert.Single(session.ClaudeSessionIds);
        Assert.Equal(2, FakeTranscript.Of(wake, session).UserMessages.Count);
    }

    [Fact]
    public async Task Explain_tells_the_story_of_an_event_and_of_its_session()
    {
        var key = await wake.WatchingSession();
        var observed = WakeSystem.Event(WakeSystem.Subject(key), "merged");
        await wake.Publish(observed);
        await wake.WaitForTurnEnd(key, 1);

        var story = await wake.ExplainEvent(observed.Id);
        Assert.Equal($"{key} received it in wake 1, which ended: completed.", story.Summary);
        Assert.Equal(
            ["accepted", "routed", "dispatched", "claimed", "begun", "ended"],
            story.Ledger.Select(x => x.What)
        );

        await wake.WaitUntilIdle();
        Assert.Equal("Idle; nothing waits.", (await wake.Explain(key)).Summary);
    }
}
