using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Wake.Contracts;
using Wake.Contracts.Http;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

public sealed class AskingSystem : IAsyncLifetime
{
    public WakeSystem System { get; private set; } = null!;

    public async Task InitializeAsync() =>
        System = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["Profiles__instant__Arguments__0"] = "--settings",
                ["Profiles__instant__Arguments__1"] = """{"env":{"OWN":"kept"}}""",
                ["Profiles__hasty__AnswerTimeout"] = "00:00:01",
                ["Profiles__hasty__Permissions"] = "Ask",
                ["Profiles__asking__Permissions"] = "Ask",
                ["Profiles__silent__Questions"] = "Off",
                ["Profiles__reserved__Questions"] = "Off",
                ["Profiles__reserved__Permissions"] = "Ask",
                ["Runner__Slots"] = "1",
            }
        );

    public async Task DisposeAsync() => await System.DisposeAsync();
}

/// <summary>A session asks a person: its turn waits without a process until somebody answers, or nobody does.</summary>
[Trait("Starts", "processes")]
public sealed class AskingAPerson(AskingSystem shared) : IClassFixture<AskingSystem>
{
    readonly WakeSystem wake = shared.System;

    [Fact]
    public async Task An_answer_is_the_tools_result_whatever_died_in_between()
    {
        var (key, question) = await Asks("Which colour?|Red|Blue");
        Assert.Equal(("Which colour?", false), (question.Questions[0].Question, question.Questions[0].MultiSelect));
        Assert.Equal(["Red", "Blue"], question.Questions[0].Options.Select(x => x.Label));

        await wake.Processes[^1].Kill();
        await wake.StartProcess("Wake.Standalone");
        Assert.Equal(HttpStatusCode.OK, (await Answer(question, "Blue, but \"dark\" 'blue' $(x)")).StatusCode);

        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal((TurnOutcome.Completed, 2, null), (turn.Outcome, turn.Attempt, turn.Note));
        Assert.Contains("\"Which colour?\"=\"Blue, but \"dark\" 'blue' $(x)\"", await Transcript(key));
        Assert.Single(FakeTranscript.Of(wake, await wake.Show(key)).UserMessages);
        Assert.Equal((QuestionOutcome.Answered, 1L), ((await Find(question.Id)).Outcome, await Asked(key)));
        var ledger = (await wake.Explain(key)).Ledger.Select(x => x.What).ToList();
        Assert.Equal(["asked", "answered", "ended"], ledger.Where(x => x is "asked" or "answered" or "ended"));
    }

