using System.Net.Http.Json;
using System.Text.Json;
using Wake.Contracts;
using Wake.Notifier;
using Wake.Testing;
using Wake.Tests.Support;
using Contract = Wake.Contracts.Http;

namespace Wake.Tests.EndToEnd;

/// <summary>Beside what both versions are asked: what follows from Wake's own side, whichever version it is.</summary>
public sealed class AskingFromClaude_2_1_329(AskingFromARealClaude.Current runs)
    : AskingFromARealClaude(runs),
        IClassFixture<AskingFromARealClaude.Current>
{
    [Fact]
    public async Task Nobody_answers_and_the_model_knows()
    {
        var key = await Wake.WatchingSession("hasty");
        await Wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged [[ask]][[say:fine]]"));

        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.True(machines.Api.Requests[^1].IsInConversation("The user did not answer the questions."));
    }

    [Fact]
    public async Task A_permission_nobody_gives_is_not_given()
    {
        var key = await Wake.WatchingSession("hasty");
        await Wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), $"merged [[bash:{Ran}]][[say:fine]]"));

        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.True(machines.Api.Requests[^1].IsInConversation("Nobody has allowed this"));
        Assert.False(File.Exists(Path.Combine((await Wake.Show(key)).Workspace, "ran")));
    }

    [Theory]
    [InlineData(NotificationKind.Telegram)]
    [InlineData(NotificationKind.Slack)]
    [InlineData(NotificationKind.Discord)]
    public async Task All_its_questions_are_answered_in_a_chat(NotificationKind kind)
    {
        await using var chat = await LoopbackChat.Start(kind);
        var name = $"{kind}".ToLowerInvariant();
        var notifier = await Wake.StartProcess("Wake.Notifier", chat.Variables(name));
        await Eventually.Holds(() =>
            Wake.Scalar<bool>("select exists (select from notification_targets where name = $1)", name)
        );
        var key = await Wake.WatchingSession("asking");
        machines.Api.Queue($"[[tool:AskUserQuestion {Three.ReplaceLineEndings(" ")}]]");
        await Wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged"));

        var asked = await chat.Shows($"{key} asks:");
        await chat.Choose(asked, "Blue", LoopbackChat.Anna);
        await chat.Choose(asked, "S", LoopbackChat.Ben);
        await chat.Choose(asked, "L", LoopbackChat.Anna);
        chat.Write("3: not before the \"audit\"; $(id)", LoopbackChat.Ben, asked.Id);
        await chat.Shows("Chosen for 3: not before");
        Assert.Equal($"{key} goes on.", await chat.Press(asked, "Send", LoopbackChat.Anna));

        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 1)).Outcome);
        var told = machines.Api.Requests[^1];
        Assert.True(told.IsInConversation("\"Which colour?\"=\"Blue\""));
        Assert.True(told.IsInConversation("\"Which sizes?\"=\"S, L\""));
        Assert.True(told.IsInConversation("\"When shall it go out?\"=\"not before the \"audit\"; $(id)\""));

        // What a person writes there is an event of theirs, and what comes of it is asked there as well.
        var ended = await chat.Shows($"{key}: wake 1 completed");
        chat.Write($"Try it [[bash:{Ran}]][[say:fine]]", LoopbackChat.Anna, ended.Id);
        var call = await chat.Shows($"{key} asks to be allowed Bash:");
        Assert.Equal($"{key} goes on.", await chat.Press(call, "Allow once", LoopbackChat.Ben));
        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 2)).Outcome);
        Assert.True(
            machines.Api.Requests[^1].IsInConversation($"caused by {chat.NameOf(LoopbackChat.Anna)} in {name}")
        );
        Assert.Equal("x", await File.ReadAllTextAsync(Path.Combine((await Wake.Show(key)).Workspace, "ran")));
        await notifier.Stop();
    }

    // The CLI calls a tool while the model still speaks, so the second call may come to be or not; either way it is
    // asked about alone.
    [Fact]
    public async Task Calls_beside_each_other_are_allowed_one_by_one()
    {
        var key = await Wake.WatchingSession("asking");
        await Wake.Publish(
            WakeSystem.Event(
                WakeSystem.Subject(key),
                $"merged [[bash:{Ran}]][[and]][[bash:{Ran}]][[bash:{Ran}]][[say:fine]]"
            )
        );
        var allowed = 0;
        while ((await Wake.Turns(key)) is not [{ State: TurnState.Ended }])
        {
            foreach (var question in await Open())
            {
                await Allow(question);
                allowed++;
            }
        }

        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.InRange(allowed, 1, 2);
        Assert.Equal(
            new string('x', allowed),
            await File.ReadAllTextAsync(Path.Combine((await Wake.Show(key)).Workspace, "ran"))
        );
    }

    [Fact]
    public async Task A_subagent_is_told_to_leave_the_call_to_the_main_conversation()
    {
        var key = await Wake.WatchingSession("asking");
        machines.Api.Queue(
            """[[tool:Agent {"description": "d", "subagent_type": "general-purpose", "prompt": "do it", "run_in_background": false}]]""",
            $"[[bash:{Ran}]]",
            "[[say:I could not]]",
            $"[[bash:{Ran}]]",
            "[[say:fine]]"
        );
        await Allow(await Asks(key, "merged"));

        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.Contains(machines.Api.Requests, x => x.IsInConversation("only the main conversation can ask one"));
        Assert.Equal("x", await File.ReadAllTextAsync(Path.Combine((await Wake.Show(key)).Workspace, "ran")));
    }
}

