using System.Net.Http.Json;
using Wake.Contracts;
using Wake.Contracts.Http;
using Wake.Offline;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>Beside what every version is asked: what follows from Wake's own side, whichever version it is.</summary>
public sealed class WakingClaude_2_1_329() : WakingARealClaude(RealClaude.Current)
{
    [Fact]
    public async Task Frozen_while_the_model_thinks_the_cli_is_killed_when_the_lease_is_over()
    {
        var key = await wake.WatchingSession();
        await HoldTheModel(key);
        var cli = MachineProcess.CliProcess(wake);

        wake.Processes[^1].Freeze();
        await Eventually.Holds(() => Task.FromResult(!MachineProcess.Runs(cli)), "the CLI is killed");
        Assert.True(
            await wake.Scalar<bool>(
                "select clock_timestamp() between lease_until and lease_until + interval '6 seconds' from turns"
            )
        );
        wake.Processes[^1].Thaw();
        api.Release();

        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal((TurnOutcome.Completed, 2), (turn.Outcome, turn.Attempt));
        Assert.Single(Messages(await wake.Show(key)), x => x.Contains("merged"));
    }

    [Fact]
    public async Task Paused_in_the_middle_of_a_turn_it_goes_on_when_that_ends_and_is_told_of_the_storm_once()
    {
        var key = await wake.WatchingSession();
        await wake.Publish(Event(key, "before"));
        await wake.WaitForTurnEnd(key, 1);
        await HoldTheModel(key);

        var made = await wake.Http.PostAsJsonAsync("/v1/pauses", new NewPause(PauseScope.All, Interrupt: true));
        var pause = await made.Content.ReadFromJsonAsync<Pause>();
        await wake.WaitForState(key, SessionState.Dispatched);
        api.Release();
        await wake.Publish([.. Enumerable.Range(1, 20).Select(x => Event(key, $"storm {x}."))]);
        await wake.Wake(key, "look now");
        Assert.Equal(21, (await wake.Show(key)).Inbox);
        Assert.Equal(1, (await wake.Show(key)).LastTurn!.Attempt);
        await wake.Http.DeleteAsync($"/v1/pauses/{pause!.Id}");

        var turn = await wake.WaitForTurnEnd(key, 2);
        Assert.Equal((TurnOutcome.Completed, 2), (turn.Outcome, turn.Attempt));
        Assert.Equal(21, (await wake.WaitForTurnEnd(key, 3)).Reasons.Count);
        await wake.WaitUntilIdle();
        Assert.Equal(3, (await wake.Turns(key)).Count);
        Assert.Single((await wake.Show(key)).ClaudeSessionIds);
        var told = Assert.Single(api.Requests, x => x.IsInTail("storm 1.") && x.Status == 200);
        Assert.True(told.IsInTail("storm 20.") && told.IsInTail("look now") && told.IsInConversation("before"));
    }

    [Fact]
    public async Task Closed_with_its_pull_request_it_comes_back_with_its_memory_until_it_is_reset()
    {
        using var workspace = new TemporaryFolder();
        var subject = $"github:test/{Guid.NewGuid():N}#1";
        var key = $"coder@{subject}";
        var route = await wake.Http.PutAsJsonAsync(
            "/v1/routes/ends",
            new RouteDefinition
            {
                Session = "coder@{subject}",
                Workspace = workspace.Path,
                Subject = subject,
                OnEnd = EndPolicy.Close,
            }
        );
        Assert.True(route.IsSuccessStatusCode, await route.Content.ReadAsStringAsync());
        await Tell("opened", "the first thing happened");
        await wake.WaitForTurnEnd(key, 1);
        await Tell("merged", "it was merged");
        await wake.WaitForTurnEnd(key, 2);
        var closed = await wake.WaitForState(key, SessionState.Closed);

        await Tell("reopened", "it was reopened");
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 3)).Outcome);
        var reopened = await api.Next(x => x.IsInTail("it was reopened"));
        Assert.True(reopened.IsInConversation("the first thing happened"));
        Assert.Equal([closed.ClaudeSessionId!.Value], (await wake.Show(key)).ClaudeSessionIds);

        var reset = await wake.Http.PostAsJsonAsync(
            $"/v1/sessions/{Uri.EscapeDataString(key)}/reset",
            new ResetRequest()
        );
        Assert.True((await reset.Content.ReadFromJsonAsync<ResetResult>())!.Reset);
        await wake.Wake(key, "after the reset");
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 4)).Outcome);
        var afresh = await api.Next(x => x.IsInTail("after the reset"));
        Assert.False(afresh.IsInConversation("the first thing happened"));
        Assert.Equal(afresh.SessionId, (await wake.Show(key)).ClaudeSessionIds[1]);

        Task Tell(string what, string reason) =>
            wake.Publish(WakeSystem.Event(subject, reason) with { Type = $"github.pull_request.{what}" });
    }
}

