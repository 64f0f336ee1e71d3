using System.Net.Http.Json;
using System.Text.Json;
using Wake.Contracts;
using Wake.Contracts.Http;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>What a runner makes of a CLI that misbehaves. The session is kept unless it is certain that it cannot be
/// resumed.</summary>
[Trait("Starts", "processes")]
public sealed class RunningATurn(StandaloneSystem shared) : IClassFixture<StandaloneSystem>
{
    readonly WakeSystem wake = shared.System;

    [Fact]
    public async Task A_session_the_cli_does_not_know_is_replaced_once_and_the_reason_recorded()
    {
        var unknown = Guid.NewGuid();
        var key = await wake.WatchingSession(claudeSession: unknown);

        var turn = await Wakes(key, "merged");

        Assert.Equal(TurnOutcome.Completed, turn.Outcome);
        var explanation = await wake.Explain(key);
        Assert.Equal(
            [(unknown, "registered", null), (turn.ClaudeSessionId!.Value, "the one before it could not be resumed", 1)],
            explanation.ClaudeSessions.Select(x => (x.Id, x.Reason, x.Wake))
        );
        Assert.Contains(
            "without the memory of an earlier one",
            Assert.Single(FakeTranscript.Of(wake, await wake.Show(key)).UserMessages)
        );

        // From then on it is this one's memory that counts.
        await Wakes(key, "deployed", wakeNumber: 2);
        Assert.Equal(2, (await wake.Show(key)).ClaudeSessionIds.Count);
    }

    [Theory]
    [InlineData("api-error 500")]
    [InlineData("api-error 503")]
    [InlineData("api-error 529")]
    [InlineData("api-error 429 2")]
    [InlineData("api-error refused")]
    [InlineData("api-error reset")]
    [InlineData("api-error timeout 4")]
    public async Task A_failing_api_is_tried_again_in_the_same_session(string failure)
    {
        var key = await wake.WatchingSession();
        await Wakes(key, "before");

        // Only the first start of the CLI fails: the attempts after a failure have a message of their own.
        await File.WriteAllTextAsync(
            Path.Combine(wake.ClaudeConfig, "fake-claude.json"),
            JsonSerializer.Serialize(new { verbs = new[] { failure } })
        );
        var turn = await Wakes(key, "merged", wakeNumber: 2);

        Assert.Equal((TurnOutcome.Completed, 2), (turn.Outcome, turn.Attempt));
        var session = await wake.Show(key);
        Assert.Single(session.ClaudeSessionIds);
        Assert.Contains("You were told of this before", FakeTranscript.Of(wake, session).UserMessages[^1]);
    }

    [Theory]
    [InlineData("crash-mid-line")]
    [InlineData("kill-self SEGV")]
    [InlineData("kill-self TERM")]
    [InlineData("exit0-no-result")]
    [InlineData("exit 3")]
    public async Task What_passes_is_tried_again_in_the_same_session_under_the_same_message(string failure)
    {
        var key = await wake.WatchingSession();
        await Wakes(key, "before");

        var turn = await Wakes(key, $"merged [[fake:first {failure}]]", wakeNumber: 2);

        Assert.Equal((TurnOutcome.Completed, 2), (turn.Outcome, turn.Attempt));
        var session = await wake.Show(key);
        Assert.Single(session.ClaudeSessionIds);
        Assert.Equal(2, FakeTranscript.Of(wake, session).UserMessages.Count);
    }