    [Fact]
    public async Task The_first_answer_counts_and_what_was_not_asked_is_not_answered()
    {
        var (key, question) = await Asks("Which colour?|Red|Blue");

        Assert.Equal(HttpStatusCode.NotFound, (await Answer(question with { Id = Guid.NewGuid() }, "Red")).StatusCode);
        Assert.Contains("must answer", await Refused(new { answers = new { } }));
        Assert.Contains(
            "must answer",
            await Refused(
                new Dictionary<string, object>
                {
                    ["answers"] = new Dictionary<string, object> { ["Which colour?"] = new[] { "Red" } },
                }
            )
        );
        Assert.Contains(
            "Asked was: \"Which colour?\"",
            JsonDocument
                .Parse(
                    await Refused(
                        new Dictionary<string, object>
                        {
                            ["answers"] = new Dictionary<string, string> { ["Which colour?"] = "Red", ["Who?"] = "me" },
                        }
                    )
                )
                .RootElement.GetProperty("errors")
                .GetProperty("answers")[0]
                .GetString()
        );

        var answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => Answer(question, "Red")));

        Assert.Equal(4, answers.Count(x => x.StatusCode == HttpStatusCode.Conflict));
        Assert.Contains(
            "the first answer counts",
            await answers.First(x => x.StatusCode == HttpStatusCode.Conflict).Content.ReadAsStringAsync()
        );
        await wake.WaitForTurnEnd(key, 1);

        async Task<string> Refused(object body)
        {
            var answer = await wake.Http.PostAsJsonAsync($"/v1/questions/{question.Id}/answer", body);
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
            return await answer.Content.ReadAsStringAsync();
        }
    }

    [Fact]
    public async Task Without_an_answer_it_goes_on_at_the_deadline_and_knows_that_there_is_none()
    {
        var (key, question) = await Asks("Which colour?|Red|Blue", "hasty");
        Assert.InRange(
            question.Deadline!.Value - question.AskedAt,
            TimeSpan.FromSeconds(0.9),
            TimeSpan.FromSeconds(1.1)
        );

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);

        Assert.Contains("The user did not answer the questions.", await Transcript(key));
        Assert.Equal(QuestionOutcome.NoAnswer, (await Find(question.Id)).Outcome);
        var late = await Answer(question, "Red");
        Assert.Equal(HttpStatusCode.Conflict, late.StatusCode);
        Assert.Contains("Too late", await late.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task What_happens_meanwhile_is_taken_in_and_told_after_the_answer()
    {
        var (key, question) = await Asks("Which colour?|Red|Blue");

        Assert.Equal(
            "routed",
            Assert
                .Single(await wake.Post(WakeSystem.Event("meanwhile", "x") with { Sessions = [key] }))
                .GetProperty("outcome")
                .GetString()
        );
        await wake.WaitForState(key, SessionState.WaitingForAnswer);

        // Not for ever: nobody may answer.
        Assert.Equal(3, (question.Deadline!.Value - question.AskedAt).TotalDays, tolerance: 0.001);
        var summary = (await wake.Explain(key)).Summary;
        Assert.Contains($"Without one it goes on at {question.Deadline:u}.", summary);
        Assert.Contains("One event waits behind it", summary);
        await Answer(question, "Red");

        Assert.Equal(["x"], (await wake.WaitForTurnEnd(key, 2)).Reasons);
        Assert.Contains("\"Which colour?\"=\"Red\"", await Transcript(key));
    }

    [Fact]
    public async Task What_happens_meanwhile_is_told_after_the_deadline_when_nobody_answers()
    {
        var key = await wake.WatchingSession("hasty");
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged [[fake:ask Which colour?|Red|Blue]]"));
        await Eventually.Holds(async () => await Asked(key) == 1, "it asks");

        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "deployed"));

        Assert.Equal(["deployed"], (await wake.WaitForTurnEnd(key, 2)).Reasons);
        Assert.Contains("The user did not answer the questions.", await Transcript(key));
    }

    [Fact]
    public async Task Who_woke_it_before_it_asked_has_not_seen_the_question()
    {
        using var folder = new TemporaryFolder();
        var key = await wake.Session("instant");
        await wake.Wake(key, $"[[fake:hold {folder.File("go on")}]] [[fake:ask Which colour?|Red|Blue]]");
        await wake.WaitForState(key, SessionState.Running);
        await wake.Wake(key, "look here");
        File.WriteAllText(folder.File("go on"), "");

        await wake.WaitForState(key, SessionState.WaitingForAnswer);
        var question = await Find((await wake.Show(key)).WaitsFor!.Value);
        await wake.WaitUntilIdle();
        Assert.Equal(SessionState.WaitingForAnswer, (await wake.Show(key)).State);
        await Answer(question, "Red");

        Assert.Equal(["look here"], (await wake.WaitForTurnEnd(key, 2)).Reasons);
    }

    [Fact]
    public async Task A_person_who_wakes_it_instead_has_not_answered()
    {
        var (key, question) = await Asks("Which colour?|Red|Blue");

        await wake.Wake(key, "never mind the colour");

        await wake.WaitForTurnEnd(key, 1);
        Assert.Equal(["never mind the colour"], (await wake.WaitForTurnEnd(key, 2)).Reasons);
        Assert.Contains("The user did not answer the questions.", await Transcript(key));
        Assert.Equal(QuestionOutcome.NoAnswer, (await Find(question.Id)).Outcome);
    }

    [Fact]
    public async Task Sessions_that_wait_hold_nobody_up()
    {
        // The runner has one slot.
        var first = await Asks("Which colour?|Red|Blue");
        var second = await Asks("Which size?|S|L");
        var third = await wake.WatchingSession();
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(third), "merged"));
        await wake.WaitForTurnEnd(third, 1);

        await Answer(second.Question, "L");
        await wake.WaitForTurnEnd(second.Key, 1);
        Assert.Equal(
            (SessionState.WaitingForAnswer, first.Question.Id),
            ((await wake.Show(first.Key)).State, (await wake.Show(first.Key)).WaitsFor)
        );
        await Answer(first.Question, "Red");
        await wake.WaitForTurnEnd(first.Key, 1);

        Assert.Contains("\"Which size?\"=\"L\"", await Transcript(second.Key));
        Assert.Contains("\"Which colour?\"=\"Red\"", await Transcript(first.Key));
    }

    [Fact]
    public async Task A_session_that_was_closed_waits_for_no_answer()
    {
        var (key, question) = await Asks("Which colour?|Red|Blue");

        await wake.Http.DeleteAsync($"/v1/sessions/{Uri.EscapeDataString(key)}");

        Assert.Equal(HttpStatusCode.Conflict, (await Answer(question, "Red")).StatusCode);
        Assert.DoesNotContain((await Open()), x => x.Id == question.Id);
    }

    [Fact]
    public async Task On_the_command_line_it_is_seen_and_answered()
    {
        var (key, question) = await Asks("Which colour?|Red|Blue");
        var here = wake.Here;

        var seen = await WakeCommandLine.Run(here, null, "questions");
        Assert.Contains($"{question.Id}", seen.Output);
        Assert.Contains("Which colour?", seen.Output);
        Assert.Contains(
            "one --answer for each",
            (
                await WakeCommandLine.Run(here, null, "answer", $"{question.Id}", "--answer", "Red", "--answer", "L")
            ).Errors
        );
        Assert.Contains(
            "Say the answers with --answer",
            (await WakeCommandLine.Run(here, null, "answer", $"{question.Id}")).Errors
        );

        var said = await WakeCommandLine.Run(
            here,
            null,
            "answer",
            $"{question.Id}",
            "--answer",
            "--wait, it is Blue",
            "--output",
            "json"
        );

        Assert.True(said.ExitCode == 0, said.Errors);
        Assert.Equal("answered", JsonDocument.Parse(said.Output).RootElement.GetProperty("outcome").GetString());
        await wake.WaitForTurnEnd(key, 1);
        Assert.Contains("--wait, it is Blue", await Transcript(key));
        Assert.Contains(
            "the first answer counts",
            (await WakeCommandLine.Run(here, null, "answer", $"{question.Id}", "--answer", "Red")).Errors
        );
    }

    [Fact]
    public async Task A_call_that_must_be_allowed_is_made_once_it_is_whatever_died_in_between()
    {
        using var folder = new TemporaryFolder();
        var (key, question) = await Requests(folder.File("ran"), "asking");
        Assert.Equal(
            ("Bash", $"echo tool >> {folder.File("ran")}"),
            (question.Permission!.Tool, question.Permission.Input.GetProperty("command").GetString())
        );

        await wake.Processes[^1].Kill();
        await wake.StartProcess("Wake.Standalone");
        Assert.False(File.Exists(folder.File("ran")));
        var answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => Allow(question)));
        Assert.Equal(4, answers.Count(x => x.StatusCode == HttpStatusCode.Conflict));

        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal((TurnOutcome.Completed, 2, null), (turn.Outcome, turn.Attempt, turn.Note));
        Assert.Equal(["tool"], await File.ReadAllLinesAsync(folder.File("ran")));
        Assert.Equal(
            new PermissionAnswer(true, null) { Shown = question.Permission.Hash },
            (await Find(question.Id)).Decision
        );
        Assert.Single(FakeTranscript.Of(wake, await wake.Show(key)).UserMessages);
    }

    [Fact]
    public async Task A_call_that_is_not_allowed_is_not_made_and_a_permission_takes_no_other_answer()
    {
        using var folder = new TemporaryFolder();
        var (key, question) = await Requests(folder.File("ran"), "asking");

        Assert.Contains("must be true or false", await Refused(new { answers = new { x = "yes" } }));
        Assert.Contains("must be true or false", await Refused(new { message = "why" }));
        Assert.Contains("only when it is not allowed", await Refused(new { allow = true, message = "why" }));
        Assert.Equal(
            HttpStatusCode.OK,
            (await Decide(question, new { allow = false, message = "not today" })).StatusCode
        );

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.Contains("A person has not allowed this: not today", await Transcript(key));
        Assert.False(File.Exists(folder.File("ran")));

        async Task<string> Refused(object body)
        {
            var answer = await Decide(question, body);
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
            return await answer.Content.ReadAsStringAsync();
        }
    }

    [Fact]
    public async Task A_question_is_not_allowed_but_answered()
    {
        var (key, question) = await Asks("Which colour?|Red|Blue");

        Assert.Equal(HttpStatusCode.BadRequest, (await Decide(question, new { allow = true })).StatusCode);
        await Answer(question, "Red");
        await wake.WaitForTurnEnd(key, 1);
    }

    [Fact]
    public async Task A_call_that_nobody_allows_in_time_is_not_made()
    {
        using var folder = new TemporaryFolder();
        var (key, question) = await Requests(folder.File("ran"), "hasty");

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.Contains("Nobody has allowed this", await Transcript(key));
        Assert.Equal(QuestionOutcome.NoAnswer, (await Find(question.Id)).Outcome);
        Assert.Equal(HttpStatusCode.Conflict, (await Allow(question)).StatusCode);
        Assert.False(File.Exists(folder.File("ran")));
    }

    [Fact]
    public async Task Without_the_setting_nobody_is_asked_for_a_permission()
    {
        using var folder = new TemporaryFolder();
        var key = await wake.WatchingSession();
        await wake.Publish(
            WakeSystem.Event(WakeSystem.Subject(key), $"merged [[fake:needs-permission {folder.File("ran")}]]")
        );

        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal((TurnOutcome.Completed, "1 tool calls were denied"), (turn.Outcome, turn.Note));
        Assert.Equal(0L, await Asked(key));
        Assert.False(File.Exists(folder.File("ran")));
    }

    [Fact]
    public async Task On_the_command_line_a_permission_is_seen_and_given_or_not()
    {
        using var folder = new TemporaryFolder();
        var here = wake.Here;
        var (given, one) = await Requests(folder.File("one"), "asking");
        var (refused, other) = await Requests(folder.File("other"), "asking");

        Assert.Contains(
            $"command: echo tool >> {folder.File("one")}",
            (await WakeCommandLine.Run(here, null, "questions")).Output
        );
        Assert.Contains($"{one.Id}", (await WakeCommandLine.Run(here, null, "sessions")).Output);
        var shown = (await WakeCommandLine.Run(here, null, "sessions", "show", given)).Output;
        Assert.Contains("waitingForAnswer", shown);
        Assert.Contains($"{one.Id}", shown);
        Assert.Contains("Say --allow or --deny", (await WakeCommandLine.Run(here, null, "answer", $"{one.Id}")).Errors);
        Assert.Contains(
            "either --allow or --deny",
            (await WakeCommandLine.Run(here, null, "answer", $"{one.Id}", "--answer", "yes")).Errors
        );

        Assert.Equal(0, (await WakeCommandLine.Run(here, null, "answer", $"{one.Id}", "--allow")).ExitCode);
        Assert.Equal(
            0,
            (await WakeCommandLine.Run(here, null, "answer", $"{other.Id}", "--deny", "not today")).ExitCode
        );

        await wake.WaitForTurnEnd(given, 1);
        await wake.WaitForTurnEnd(refused, 1);
        Assert.True(File.Exists(folder.File("one")));
        Assert.False(File.Exists(folder.File("other")));
        Assert.Contains("not today", await Transcript(refused));
    }

    // 2,500 characters, of which the last say what is written where.
    [Fact]
    public async Task A_long_call_is_allowed_by_the_hash_of_all_of_it_and_made_once()
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("dangerous");
        var (key, question) = await Requests($"{file} {(2500 - $"echo tool >> {file}".Length + 1) / 2}", "asking");

        // In a list the tail is seen, and that there is something between.
        var listed = question.Permission!.Input.GetProperty("command").GetString()!;
        Assert.StartsWith("echo tool >> /././", listed);
        Assert.EndsWith("dangerous", listed);
        Assert.Matches(@"[./] \[\.\.\. 50[01] characters not shown \.\.\.\] [./]", listed);
        Assert.Equal(
            (false, null, null),
            (question.Permission.Whole, question.Permission.Call, question.Permission.Hash)
        );

        var whole = (await Find(question.Id)).Permission!;
        var command = JsonElement.Parse(whole.Call!).GetProperty("command").GetString()!;
        Assert.InRange(command.Length, 2500, 2501);
        Assert.Equal(
            Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"Bash\n{whole.Call}"))),
            whole.Hash
        );

        // Nobody allows what they have not seen.
        Assert.Contains("permission.hash", await Refused(new { allow = true }, HttpStatusCode.BadRequest));
        Assert.Contains("permission.hash", await Refused(new { allow = true, hash = "" }, HttpStatusCode.BadRequest));
        Assert.Contains(
            "another call",
            await Refused(new { allow = true, hash = whole.Hash![..12] }, HttpStatusCode.Conflict)
        );
        Assert.Contains(
            "another call",
            await Refused(new { allow = true, hash = new string('0', 64) }, HttpStatusCode.Conflict)
        );
        Assert.Contains(
            "what is denied needs none",
            await Refused(new { allow = false, hash = whole.Hash }, HttpStatusCode.BadRequest)
        );
        Assert.Equal(SessionState.WaitingForAnswer, (await wake.Show(key)).State);
        Assert.False(File.Exists(file));

        // As an older wake names it.
        Assert.Equal(HttpStatusCode.OK, (await Decide(question, new { allow = true, shown = whole.Hash })).StatusCode);
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.Equal(["tool"], await File.ReadAllLinesAsync(file));

        async Task<string> Refused(object body, HttpStatusCode status)
        {
            var answer = await Decide(question, body);
            Assert.Equal(status, answer.StatusCode);
            return await answer.Content.ReadAsStringAsync();
        }
    }

    [Fact]
    public async Task On_the_command_line_a_long_call_is_allowed_by_whoever_has_its_hash()
    {
        using var folder = new TemporaryFolder();
        var here = wake.Here;
        var file = folder.File("dangerous");
        var (key, question) = await Requests($"{file} 1300", "asking");
        var command = $"echo tool >> /{string.Concat(Enumerable.Repeat("./", 1300))}{file[1..]}";

        var listed = (await WakeCommandLine.Run(here, null, "questions")).Output;
        Assert.Contains("characters not shown ...]", listed);
        Assert.Contains($"wake questions show {question.Id}", listed);
        var hash = (await Find(question.Id)).Permission!.Hash!;
        Assert.DoesNotContain(hash, listed);

        var shown = (await WakeCommandLine.Run(here, null, "questions", "show", $"{question.Id}")).Output;
        Assert.Contains($"command: {command}\n", shown);
        Assert.Contains($"hash: {hash}", shown);

        Assert.Contains("does not show all", await Refused("--allow"));
        Assert.Contains("not the hash", await Refused("--allow", "--hash", hash[..11]));
        Assert.Contains("not the hash", await Refused("--allow", "--hash", "000000000000"));
        Assert.Contains("say it with --allow", await Refused("--hash", hash));
        Assert.Equal(SessionState.WaitingForAnswer, (await wake.Show(key)).State);

        var said = await WakeCommandLine.Run(here, null, "answer", $"{question.Id}", "--allow", "--hash", hash[..12]);
        Assert.True(said.ExitCode == 0, said.Errors);
        Assert.Contains($"command: {command}\n", said.Output);
        await wake.WaitForTurnEnd(key, 1);
        Assert.Equal(["tool"], await File.ReadAllLinesAsync(file));

        async Task<string> Refused(params string[] arguments)
        {
            var said = await WakeCommandLine.Run(here, null, ["answer", $"{question.Id}", .. arguments]);
            Assert.Equal(1, said.ExitCode);
            return said.Errors;
        }
    }

    // By a gateway of before, which asks for no hash; and by one that was shown another call.
    [Theory]
    [InlineData("""{"allow":true,"message":null}""")]
    [InlineData(
        """{"allow":true,"message":null,"shown":"0000000000000000000000000000000000000000000000000000000000000000"}"""
    )]
    public async Task What_was_allowed_without_the_hash_of_the_very_call_is_not_made(string decision)
    {
        using var folder = new TemporaryFolder();
        var (key, question) = await Requests(folder.File("ran"), "asking");

        await wake.Scalar<int>(
            """
            with answered as (
                update questions set answers = $2::json, outcome = 'answered', settled_at = clock_timestamp() where id = $1 returning session_id, wake_number
            ), freed as (
                update turns turn set not_before = null, parked = false, note = null from answered
                where turn.session_id = answered.session_id and turn.wake_number = answered.wake_number
            ), due as (
                update wake_timers timer set owed_at = clock_timestamp(), urgent = true from answered where timer.session_id = answered.session_id
            )
            select 1 from answered
            """,
            question.Id,
            decision
        );

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.Contains("is not exactly this call", await Transcript(key));
        Assert.False(File.Exists(folder.File("ran")));
    }

    [Fact]
    public async Task What_a_runner_of_before_has_asked_is_denied_and_asked_anew_but_not_allowed()
    {
        using var folder = new TemporaryFolder();
        var (key, question) = await Requests(folder.File("ran"), "asking");
        await wake.Scalar<int>(
            """
            with old as (
                update questions set call = null, call_sha256 = null, input = (input::jsonb - 'whole')::json where id = $1 returning 1 as one
            )
            select one from old
            """,
            question.Id
        );

        var refused = await Decide(question, new { allow = true, hash = question.Permission!.Hash });
        Assert.Equal(HttpStatusCode.Conflict, refused.StatusCode);
        Assert.Contains("older version", await refused.Content.ReadAsStringAsync());
        Assert.Contains(
            "older version",
            (await WakeCommandLine.Run(wake.Here, null, "answer", $"{question.Id}", "--allow")).Errors
        );

        Assert.Equal(
            HttpStatusCode.OK,
            (await Decide(question, new { allow = false, message = "make the same call again" })).StatusCode
        );
        await wake.WaitForTurnEnd(key, 1);
        Assert.False(File.Exists(folder.File("ran")));
    }

    // Runners may share a workspace, as sessions of one repository do.
    [Fact]
    public async Task Sessions_that_wait_leave_their_workspace_to_others()
    {
        using var folder = new TemporaryFolder();
        var (key, question) = await Requests(folder.File("ran"), "asking");
        var beside = await wake.Session(workspace: (await wake.Show(key)).Workspace);
        await wake.Wake(beside, "look around");

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(beside, 1)).Outcome);
        Assert.Equal(SessionState.WaitingForAnswer, (await wake.Show(key)).State);
        await Allow(question);
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
    }

    [Theory]
    [InlineData("silent", false)]
    [InlineData("default", true)]
    [InlineData("instant", true)]
    public async Task The_profile_says_whether_it_has_the_tool_and_its_own_settings_stay(string profile, bool asks)
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("args");
        var key = await wake.WatchingSession(profile);
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), $"merged [[fake:args {file}]]"));
        await wake.WaitForTurnEnd(key, 1);

        var arguments = JsonSerializer.Deserialize<List<string>>(await File.ReadAllTextAsync(file))!;
        Assert.Equal(asks, arguments.Contains("--permission-prompt-tool"));
        Assert.Equal(asks, arguments.Any(x => x.Contains("question-hook.sh")));
        Assert.Equal(profile == "instant", arguments.Any(x => x.Contains("\"OWN\":\"kept\"")));
        Assert.Equal(asks ? 1 : 0, arguments.Count(x => x == "--settings"));
    }

    [Fact]
    public async Task A_profile_may_ask_for_permissions_and_nothing_else()
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("args");
        var key = await wake.WatchingSession("reserved");
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), $"merged [[fake:args {file}]]"));
        await wake.WaitForTurnEnd(key, 1);

        var arguments = JsonSerializer.Deserialize<List<string>>(await File.ReadAllTextAsync(file))!;
        Assert.Contains("--permission-prompt-tool", arguments);
        Assert.Contains("--disallowedTools=AskUserQuestion", arguments);
    }

    Task<(string Key, Question Question)> Asks(string question, string profile = "default") =>
        Opens($"ask {question}", profile);

    Task<(string Key, Question Question)> Requests(string path, string profile) =>
        Opens($"needs-permission {path}", profile);

    async Task<(string Key, Question Question)> Opens(string order, string profile)
    {
        var key = await wake.WatchingSession(profile);
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), $"merged [[fake:{order}]]"));
        return (
            key,
            await Eventually.Sees(async () => (await Open()).FirstOrDefault(x => x.Session == key), $"{key} asks")
        );
    }

    async Task<IReadOnlyList<Question>> Open() =>
        (await wake.Http.GetFromJsonAsync<List<Question>>("/v1/questions?limit=1000"))!;

    async Task<Question> Find(Guid id) => (await wake.Http.GetFromJsonAsync<Question>($"/v1/questions/{id}"))!;

    Task<HttpResponseMessage> Answer(Question question, string answer) =>
        wake.Http.PostAsJsonAsync(
            $"/v1/questions/{question.Id}/answer",
            new { answers = new Dictionary<string, string> { [question.Questions[0].Question] = answer } }
        );

    // As whoever has asked for the whole.
    async Task<HttpResponseMessage> Allow(Question question) =>
        await Decide(question, new { allow = true, hash = (await Find(question.Id)).Permission!.Hash });

    Task<HttpResponseMessage> Decide(Question question, object decision) =>
        wake.Http.PostAsJsonAsync($"/v1/questions/{question.Id}/answer", decision);

    Task<long> Asked(string key) =>
        wake.Scalar<long>(
            "select count(*) from questions q join sessions s on s.id = q.session_id where s.key = $1",
            key
        );

    // All that stands in it.
    async Task<string> Transcript(string key)
    {
        return string.Join('\n', FakeTranscript.Of(wake, await wake.Show(key)).Rows.SelectMany(Texts));

        static IEnumerable<string> Texts(JsonElement json) =>
            json.ValueKind switch
            {
                JsonValueKind.String => [json.GetString()!],
                JsonValueKind.Array => json.EnumerateArray().SelectMany(Texts),
                JsonValueKind.Object => json.EnumerateObject().SelectMany(x => Texts(x.Value)),
                _ => [],
            };
    }
}