public sealed class AskingFromClaude_2_1_197(AskingFromARealClaude.Old runs)
    : AskingFromARealClaude(runs),
        IClassFixture<AskingFromARealClaude.Old>;

/// <summary>
/// A question of the real CLI outlives every process, and its answer reaches the model as the result of its call, from
/// another machine: a runner with a configuration folder of its own.
/// </summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public abstract class AskingFromARealClaude
{
    private protected const string Three = """
        {"questions": [
          {"question": "Which colour?", "header": "Colour", "multiSelect": false, "options":
            [{"label": "Red", "description": "r"}, {"label": "Blue", "description": "b"}]},
          {"question": "Which sizes?", "header": "Size", "multiSelect": true, "options":
            [{"label": "S", "description": "s"}, {"label": "M", "description": "m"}, {"label": "L", "description": "l"}]},
          {"question": "When shall it go out?", "header": "When", "multiSelect": false, "options":
            [{"label": "Now", "description": "n"}, {"label": "Later", "description": "l"}]}]}
        """;

    // Leaves a trace of every time it is run.
    private protected const string Ran = "python3 -c \"open('ran','a').write('x')\"";

    // The same, and it is not done before the test says so.
    const string RanUntilTold =
        "python3 -c \"import os, time; open('ran','a').write('x'); [time.sleep(0.05) for _ in iter(lambda: "
        + "os.path.exists('go'), True)]; print('it is done')\"";

    readonly Running runs;
    private protected readonly TwoMachines machines;

    protected AskingFromARealClaude(Running runs)
    {
        (this.runs, machines) = (runs, runs.Machines);
        machines.Api.Reset();
    }

    private protected WakeSystem Wake => machines.Wake;

    [Fact]
    public async Task Answered_after_a_restart_of_everything_on_another_runner()
    {
        var key = await Wake.WatchingSession();
        machines.Api.Queue($"[[tool:AskUserQuestion {Three.ReplaceLineEndings(" ")}]]");
        var question = await Asks(key, "merged");
        Assert.Equal([false, true, false], question.Questions.Select(x => x.MultiSelect));

        await runs.KillAndStartOnTheOther();
        var answer = await Wake.Http.PostAsJsonAsync(
            $"/v1/questions/{question.Id}/answer",
            new
            {
                answers = new Dictionary<string, object>
                {
                    ["Which colour?"] = "Blue",
                    ["Which sizes?"] = new[] { "S", "L" },
                    ["When shall it go out?"] = "not before the \"audit\"; $(id)",
                },
            }
        );
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());

        var turn = await Wake.WaitForTurnEnd(key, 1);
        Assert.Equal(
            (TurnOutcome.Completed, runs.Runner, 2, null),
            (turn.Outcome, turn.Runner, turn.Attempt, turn.Note)
        );
        Assert.Equal(2, machines.Api.Requests.Count(x => x.Status == 200));
        var told = machines.Api.Requests[^1];
        Assert.True(told.IsInConversation("\"Which colour?\"=\"Blue\""));
        Assert.True(told.IsInConversation("\"Which sizes?\"=\"S, L\""));
        Assert.True(told.IsInConversation("\"When shall it go out?\"=\"not before the \"audit\"; $(id)\""));
        Assert.Equal(1L, await QuestionsOf(key));
        var session = await Wake.Show(key);
        Assert.Single(
            FakeTranscript.Of(runs.Machine, session.Workspace, Assert.Single(session.ClaudeSessionIds)).UserMessages,
            x => x.Contains("merged")
        );

        await Wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "deployed"));
        await Wake.WaitForTurnEnd(key, 2);
        Assert.True(machines.Api.Requests[^1].IsInConversation("\"Which sizes?\"=\"S, L\""));
    }

    [Fact]
    public async Task Asked_twice_in_a_turn_each_has_its_own_answer()
    {
        var key = await Wake.WatchingSession();
        await Answer(await Asks(key, "merged [[ask]][[askmulti]][[say:fine]]"), "Red");
        await Answer(
            await Eventually.Sees(
                async () => (await Open()).FirstOrDefault(x => x.Questions.Count == 2),
                "it asks again"
            ),
            "M"
        );

        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.Equal(3, machines.Api.Requests.Count(x => x.Status == 200));
        Assert.True(machines.Api.Requests[^1].IsInConversation("\"Which colour?\"=\"Red\""));
        Assert.True(machines.Api.Requests[^1].IsInConversation("\"Which sizes?\"=\"M\""));
    }

    // A question is deferred by its hook, and a permission by the runner: the CLI takes both up again.
    [Theory]
    [InlineData("[[ask]]", $"[[bash:{Ran}]]")]
    [InlineData($"[[bash:{Ran}]]", "[[ask]]")]
    [InlineData($"[[bash:{Ran}]]", $"[[bash:{Ran}]]")]
    public async Task A_question_and_a_permission_of_one_turn_are_both_acted_on(string first, string second)
    {
        var key = await Wake.WatchingSession("asking");
        machines.Api.Queue(first, second, "[[say:fine]]");
        var asked = await Asks(key, "merged");
        await Settle(asked);
        await Settle(
            await Eventually.Sees(
                async () => (await Open()).FirstOrDefault(x => x.Session == key && x.Id != asked.Id),
                $"{key} asks a second time"
            )
        );

        var turn = await Wake.WaitForTurnEnd(key, 1);
        // Each run has told the model what came of the call before.
        Assert.Equal(3, machines.Api.Requests.Count(x => x.Status == 200));
        Assert.Equal((TurnOutcome.Completed, 3, null), (turn.Outcome, turn.Attempt, turn.Note));
        Assert.Equal(
            first.Contains("[[ask]]") || second.Contains("[[ask]]"),
            machines.Api.Requests[^1].IsInConversation("\"Which colour?\"=\"Red\"")
        );
        Assert.Equal(
            new string('x', new[] { first, second }.Count(x => x.Contains("bash"))),
            await File.ReadAllTextAsync(Path.Combine((await Wake.Show(key)).Workspace, "ran"))
        );
        Assert.Equal(2L, await QuestionsOf(key));

        Task Settle(Question question) => question.Permission is null ? Answer(question, "Red") : Allow(question);
    }

    [Fact]
    public async Task Killed_after_an_answer_the_next_attempt_knows_what_was_done_since()
    {
        var key = await Wake.WatchingSession("asking");
        machines.Api.Queue("[[ask]]", "[[bash:touch since]]", "[[hold]][[say:never heard]]", "[[say:fine]]");
        await Answer(await Asks(key, "merged"), "Red");
        await machines.Api.Next(x => x.IsInConversation("touch since"));
        var session = await Wake.Show(key);
        var claude = Assert.Single(session.ClaudeSessionIds);
        await Eventually.Holds(
            async () =>
                await Wake.Scalar<int>(
                    "select rows from transcript_files "
                        + "where claude_session_id = $1 and path = '' and replaced_at is null",
                    claude
                ) == FakeTranscript.Of(runs.Machine, session.Workspace, claude).Rows.Count,
            "what it does is stored"
        );

        await runs.KillAndStartOnTheOther();
        machines.Api.Release();

        var turn = await Wake.WaitForTurnEnd(key, 1);
        Assert.Equal((TurnOutcome.Completed, 3), (turn.Outcome, turn.Attempt));
        Assert.True(machines.Api.Requests[^1].IsInConversation("touch since"));
        Assert.True(machines.Api.Requests[^1].IsInConversation("\"Which colour?\"=\"Red\""));
    }

    // The CLI loses an answer or a question when one message makes several calls.
    [Theory]
    [InlineData("[[ask]][[and]][[bash:echo done]]")]
    [InlineData("[[bash:echo done]][[and]][[ask]]")]
    [InlineData("[[askmulti]][[and]][[ask]]")]
    public async Task Beside_another_call_it_is_asked_again_alone(string both)
    {
        var key = await Wake.WatchingSession();
        machines.Api.Queue(both, "[[ask]]", "[[say:fine]]");
        await Answer(await Asks(key, "merged"), "Red");

        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.True(machines.Api.Requests[^1].IsInConversation("\"Which colour?\"=\"Red\""));
        Assert.Equal(1L, await QuestionsOf(key));
    }

    [Fact]
    public async Task Any_other_permission_it_asks_for_is_denied_at_once()
    {
        var key = await Wake.WatchingSession();
        await Wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged [[bash:python3 -c 1]][[say:fine]]"));

        var turn = await Wake.WaitForTurnEnd(key, 1);
        Assert.Equal((TurnOutcome.Completed, "1 tool calls were denied"), (turn.Outcome, turn.Note));
        Assert.True(machines.Api.Requests[^1].IsInConversation("you haven't granted it yet"));
    }

    [Fact]
    public async Task A_permission_given_after_a_restart_of_everything_on_another_runner_makes_the_very_call()
    {
        var key = await Wake.WatchingSession("asking");
        await Wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "opened"));
        await Wake.WaitForTurnEnd(key, 1);
        var question = await Asks(key, $"merged [[bash:touch free]][[bash:{Ran}]][[say:fine]]");
        Assert.Equal(
            ("Bash", Ran),
            (question.Permission!.Tool, question.Permission.Input.GetProperty("command").GetString())
        );
        Assert.Empty(question.Questions);
        var waiting = await Wake.Show(key);
        Assert.Equal((SessionState.WaitingForAnswer, question.Id), (waiting.State, waiting.WaitsFor));
        Assert.True(File.Exists(Path.Combine(waiting.Workspace, "free")));

        await runs.KillAndStartOnTheOther();
        Assert.False(File.Exists(Path.Combine(waiting.Workspace, "ran")));
        await Allow(question);

        var turn = await Wake.WaitForTurnEnd(key, 2);
        Assert.Equal(
            (TurnOutcome.Completed, runs.Runner, 2, null),
            (turn.Outcome, turn.Runner, turn.Attempt, turn.Note)
        );
        Assert.Equal("x", await File.ReadAllTextAsync(Path.Combine(waiting.Workspace, "ran")));
        Assert.Equal(4, machines.Api.Requests.Count(x => x.Status == 200));
        Assert.Equal(1L, await QuestionsOf(key));
        var session = await Wake.Show(key);
        Assert.Equal((SessionState.Idle, null), (session.State, session.WaitsFor));
        Assert.Single(
            FakeTranscript.Of(runs.Machine, session.Workspace, Assert.Single(session.ClaudeSessionIds)).UserMessages,
            x => x.Contains("merged")
        );

        // What a killed process has spent is counted all the same.
        await Wake.Publish(
            WakeSystem.Event(WakeSystem.Subject(key), "again [[bash:touch free]][[bash:touch free]][[say:fine]]")
        );
        Assert.Equal((await Wake.WaitForTurnEnd(key, 3)).CostUsd, turn.CostUsd);
    }

    [Fact]
    public async Task What_is_allowed_for_the_session_is_not_asked_again_until_it_is_withdrawn_or_the_session_reset()
    {
        var key = await Wake.WatchingSession("asking");
        var question = await Asks(key, $"merged [[bash:{Ran}]][[say:fine]]");
        await Decide(
            question,
            new
            {
                allow = true,
                hash = (await Find(question)).Permission!.Hash,
                forSession = true,
            }
        );
        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 1)).Outcome);

        await Wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), $"again [[bash:{Ran}]][[say:fine]]"));
        var unasked = await Wake.WaitForTurnEnd(key, 2);
        Assert.Equal((TurnOutcome.Completed, 1, null), (unasked.Outcome, unasked.Attempt, unasked.Note));
        Assert.Equal("xx", await File.ReadAllTextAsync(Path.Combine((await Wake.Show(key)).Workspace, "ran")));
        Assert.Equal(1L, await QuestionsOf(key));
        Assert.Contains(
            (await Wake.Explain(key)).Ledger.Where(x => x.What == "permitted"),
            x => x.Note!.EndsWith($"as question {question.Id} allows")
        );

        await Deny(await Asks(key, $"third [[bash:{Ran} ]][[say:fine]]".Replace("('x')", "('y')")));
        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 3)).Outcome);

        var path = $"/v1/sessions/{Uri.EscapeDataString(key)}/permissions";
        var listed = Assert.Single((await Wake.Http.GetFromJsonAsync<Contract.AllowedCall[]>(path))!);
        Assert.Equal((question.Id, "Bash"), (listed.Question, listed.Tool));
        Assert.True((await Wake.Http.DeleteAsync($"{path}/{question.Id}")).IsSuccessStatusCode);
        Assert.False((await Wake.Http.DeleteAsync($"{path}/{question.Id}")).IsSuccessStatusCode);
        question = await Asks(key, $"fourth [[bash:{Ran}]][[say:fine]]");
        await Decide(
            question,
            new
            {
                allow = true,
                hash = (await Find(question)).Permission!.Hash,
                forSession = true,
            }
        );
        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 4)).Outcome);

        var reset = await Wake.Http.PostAsJsonAsync($"/v1/sessions/{Uri.EscapeDataString(key)}/reset", new { });
        reset.EnsureSuccessStatusCode();
        await Deny(await Asks(key, $"fifth [[bash:{Ran}]][[say:fine]]"));
        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 5)).Outcome);
        Assert.Equal("xxx", await File.ReadAllTextAsync(Path.Combine((await Wake.Show(key)).Workspace, "ran")));

        Task Deny(Question asked) => Decide(asked, new { allow = false });
    }

    [Fact]
    public async Task A_permission_that_is_not_given_is_refused_with_the_persons_words()
    {
        var key = await Wake.WatchingSession("asking");
        await Decide(
            await Asks(key, $"merged [[bash:{Ran}]][[say:fine]]"),
            new { allow = false, message = "not on a \"Friday\"" }
        );

        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.True(machines.Api.Requests[^1].IsInConversation("A person has not allowed this: not on a \"Friday\""));
        Assert.False(File.Exists(Path.Combine((await Wake.Show(key)).Workspace, "ran")));
    }

    // 2,500 characters of which a list does not show the middle. What it does stands at the end.
    [Fact]
    public async Task A_long_call_is_shown_with_its_head_and_tail_allowed_by_its_hash_and_made_once()
    {
        var key = await Wake.WatchingSession("asking");
        var command = $"python3 -c \"'{new string('-', 2500 - 4 - Ran.Length)}'; open('ran','a').write('x')\"";
        machines.Api.Queue($"[[bash:{command}]]", "[[say:fine]]");
        var question = await Asks(key, "merged");

        var listed = question.Permission!.Input.GetProperty("command").GetString()!;
        Assert.StartsWith("python3 -c \"'---", listed);
        Assert.EndsWith("open('ran','a').write('x')\"", listed);
        Assert.Contains($" [... {command.Length - 2000} characters not shown ...] ", listed);
        Assert.Null(question.Permission.Hash);
        var whole = (await Find(question)).Permission!;
        Assert.Equal(command, JsonElement.Parse(whole.Call!).GetProperty("command").GetString());

        foreach (var body in new object[] { new { allow = true }, new { allow = true, hash = new string('0', 64) } })
            Assert.False(
                (await Wake.Http.PostAsJsonAsync($"/v1/questions/{question.Id}/answer", body)).IsSuccessStatusCode
            );
        await runs.KillAndStartOnTheOther();
        await Decide(question, new { allow = true, hash = whole.Hash });

        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.Equal("x", await File.ReadAllTextAsync(Path.Combine((await Wake.Show(key)).Workspace, "ran")));
        Assert.Equal(1L, await QuestionsOf(key));
    }

    // A person has seen and allowed something else than what the CLI is about to do.
    [Fact]
    public async Task A_call_that_is_not_the_one_that_was_allowed_is_not_made_and_asked_about_anew()
    {
        var key = await Wake.WatchingSession("asking");
        var workspace = (await Wake.Show(key)).Workspace;
        machines.Api.Queue($"[[bash:{Ran}]]", $"[[bash:{Ran}]]", "[[say:fine]]");
        var question = await Asks(key, "merged");
        var other = new string('0', 64);
        Assert.Equal(
            other,
            await Wake.Scalar<string>(
                "with other as (update questions set call_sha256 = $2 where id = $1 returning call_sha256) select "
                    + "call_sha256 from other",
                question.Id,
                other
            )
        );

        await Decide(question, new { allow = true, hash = other });

        var anew = await Eventually.Sees(
            async () => (await Open()).FirstOrDefault(x => x.Session == key && x.Id != question.Id),
            $"{key} asks again"
        );
        Assert.False(File.Exists(Path.Combine(workspace, "ran")));
        Assert.Contains(machines.Api.Requests, x => x.IsInConversation("is not exactly this call"));
        await Allow(anew);
        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.Equal("x", await File.ReadAllTextAsync(Path.Combine(workspace, "ran")));
    }

    // As every update and every restart does, whatever the turn is at by then.
    [Theory]
    [InlineData(Moment.Claimed)]
    [InlineData(Moment.Started)]
    [InlineData(Moment.Told)]
    public async Task An_answer_outlives_a_runner_that_is_told_to_stop(Moment when)
    {
        var key = await Wake.WatchingSession();
        machines.Api.Queue("[[ask]]", "[[hold]][[say:fine]]", "[[say:fine]]");
        await Answer(await Asks(key, "merged"), "Blue");

        await Reaches(when, key);
        await runs.StopAndStartAgain();
        machines.Api.Release();

        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.True(machines.Api.Requests[^1].IsInConversation("\"Which colour?\"=\"Blue\""));
        Assert.DoesNotContain(machines.Api.Requests, x => x.IsInConversation("doesn't want to"));
        Assert.Equal(1L, await QuestionsOf(key));
    }

    [Theory]
    [InlineData(Moment.Claimed)]
    [InlineData(Moment.Started)]
    public async Task A_permission_outlives_a_runner_that_is_told_to_stop_and_is_not_asked_for_again(Moment when)
    {
        var key = await Wake.WatchingSession("asking");
        machines.Api.Queue($"[[bash:{Ran}]]", "[[say:fine]]");
        await Allow(await Asks(key, "merged"));

        await Reaches(when, key);
        await runs.StopAndStartAgain();

        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.Equal("x", await File.ReadAllTextAsync(Path.Combine((await Wake.Show(key)).Workspace, "ran")));
        Assert.DoesNotContain(
            machines.Api.Requests,
            x => x.IsInConversation("aborted") || x.IsInConversation("doesn't want to")
        );
        Assert.Equal(1L, await QuestionsOf(key));
    }

    [Fact]
    public async Task A_call_that_was_allowed_and_begun_is_heard_to_its_end_by_a_runner_that_is_told_to_stop()
    {
        var key = await Wake.WatchingSession("asking");
        var workspace = (await Wake.Show(key)).Workspace;
        machines.Api.Queue($"[[bash:{RanUntilTold}]]", "[[hold]][[say:fine]]", "[[say:fine]]");
        await Allow(await Asks(key, "merged"));
        await Eventually.Holds(() => Task.FromResult(File.Exists(Path.Combine(workspace, "ran"))), "the call is made");

        var stopped = runs.StopAndStartAgain();
        await Eventually.Holds(
            () => Task.FromResult(runs.Process.Log.Contains("Stopping: interrupting")),
            "the runner is told to stop"
        );
        await File.WriteAllTextAsync(Path.Combine(workspace, "go"), "");
        await stopped;
        machines.Api.Release();

        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.True(machines.Api.Requests[^1].IsInConversation("it is done"));
        Assert.Equal("x", await File.ReadAllTextAsync(Path.Combine(workspace, "ran")));
    }

    [Fact]
    public async Task A_call_that_was_allowed_and_cut_off_is_not_made_a_second_time_unseen()
    {
        var key = await Wake.WatchingSession("asking");
        var workspace = (await Wake.Show(key)).Workspace;
        machines.Api.Queue($"[[bash:{RanUntilTold}]]", "[[say:fine]]");
        await Allow(await Asks(key, "merged"));
        await Eventually.Holds(() => Task.FromResult(File.Exists(Path.Combine(workspace, "ran"))), "the call is made");

        await runs.KillAndStartOnTheOther();

        // A second call would come to its end, and be seen.
        await File.WriteAllTextAsync(Path.Combine(workspace, "go"), "");

        Assert.Equal(TurnOutcome.Completed, (await Wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.True(machines.Api.Requests[^1].IsInConversation("Look whether it took effect"));
        Assert.Equal("x", await File.ReadAllTextAsync(Path.Combine(workspace, "ran")));
    }

    /// <summary>What a run that goes on with an answer has come to.</summary>
    public enum Moment
    {
        /// <summary>A runner has the turn.</summary>
        Claimed,

        /// <summary>The CLI has been started.</summary>
        Started,

        /// <summary>The model is told the answer.</summary>
        Told,
    }

    async Task Reaches(Moment when, string key)
    {
        await Eventually.Holds(
            async () => (await Wake.Turns(key)) is [{ Attempt: >= 2, State: TurnState.Running }],
            "the turn goes on"
        );
        if (when is Moment.Started)
            await Eventually.Holds(
                () => Task.FromResult(MachineProcess.CliProcesses(runs.Machine) is not []),
                "the CLI runs"
            );
        if (when is Moment.Told)
            await machines.Api.Next(x => x.IsInConversation("\"Which colour?\"=\"Blue\""));
    }

    private protected Task<long> QuestionsOf(string key) =>
        Wake.Scalar<long>(
            "select count(*) from questions q join sessions s on s.id = q.session_id where s.key = $1",
            key
        );

    private protected async Task<Question> Asks(string key, string reason)
    {
        await Wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), reason));
        return await Eventually.Sees(async () => (await Open()).FirstOrDefault(x => x.Session == key), $"{key} asks");
    }

    // As whoever has asked for the whole.
    private protected async Task Allow(Question question) =>
        await Decide(question, new { allow = true, hash = (await Find(question)).Permission!.Hash });

    async Task<Question> Find(Question question) =>
        (await Wake.Http.GetFromJsonAsync<Question>($"/v1/questions/{question.Id}"))!;

    private protected async Task Decide(Question question, object decision)
    {
        var answer = await Wake.Http.PostAsJsonAsync($"/v1/questions/{question.Id}/answer", decision);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    private protected async Task<IReadOnlyList<Question>> Open() =>
        (await Wake.Http.GetFromJsonAsync<List<Question>>("/v1/questions"))!;

    private protected async Task Answer(Question question, string text)
    {
        var answer = await Wake.Http.PostAsJsonAsync(
            $"/v1/questions/{question.Id}/answer",
            new { answers = question.Questions.ToDictionary(x => x.Question, _ => text) }
        );
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    public sealed class Current() : Running(RealClaude.Current);

    public sealed class Old() : Running(RealClaude.Old);

    /// <summary>One Wake for all of these tests, on one of two machines.</summary>
    public abstract class Running(string version) : IAsyncLifetime
    {
        public TwoMachines Machines { get; private set; } = null!;

        /// <summary>Where the runner is, and what it is called.</summary>
        public string Machine { get; private set; } = "";

        public ServiceProcess Process { get; private set; } = null!;

        /// <inheritdoc cref="Machine" />
        public string Runner => Machine == Machines.First ? "first" : "second";

        public async Task InitializeAsync()
        {
            Machines = await TwoMachines.Create(
                version,
                new Dictionary<string, string>
                {
                    ["Profiles__hasty__AnswerTimeout"] = "00:00:01",
                    ["Profiles__hasty__Permissions"] = "Ask",
                    ["Profiles__asking__Permissions"] = "Ask",
                    ["Profiles__asking__AllowedTools__0"] = "Bash(touch:*)",
                    // The first shell of a session may take the CLI a quarter of a minute on a busy machine.
                    ["Claude__KillAfter"] = "00:00:30",
                    // And a runner on one may be held up for seconds, which is not what these tests are about.
                    ["Runner__Lease"] = "00:00:15",
                }
            );
            await Start(Machines.First);
        }

        public async Task DisposeAsync() => await Machines.DisposeAsync();

        public async Task KillAndStartOnTheOther()
        {
            await Task.WhenAll(Machines.Wake.Processes.Select(x => x.Kill()));
            await Start(Machine == Machines.First ? Machines.Second : Machines.First);
        }

        public async Task StopAndStartAgain()
        {
            await Process.Stop();
            Process = await Machines.StartRunner(Machine);
        }

        async Task Start(string machine)
        {
            Machine = machine;
            var services = Machines.StartServices();
            Process = await Machines.StartRunner(machine);
            await services;
        }
    }
}
