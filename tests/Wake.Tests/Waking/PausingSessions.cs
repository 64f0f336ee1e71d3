using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Wake.Contracts;
using Wake.Contracts.Http;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

public sealed class PausingSessionsInOneProcess(StandaloneSystem shared)
    : PausingSessions(shared),
        IClassFixture<StandaloneSystem>;

public sealed class PausingSessionsOnRabbitMq(GuardedRabbitMqSystem shared)
    : PausingSessions(shared),
        IClassFixture<GuardedRabbitMqSystem>;

/// <summary>While a session is paused nothing of it runs and nothing is lost.</summary>
[Trait("Starts", "processes")]
public abstract class PausingSessions(SharedSystem shared)
{
    readonly WakeSystem wake = shared.System;

    Task<CommandOutput> Wake(params string[] arguments) => WakeCommandLine.Run(wake.Here, null, arguments);

    [Fact]
    public async Task A_storm_during_a_pause_is_told_in_one_wake_when_it_ends()
    {
        var key = await wake.WatchingSession("instant");
        var pause = await Pause(new(PauseScope.Session, key, Reason: "the database moves"));
        Assert.Equal((1, 0, "the database moves"), (pause.Sessions, pause.Running, pause.Reason));

        var storm = Enumerable.Range(1, 30).Select(x => WakeSystem.Event(WakeSystem.Subject(key), $"event {x}"));
        await wake.Post([.. storm]);
        await wake.Post(WakeSystem.Event(WakeSystem.Subject(key), "event 7"));
        await WaitForPause(key);

        var explained = await wake.Explain(key);
        Assert.Equal([pause.Id], explained.Session.Paused!.Ids);
        Assert.StartsWith(
            "Paused until somebody ends it (the database moves). 30 events wait",
            explained.Summary,
            StringComparison.Ordinal
        );
        Assert.Empty(explained.Turns);

        Assert.Equal(HttpStatusCode.NoContent, (await End(pause)).StatusCode);
        var turn = await wake.WaitForTurnEnd(key, 1);

        Assert.Equal(Enumerable.Range(1, 30).Select(x => $"event {x}").Order(), turn.Reasons.Order());
        await wake.WaitUntilIdle();
        Assert.Single(await wake.Turns(key));
        Assert.Null((await wake.Show(key)).Paused);
        Assert.Equal(HttpStatusCode.NotFound, (await End(pause)).StatusCode);
    }

    [Fact]
    public async Task A_pause_passes_by_itself()
    {
        var key = await wake.WatchingSession("instant");
        var until = DateTimeOffset.UtcNow.AddSeconds(3);
        await Pause(new(PauseScope.Session, key, until));
        await wake.Post(WakeSystem.Event(WakeSystem.Subject(key), "merged"));
        await WaitForPause(key);

        var turn = await wake.WaitForTurnEnd(key, 1);

        Assert.InRange(turn.DispatchedAt, until.AddMilliseconds(-1), until.AddSeconds(10));
        await Eventually.Holds(
            async () =>
                await wake.Scalar<bool>("select ended_at is not distinct from until from pauses where name = $1", key),
            "it is noted that it is over"
        );
    }

    [Fact]
    public async Task A_turn_that_is_interrupted_runs_again_as_the_same_wake()
    {
        var key = await wake.WatchingSession("instant");
        using var hold = new HoldFile();
        await wake.Post(WakeSystem.Event(WakeSystem.Subject(key), $"merged [[fake:hold {hold.Path}]]"));
        await hold.Reached();

        var pause = await Pause(new(PauseScope.Session, key, Interrupt: true));
        Assert.Equal(1, pause.Running);
        var stopped = await wake.WaitForState(key, SessionState.Dispatched);
        Assert.Contains($"interrupted by a pause of session {key}", stopped.LastTurn!.Note);
        await WaitForPause(key);
        hold.Release();
        Assert.Equal(0, Assert.Single(await Pauses(), x => x.Id == pause.Id).Running);

        await End(pause);
        var turn = await wake.WaitForTurnEnd(key, 1);

        Assert.Equal((TurnOutcome.Completed, 2), (turn.Outcome, turn.Attempt));
        Assert.Single(await wake.Turns(key));
    }