    [Theory]
    [InlineData("auth-error", "account")]
    [InlineData("api-error 403", "account")]
    [InlineData("credit-low", "account")]
    [InlineData("api-error 404", "cannot run this way")]
    [InlineData("api-error 400", "refuses")]
    public async Task What_does_not_pass_is_parked_until_a_person_wakes_the_session(string failure, string note)
    {
        var key = await wake.WatchingSession();
        await File.WriteAllTextAsync(
            Path.Combine(wake.ClaudeConfig, "fake-claude.json"),
            JsonSerializer.Serialize(new { verbs = new[] { failure } })
        );
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged"));

        var parked = await wake.WaitForState(key, SessionState.Parked);
        Assert.Contains(note, parked.LastTurn!.Note);
        Assert.Single(parked.ClaudeSessionIds);

        // Events go on collecting and start nothing.
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "deployed"));
        await wake.WaitUntilIdle();
        Assert.Equal(SessionState.Parked, (await wake.Show(key)).State);

        await wake.Wake(key, "mended");
        await wake.WaitForTurnEnd(key, 1);
        var next = await wake.WaitForTurnEnd(key, 2);
        Assert.Equal("deployed", next.Reasons[0]);
        Assert.Single((await wake.Show(key)).ClaudeSessionIds);
    }

    [Theory]
    [InlineData("prompt-too-long")]
    [InlineData("image-error")]
    public async Task A_session_too_large_for_the_api_is_replaced_once_and_the_reason_recorded(string failure)
    {
        var key = await wake.WatchingSession();
        var large = (await Wakes(key, "before")).ClaudeSessionId;
        await File.WriteAllTextAsync(
            Path.Combine(wake.ClaudeConfig, "fake-claude.json"),
            JsonSerializer.Serialize(new { verbs = new[] { failure } })
        );

        var turn = await Wakes(key, "merged", wakeNumber: 2);

        Assert.Equal((TurnOutcome.Completed, 1), (turn.Outcome, turn.Attempt));
        Assert.Equal(
            [(large!.Value, "first"), (turn.ClaudeSessionId!.Value, "the one before it grew too large for the API")],
            (await wake.Explain(key)).ClaudeSessions.Select(x => (x.Id, x.Reason))
        );
        Assert.Contains(
            "without the memory of an earlier one",
            FakeTranscript.Of(wake, await wake.Show(key)).UserMessages[0]
        );
    }

    [Fact]
    public async Task What_is_too_large_in_a_fresh_session_as_well_is_parked()
    {
        var key = await wake.WatchingSession();
        await Wakes(key, "before");
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged [[fake:prompt-too-long]]"));

        var parked = await wake.WaitForState(key, SessionState.Parked);

        Assert.Equal(2, parked.ClaudeSessionIds.Count);
        Assert.Contains("has begun one already", parked.LastTurn!.Note);
    }

    [Fact]
    public async Task A_profile_that_cannot_be_run_parks_its_session_and_the_runner_works_on()
    {
        var key = await wake.WatchingSession("nonsense");
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged"));

        Assert.Contains("unknown option", (await wake.WaitForState(key, SessionState.Parked)).LastTurn!.Note);
        Assert.Equal(TurnOutcome.Completed, (await Wakes(await wake.WatchingSession(), "merged")).Outcome);
    }

    [Fact]
    public async Task A_person_who_has_mended_it_gets_the_turn_run_however_often_it_failed_before()
    {
        var key = await wake.WatchingSession();
        await File.WriteAllTextAsync(
            Path.Combine(wake.ClaudeConfig, "fake-claude.json"),
            """{"verbs":["api-error 500"],"times":3}"""
        );
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged"));
        await wake.WaitForState(key, SessionState.Parked);

        await wake.Wake(key, "mended");

        Assert.Equal(
            (TurnOutcome.Completed, 4),
            ((await wake.WaitForTurnEnd(key, 1)).Outcome, (await wake.WaitForTurnEnd(key, 1)).Attempt)
        );
    }

    [Fact]
    public async Task What_fails_again_and_again_is_parked_and_a_person_gets_one_more_attempt_each_time()
    {
        var key = await wake.WatchingSession();
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged [[fake:api-error 500]]"));

        var parked = (await wake.WaitForState(key, SessionState.Parked)).LastTurn!;
        Assert.Equal(3, parked.Attempt);
        Assert.Contains("3 times in a row", parked.Note);

        await wake.Wake(key, "try again");
        await Eventually.Holds(async () => (await wake.Show(key)).LastTurn!.Attempt == 4);
        await wake.WaitForState(key, SessionState.Parked);
        await wake.WaitUntilIdle();
        Assert.Equal(4, (await wake.Show(key)).LastTurn!.Attempt);
    }

    [Fact]
    public async Task What_a_person_had_to_mend_is_no_attempt_in_vain()
    {
        var key = await wake.WatchingSession();
        var orders = Path.Combine(wake.ClaudeConfig, "fake-claude.json");
        await File.WriteAllTextAsync(orders, """{"verbs":["auth-error 0"]}""");
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged"));
        await wake.WaitForState(key, SessionState.Parked);

        await File.WriteAllTextAsync(orders, """{"verbs":["api-error 500"],"times":2}""");
        await wake.Wake(key, "mended");

        Assert.Equal(4, (await wake.WaitForTurnEnd(key, 1)).Attempt);
        await wake.WaitUntilIdle();
    }

    [Fact]
    public async Task Files_that_cannot_be_used_are_tried_again_and_then_wait_for_a_person()
    {
        var key = await wake.WatchingSession();
        await Wakes(key, "opened");
        var id = (await wake.Show(key)).ClaudeSessionIds[^1];
        var folder = Path.GetDirectoryName(
            Directory.EnumerateFiles(wake.ClaudeConfig, $"{id}.jsonl", SearchOption.AllDirectories).Single()
        )!;
        Directory.Delete(folder, recursive: true);
        await File.WriteAllTextAsync(folder, "");

        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged"));

        var parked = (await wake.WaitForState(key, SessionState.Parked)).LastTurn!;
        Assert.Equal(3, parked.Attempt);
        Assert.Contains(
            $"its files cannot be used there: The file '{folder}' already exists., 3 times in a row",
            parked.Note
        );

        File.Delete(folder);
        await wake.Wake(key, "mended");
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 2)).Outcome);
        Assert.Single((await wake.Show(key)).ClaudeSessionIds);
        await wake.WaitUntilIdle();
    }

    [Fact]
    public async Task A_usage_limit_parks_the_turn_until_it_resets()
    {
        var key = await wake.WatchingSession();
        var resets = DateTimeOffset.UtcNow.AddSeconds(3).ToUnixTimeSeconds();

        await File.WriteAllTextAsync(
            Path.Combine(wake.ClaudeConfig, "fake-claude.json"),
            $$"""{"verbs":["usage-limit {{resets}}"]}"""
        );
        var turn = await Wakes(key, "merged");

        Assert.Equal(2, turn.Attempt);
        Assert.True(turn.EndedAt >= DateTimeOffset.FromUnixTimeSeconds(resets));
        Assert.Contains((await wake.Explain(key)).Ledger, x => x.What == "parked" && x.Note!.Contains("usage limit"));
    }

    [Theory]
    [InlineData("max-turns")]
    [InlineData("max-budget")]
    public async Task A_limit_of_the_profile_ends_the_turn(string limit)
    {
        var turn = await Wakes(await wake.WatchingSession(), $"merged [[fake:{limit}]]");

        Assert.Equal((TurnOutcome.LimitReached, 1), (turn.Outcome, turn.Attempt));
    }

    [Fact]
    public async Task A_refusal_ends_the_turn() =>
        Assert.Equal(
            TurnOutcome.Refused,
            (await Wakes(await wake.WatchingSession(), "merged [[fake:refusal]]")).Outcome
        );

    [Theory]
    [InlineData("permission-denied", "1 tool calls were denied")]
    [InlineData("two-results", null)]
    [InlineData("two-results before", null)]
    [InlineData("foreign-turn", null)]
    [InlineData("foreign-turn-first", null)]
    [InlineData("result-then-output", null)]
    [InlineData("no-newline-at-end", null)]
    [InlineData("split-writes", null)]
    [InlineData("invalid-utf8", null)]
    [InlineData("unknown-frames", null)]
    [InlineData("stderr-flood 5000000", null)]
    [InlineData("long-line 20000000", null)]
    public async Task Odd_output_is_no_failure(string oddity, string? note)
    {
        var turn = await Wakes(await wake.WatchingSession(), $"merged [[fake:{oddity}]]");

        Assert.Equal((TurnOutcome.Completed, 1, note), (turn.Outcome, turn.Attempt, turn.Note));
    }

    [Fact]
    public async Task The_cost_of_a_turn_is_its_own()
    {
        var key = await wake.WatchingSession();

        var turn = await Wakes(key, "merged [[fake:cost 0.25]]");
        Assert.Equal((0.25m, new TokenUsage(10, 12, 0, 0)), (turn.CostUsd, turn.Tokens));
        Assert.Equal(0.5m, (await Wakes(key, "deployed [[fake:cost 0.5]]", wakeNumber: 2)).CostUsd);

        var session = await wake.Show(key);
        Assert.Equal((0.75m, 0.75m), (session.CostUsd, session.CostTodayUsd));
        var today = (await wake.Http.GetFromJsonAsync<List<DayCost>>("/v1/costs"))![0];
        Assert.InRange(today.CostUsd, 0.75m, 100);
        Assert.InRange(today.Tokens.Output, 24, 100_000);
    }

    [Fact]
    public async Task The_cli_gets_the_environment_it_needs_and_nothing_else_of_the_runner()
    {
        using var folder = new TemporaryFolder();
        await Wakes(await wake.WatchingSession(), $"merged [[fake:env {folder.File("env")}]]");

        var environment = JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllText(folder.File("env")))!;
        Assert.DoesNotContain(environment, x => x.Key.Contains("__", StringComparison.Ordinal));
        Assert.DoesNotContain(environment.Values, x => x.Contains("Password", StringComparison.OrdinalIgnoreCase));
        Assert.DoesNotContain("CLAUDE_CODE_RESUME_INTERRUPTED_TURN", environment.Keys);
        Assert.Equal("1", environment["CLAUDE_CODE_RESUME_SHOWS_CUT_OFF_CALLS"]);
        Assert.Equal("1", environment["CLAUDE_CODE_EAGER_FLUSH"]);
        Assert.Equal("1", environment["DISABLE_AUTOUPDATER"]);
        Assert.Equal(wake.ClaudeConfig, environment["CLAUDE_CONFIG_DIR"]);
    }

    [Fact]
    public async Task Nothing_of_an_event_reaches_the_command_line()
    {
        using var folder = new TemporaryFolder();
        var hostile =
            $"--dangerously-skip-permissions '; touch {folder.File("executed")}; ' $(touch {folder.File("executed")})";

        await Wakes(await wake.WatchingSession(), $"{hostile} [[fake:args {folder.File("args")}]]");

        var arguments = JsonSerializer.Deserialize<string[]>(File.ReadAllText(folder.File("args")))!;
        Assert.DoesNotContain(arguments, x => x.Contains("dangerously") || x.Contains("touch"));
        Assert.False(File.Exists(folder.File("executed")));
        Assert.Equal(["--setting-sources", "user"], arguments.SkipWhile(x => x != "--setting-sources").Take(2));
    }

    [Fact]
    public async Task A_missing_workspace_parks_the_turn_and_runs_it_nowhere_else()
    {
        var key = await wake.Session(workspace: $"/nowhere/{Guid.NewGuid()}");

        await wake.Wake(key, "merged");

        Assert.Contains("does not exist", (await wake.WaitForState(key, SessionState.Parked)).LastTurn!.Note);
    }

    [Fact]
    public async Task Another_session_id_in_the_answer_is_never_adopted()
    {
        var key = await wake.WatchingSession();
        var before = (await Wakes(key, "before")).ClaudeSessionId;

        await Wakes(key, $"merged [[fake:wrong-init-id {Guid.NewGuid()}]]", wakeNumber: 2);

        Assert.Equal([before!.Value], (await wake.Show(key)).ClaudeSessionIds);
    }

    async Task<Turn> Wakes(string key, string reason, int wakeNumber = 1)
    {
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), reason));
        return await wake.WaitForTurnEnd(key, wakeNumber);
    }
}