public sealed class WakingClaude_2_1_197() : WakingARealClaude(RealClaude.Old);

public sealed class WakingClaude_2_1_332() : WakingARealClaude(RealClaude.Newest);

/// <summary>
/// The whole of it with the real CLI, offline on a loopback Messages API, which sees what the model would see.
/// </summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public abstract class WakingARealClaude(string version) : IAsyncLifetime
{
    private protected MessagesApi api = null!;
    private protected WakeSystem wake = null!;
    Dictionary<string, string> login = [];

    public async Task InitializeAsync()
    {
        api = await MessagesApi.Start();
        login = api.Login;
        wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>(login)
            {
                ["Claude__Executable"] = RealClaude.Executable(version),
                ["Claude__MaxRetries"] = "0",
                ["Claude__KillAfter"] = "00:00:10",
                ["Profiles__tools__QuietWindow"] = "00:00:00.1",
                ["Profiles__tools__MaxWait"] = "00:00:01",
                ["Profiles__tools__AllowedTools__0"] = "Bash",
                ["Profiles__steps__AllowedTools__0"] = "Bash",
                ["Profiles__steps__MaxTurns"] = "2",
                ["Runner__Lease"] = "00:00:10",
                ["Runner__WarmSessions"] = "4",
            }
        );
        login["CLAUDE_CONFIG_DIR"] = wake.ClaudeConfig;
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await api.DisposeAsync();
    }

    [Fact]
    public async Task A_session_begins_and_is_resumed_with_its_memory()
    {
        var key = await wake.WatchingSession();
        await wake.Publish(Event(key, "the first thing happened"));
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);

        await wake.Publish(Event(key, "the second thing happened"));
        var second = await wake.WaitForTurnEnd(key, 2);

        Assert.Equal(TurnOutcome.Completed, second.Outcome);
        var request = await api.Next(x => x.IsInTail("the second thing happened"));
        Assert.True(request.IsInConversation("the first thing happened"));
        Assert.True(request.IsInConversation("I have seen 1 user messages."));
        Assert.Equal([request.SessionId!.Value], (await wake.Show(key)).ClaudeSessionIds);
        Assert.InRange(second.CostUsd, 0.00000001m, 0.01m);
    }

    [Fact]
    public async Task A_process_that_stayed_takes_the_next_wakes_with_limits_and_costs_of_their_own()
    {
        var key = await wake.Session("steps");
        await wake.Wake(key, "the first thing happened");
        var first = await wake.WaitForTurnEnd(key, 1);
        var process = MachineProcess.CliProcess(wake);

        // Two steps each are allowed: they are counted by message.
        for (var number = 2; number <= 4; number++)
        {
            await wake.Wake(key, $"[[bash:true]] thing {number} happened");
            var turn = await wake.WaitForTurnEnd(key, number);

            Assert.Equal((number, TurnOutcome.Completed), (number, turn.Outcome!.Value));
            Assert.InRange(turn.CostUsd, first.CostUsd / 10, first.CostUsd * 10);
            Assert.Equal(process, MachineProcess.CliProcess(wake));
        }

        var request = await api.Next(x => x.IsInTail("thing 4 happened"));
        Assert.True(request.IsInConversation("the first thing happened"));
        var session = await wake.Show(key);
        Assert.Equal(
            FakeTranscript.Of(wake, session).Rows.Count,
            await wake.Scalar<int>(
                "select rows from transcript_files where claude_session_id = $1 and path = '' and replaced_at is null",
                session.ClaudeSessionId!.Value
            )
        );
    }

    // As a person does who opens the session in a terminal: the process that stayed would never hear of it.
    [Fact]
    public async Task What_somebody_else_said_meanwhile_is_remembered()
    {
        var key = await wake.Session();
        await wake.Wake(key, "the first thing happened");
        await wake.WaitForTurnEnd(key, 1);
        var session = await wake.Show(key);
        await RealClaude.Run(
            version,
            session.Workspace,
            login,
            "-p",
            "--resume",
            $"{session.ClaudeSessionId}",
            "The secret word is marzipan."
        );

        await wake.Wake(key, "the second thing happened");
        await wake.WaitForTurnEnd(key, 2);

        Assert.True((await api.Next(x => x.IsInTail("the second thing happened"))).IsInConversation("marzipan"));
    }

    [Fact]
    public async Task A_conversation_of_a_person_is_woken_with_its_memory()
    {
        var id = Guid.NewGuid();
        var workspace = Directory.CreateTempSubdirectory("wake-workspace-").FullName;
        await RealClaude.Run(
            version,
            workspace,
            login,
            "-p",
            "--session-id",
            id.ToString(),
            "The secret word is marzipan."
        );
        var key = await wake.Session(claudeSession: id, workspace: workspace);

        await wake.Wake(key, "PR #972 merged");

        await wake.WaitForTurnEnd(key, 1);
        var request = await api.Next(x => x.IsInTail("PR #972 merged"));
        Assert.True(request.IsInConversation("marzipan"));
        Assert.Equal([id], (await wake.Show(key)).ClaudeSessionIds);
    }

    [Fact]
    public async Task A_session_that_cannot_be_resumed_is_replaced_once()
    {
        var unknown = Guid.NewGuid();
        var key = await wake.Session(claudeSession: unknown);

        await wake.Wake(key, "PR #972 merged");

        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal((TurnOutcome.Completed, 1), (turn.Outcome, turn.Attempt));
        var explanation = await wake.Explain(key);
        Assert.Equal(
            ["registered", "the one before it could not be resumed"],
            explanation.ClaudeSessions.Select(x => x.Reason)
        );
        Assert.Equal(explanation.ClaudeSessions[1].Id, Assert.Single(api.Requests).SessionId);
    }

    [Theory]
    [InlineData(500)]
    [InlineData(529)]
    public async Task A_failing_api_keeps_the_session_and_the_wake_is_handled_once_it_works(int status)
    {
        var key = await wake.WatchingSession();
        await wake.Publish(Event(key, "before"));
        await wake.WaitForTurnEnd(key, 1);

        api.Always($"[[http:{status}]]");
        await wake.Publish(Event(key, "while it failed"));
        await Eventually.Holds(async () => (await wake.Show(key)).LastTurn is { Number: 2, Attempt: 2 });
        api.Always(null);

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 2)).Outcome);
        Assert.Single((await wake.Show(key)).ClaudeSessionIds);
        Assert.Single(api.Requests, x => x.IsInTail("while it failed") && x.Status == 200);
        Assert.True(api.Requests[^1].IsInConversation("before"));
    }

    [Fact]
    public async Task An_account_problem_parks_the_session_until_a_person_wakes_it()
    {
        var key = await wake.WatchingSession();
        await wake.Publish(Event(key, "before"));
        await wake.WaitForTurnEnd(key, 1);

        api.Always("[[http:401]]");
        await wake.Publish(Event(key, "while nobody was logged in"));
        Assert.Contains("account", (await wake.WaitForState(key, SessionState.Parked)).LastTurn!.Note);
        await wake.Wake(key, "logged in again");
        await Eventually.Holds(async () =>
            (await wake.Show(key)) is { State: SessionState.Parked, LastTurn.Attempt: 2 }
        );
        api.Always(null);
        await wake.Wake(key, "now really");

        // The third time the CLI is told: by then it would take the first message for handled.
        Assert.Equal(
            (TurnOutcome.Completed, 3, null),
            (
                (await wake.WaitForTurnEnd(key, 2)).Outcome,
                (await wake.WaitForTurnEnd(key, 2)).Attempt,
                (await wake.WaitForTurnEnd(key, 2)).Note
            )
        );
        Assert.Equal(["logged in again", "now really"], (await wake.WaitForTurnEnd(key, 3)).Reasons);
        Assert.Single((await wake.Show(key)).ClaudeSessionIds);
        Assert.Contains(api.Requests, x => x.IsInTail("while nobody was logged in") && x.Status == 200);
    }

    [Fact]
    public async Task Killed_while_the_model_thinks_the_wake_is_run_again_and_takes_effect_once()
    {
        var key = await wake.WatchingSession();
        await wake.Publish(Event(key, "before"));
        await wake.WaitForTurnEnd(key, 1);
        await HoldTheModel(key);

        await Restart();
        api.Release();

        var turn = await wake.WaitForTurnEnd(key, 2);
        Assert.Equal((TurnOutcome.Completed, 2), (turn.Outcome, turn.Attempt));
        Assert.Single(Messages(await wake.Show(key)), x => x.Contains("merged"));
        Assert.Single(
            api.Requests,
            x =>
                x.IsInTail("merged")
                && x.Status == 200
                && x.Ending is { IsCompletedSuccessfully: true, Result: RequestEnding.Replied }
        );
        Assert.True(api.Requests[^1].IsInConversation("before"));
    }

    [Fact]
    public async Task Killed_inside_a_tool_the_wake_goes_on_and_the_message_is_there_once()
    {
        var key = await wake.WatchingSession("tools");
        using var folder = new TemporaryFolder();
        var effect = folder.File("effect");
        await wake.Publish(
            Event(
                key,
                $"merged [[bash:test -e {effect} && echo again >> {effect} || {{ echo ran >> {effect}; sleep 300; "
                    + "}]] [[say:done]]"
            )
        );
        await Eventually.Holds(() => Task.FromResult(File.Exists(effect)), "the tool runs");

        await Restart();

        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal((TurnOutcome.Completed, 2), (turn.Outcome, turn.Attempt));
        Assert.Single(Messages(await wake.Show(key)), x => x.Contains("merged"));

        // Only the newer CLI knows of the call that was cut off; the older one forgets it and makes it again.
        if (version != RealClaude.Old)
            Assert.Equal(["ran"], File.ReadAllLines(effect));
    }

    [Fact]
    public async Task Stopped_in_the_middle_of_a_turn_it_is_interrupted_and_goes_on_later()
    {
        var key = await wake.WatchingSession();
        await wake.Publish(Event(key, "before"));
        await wake.WaitForTurnEnd(key, 1);
        await HoldTheModel(key);

        Assert.Equal(0, await wake.Processes[^1].Stop());
        api.Release();
        await wake.StartProcess("Wake.Standalone");

        var turn = await wake.WaitForTurnEnd(key, 2);
        Assert.Equal((TurnOutcome.Completed, 2), (turn.Outcome, turn.Attempt));
        Assert.Single((await wake.Show(key)).ClaudeSessionIds);
        Assert.Single(api.Requests, x => x.IsInTail("You were told of this before") && x.Status == 200);
    }

    // The turn about this stands in the middle of an answer until the model is released.
    private protected async Task HoldTheModel(string key)
    {
        api.Queue("[[hold]][[say:never heard]]");
        await wake.Publish(Event(key, "merged"));
        await api.Next(x => x.IsInTail("merged"));
    }

    async Task Restart()
    {
        await wake.Processes[^1].Kill();
        await wake.StartProcess("Wake.Standalone");
    }

    private protected IEnumerable<string> Messages(Session session) => FakeTranscript.Of(wake, session).UserMessages;

    private protected static ExternalEventObserved Event(string key, string reason) =>
        WakeSystem.Event(WakeSystem.Subject(key), reason);
}