    [Fact]
    public async Task A_turn_that_runs_ends_and_what_came_behind_it_waits()
    {
        var key = await wake.WatchingSession("instant");
        using var hold = new HoldFile();
        await wake.Post(WakeSystem.Event(WakeSystem.Subject(key), $"first [[fake:hold {hold.Path}]]"));
        await hold.Reached();
        var pause = await Pause(new(PauseScope.Session, key));
        await wake.Post(WakeSystem.Event(WakeSystem.Subject(key), "second"));
        hold.Release();

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        await WaitForPause(key);
        Assert.Single(await wake.Turns(key));

        await End(pause);
        Assert.Equal(["second"], (await wake.WaitForTurnEnd(key, 2)).Reasons);
    }

    [Fact]
    public async Task The_command_pauses_says_so_everywhere_and_ends_it()
    {
        var key = await wake.Session("instant");

        var paused = await Wake("pause", "--session", key, "--until", "1h", "--reason", "a release");
        Assert.True(paused.ExitCode == 0, paused.Errors);
        Assert.Contains($"Paused: session {key}, until ", paused.Output);

        var resumed = await Wake("resume", "--session", key, "--reason", "look now");
        Assert.Equal(0, resumed.ExitCode);
        Assert.Contains("(a release). The wake waits for that.", resumed.Errors);
        await WaitForPause(key);
        Assert.Empty(await wake.Turns(key));

        var listed = JsonElement.Parse((await Wake("pauses", "--output", "json")).Output).EnumerateArray();
        Assert.Equal(
            "session",
            Assert.Single(listed, x => x.GetProperty("name").GetString() == key).GetProperty("scope").GetString()
        );
        Assert.Contains("idle, paused until ", (await Wake("sessions", "show", key)).Output);
        Assert.Contains("Paused until ", (await Wake("explain", key)).Output);
        Assert.Contains("(a release)", (await Wake("doctor")).Output);

        Assert.Equal(1, (await Wake("unpause", "--session", "another")).ExitCode);
        Assert.NotEqual(0, (await Wake("pause")).ExitCode);
        Assert.NotEqual(0, (await Wake("unpause", "--all", "--session", key)).ExitCode);
        var ended = await Wake("unpause", "--session", key);
        Assert.True(ended.ExitCode == 0, ended.Errors);
        Assert.Equal(["look now"], (await wake.WaitForTurnEnd(key, 1)).Reasons);
    }

    [Theory]
    [InlineData("""{}""", 400, "scope")]
    [InlineData("""{"scope":"session"}""", 400, "name")]
    [InlineData("""{"scope":"all","name":"n"}""", 400, "name")]
    [InlineData("""{"scope":"pool","name":"p","until":"2001-02-03T04:05:06Z"}""", 400, "until")]
    [InlineData("""{"scope":"session","name":"nobody"}""", 404, "no open session nobody")]
    [InlineData("""{"scope":"route","name":"nothing"}""", 404, "no route nothing")]
    public async Task What_cannot_be_paused_is_refused(string body, int status, string why)
    {
        var answer = await wake.Http.PostAsync("/v1/pauses", new StringContent(body, null, "application/json"));

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Contains(why, await answer.Content.ReadAsStringAsync());
    }

    // Its timer is set to the end of the pause: nothing looks at it again before.
    Task WaitForPause(string key) =>
        Eventually.Holds(
            async () =>
                await wake.Scalar<bool>(
                    """
                    select exists (select from decisions d
                                   join sessions s on s.id = d.session_id
                                   join wake_timers timer on timer.session_id = s.id
                                   where s.key = $1 and d.kind = 'paused'
                                     and (timer.due_at = 'infinity' or timer.due_at >= (select max(until) from pauses where name = s.key)))
                    """,
                    key
                ),
            $"{key} waits for the end of its pause"
        );

    async Task<Pause> Pause(NewPause wanted)
    {
        var answer = await wake.Http.PostAsJsonAsync("/v1/pauses", wanted);
        Assert.True(answer.StatusCode == HttpStatusCode.Created, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<Pause>())!;
    }

    async Task<IReadOnlyList<Pause>> Pauses() => (await wake.Http.GetFromJsonAsync<List<Pause>>("/v1/pauses"))!;

    Task<HttpResponseMessage> End(Pause pause) => wake.Http.DeleteAsync($"/v1/pauses/{pause.Id}");
}
