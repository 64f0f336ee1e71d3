using System.Text;
using Wake.Runner;
using Wake.Store;

namespace Wake.Tests.Running;

/// <summary>What the CLI's lines amount to. The lines are as the CLI prints them, shortened to the fields that
/// matter.</summary>
public sealed class ReadingTheCli
{
    static readonly Guid Session = Guid.Parse("b18d1bc9-0000-4000-8000-000000000001");
    static readonly Guid Message = Guid.Parse("9b14d2d1-0dbd-45e7-a083-389f2c1da3bb");

    static readonly string Init = $$"""{"type":"system","subtype":"init","session_id":"{{Session}}","tools":[]}""";
    static readonly string Echo =
        $$"""{"type":"user","isReplay":true,"message":{"role":"user","content":"x"},"uuid":"{{Message}}"}""";
    static readonly string Running = """{"type":"system","subtype":"session_state_changed","state":"running"}""";
    static readonly string Idle = """{"type":"system","subtype":"session_state_changed","state":"idle"}""";

    // Releases since 2.1.329 name the messages a result is about; earlier ones do not.
    static string Result(string fields, bool named = true) =>
        $$"""{"type":"result","session_id":"{{Session}}",{{(named ? $"\"user_message_uuids\":[\"{Message}\"]," : "")}}{{fields}}}""";

    const string Success =
        "\"subtype\":\"success\",\"is_error\":false,\"num_turns\":1,\"terminal_reason\":\"completed\",\"stop_reason\":\"end_turn\"";

    static ClaudeResult Read(
        IEnumerable<string> lines,
        int exit = 0,
        string stderr = "",
        StopReason stopped = StopReason.None
    ) => Feed(lines).Conclude(exit, stderr, stopped);

    static ClaudeOutput Feed(IEnumerable<string> lines)
    {
        var output = new ClaudeOutput(Session, Message);
        foreach (var line in lines)
            output.ParseLine(Encoding.UTF8.GetBytes(line));
        return output;
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_turn_that_ended_well(bool named) =>
        Assert.Equal(new ClaudeResult.Completed(0), Read([Running, Init, Echo, Result(Success, named), Idle]));

    [Fact]
    public void Denied_tool_calls_are_no_failure() =>
        Assert.Equal(
            new ClaudeResult.Completed(2),
            Read([Init, Echo, Result($"{Success},\"permission_denials\":[{{}},{{}}]"), Idle])
        );

    [Fact]
    public void A_message_an_earlier_run_had_finished_is_done() =>
        Assert.Equal(new ClaudeResult.Completed(0, AlreadyProcessed: true), Read([Echo, Idle]));

    [Fact]
    public void A_message_that_was_only_taken_up_is_not_done()
    {
        Assert.False(Feed([Running, Init, Echo]).HasOutcome);
        Assert.IsType<ClaudeResult.Crashed>(Read([Running, Init, Echo], exit: 137));
    }

    [Fact]
    public void The_result_of_another_message_is_not_ours()
    {
        var foreign =
            """{"type":"result","user_message_uuids":["00000000-0000-4000-8000-000000000000"],"subtype":"success","is_error":false}""";
        Assert.False(Feed([Init, foreign, Init, Echo]).HasOutcome);
        Assert.Equal(new ClaudeResult.Completed(0), Read([Init, foreign, Init, Echo, Result(Success), Idle]));
    }

    [Fact]
    public void The_result_of_a_turn_nobody_asked_for_is_not_ours()
    {
        var own = Result(Success);
        var selfStarted = Result(
            "\"subtype\":\"success\",\"is_error\":true,\"origin\":{\"kind\":\"task-notification\"}",
            named: false
        );
        Assert.Equal(new ClaudeResult.Completed(0), Read([Init, Echo, selfStarted, own, selfStarted, Idle]));
        Assert.False(Feed([Init, Echo, selfStarted]).HasOutcome);
    }

    [Fact]
    public void Only_the_exact_signal_means_that_a_session_cannot_be_resumed()
    {
        const string lost =
            """{"type":"result","subtype":"error_during_execution","is_error":true,"num_turns":0,"errors":["No conversation found with session ID: b18d"]}""";
        Assert.IsType<ClaudeResult.SessionLost>(
            Read([lost], exit: 1, stderr: "No conversation found with session ID: b18d")
        );

        Assert.IsNotType<ClaudeResult.SessionLost>(Read([Init, Echo, lost], exit: 1));
        Assert.IsNotType<ClaudeResult.SessionLost>(Read([lost.Replace("\"num_turns\":0", "\"num_turns\":1")], exit: 1));
        Assert.IsNotType<ClaudeResult.SessionLost>(Read([lost.Replace("No conversation found", "No idea")], exit: 1));
        Assert.IsNotType<ClaudeResult.SessionLost>(
            Read([], exit: 1, stderr: "No conversation found with session ID: b18d")
        );
    }

    [Fact]
    public void Another_session_than_the_one_asked_for_is_noticed_and_never_opened()
    {
        var output = Feed([Init.Replace(Session.ToString(), Guid.Empty.ToString())]);
        Assert.True(output.OpenedOtherSession);
        Assert.False(output.Opened);
    }

    [Fact]
    public void The_account_is_recognised_where_the_status_does_not_tell()
    {
        const string assistant =
            """{"type":"assistant","error":"authentication_failed","message":{"model":"<synthetic>"}}""";
        var failed = Result(
            "\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":null,\"result\":\"Not logged in · "
                + "Please run /login\""
        );
        Assert.IsType<ClaudeResult.CannotRun>(Read([Init, Echo, assistant, failed], exit: 1));

        var noCredit = Result(
            "\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":400,\"result\":\"Credit balance is too "
                + "low\""
        );
        Assert.IsType<ClaudeResult.AccountProblem>(
            Read([Init, Echo, assistant.Replace("authentication_failed", "billing_error"), noCredit], exit: 1)
        );
    }

    [Fact]
    public void A_usage_limit_says_until_when()
    {
        const string limit =
            """{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1795000000,"rateLimitType":"five_hour"}}""";
        var failed = Result("\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":429");
        Assert.Equal(
            new ClaudeResult.UsageLimited(DateTimeOffset.FromUnixTimeSeconds(1795000000)),
            Read([Init, Echo, limit, failed], exit: 1)
        );
    }

    [Fact]
    public void What_refuses_to_start_says_so_on_standard_error_alone()
    {
        Assert.Equal(
            new ClaudeResult.AlreadyBegun(),
            Read([], exit: 1, stderr: $"Error: Session ID {Session} is already in use.\n")
        );
        Assert.Equal(
            new ClaudeResult.Misconfigured("error: unknown option '--nonsense'"),
            Read([], exit: 1, stderr: "error: unknown option '--nonsense'\n")
        );
        Assert.IsType<ClaudeResult.Crashed>(Read([], exit: 0));
        Assert.IsType<ClaudeResult.Crashed>(Read([Init], exit: 1, stderr: "something"));
        Assert.IsType<ClaudeResult.Crashed>(Read([], exit: 137, stderr: "Killed"));
    }

    [Fact]
    public void What_was_stopped_for_its_silence_hung()
    {
        Assert.Equal(
            new ClaudeResult.Hung("it said nothing for too long"),
            Read([Init, Echo], stopped: StopReason.Idle)
        );
        Assert.Equal(
            new ClaudeResult.Hung("it took too long"),
            Read(
                [
                    Init,
                    Echo,
                    Result(
                        "\"subtype\":\"error_during_execution\",\"is_error\":true,\"terminal_reason\":\"aborted_tools\""
                    ),
                ],
                stopped: StopReason.Timeout
            )
        );
    }

    [Fact]
    public void A_turn_costs_its_own_part_where_the_total_counts_the_session()
    {
        const string session =
            "\"total_cost_usd\":0.004,\"model_usage_since_last_result\":{\"m\":{\"costUSD\":0.001},\"n\":{\"costUSD\":0.0005}}";
        Assert.Equal(0.0015m, Feed([Init, Echo, Result($"{Success},{session}")]).Cost.Usd);
        Assert.Equal(0.004m, Feed([Init, Echo, Result($"{Success},\"total_cost_usd\":0.004")]).Cost.Usd);
    }

    [Fact]
    public void A_turn_costs_what_its_session_spent_besides()
    {
        var part =
            "\"total_cost_usd\":9,\"model_usage_since_last_result\":{\"m\":{\"costUSD\":0.25,\"inputTokens\":1,\"outputTokens\":2,\"cacheReadInputTokens\":3,\"cacheCreationInputTokens\":4}}";
        var selfStarted = Result($"{Success},{part},\"origin\":{{\"kind\":\"task-notification\"}}", named: false);

        var cost = Feed([Init, Echo, selfStarted, Result($"{Success},{part}"), Idle]).Cost;

        Assert.Equal((0.5m, new TokenUsage(2, 4, 6, 8)), (cost.Usd, cost.Tokens));
    }

    [Theory]
    [InlineData("\"total_cost_usd\":-5")]
    [InlineData("\"total_cost_usd\":1e27,\"modelUsage\":{\"m\":{\"inputTokens\":-1,\"outputTokens\":1e30}}")]
    [InlineData("\"model_usage_since_last_result\":{\"m\":{\"costUSD\":7e27},\"n\":{\"costUSD\":7e27},\"o\":5}")]
    [InlineData(
        "\"api_error_status\":1e20,\"num_turns\":1e20,\"permission_denials\":{},\"errors\":[5],\"model_usage_since_last_result\":[]"
    )]
    [InlineData("\"result\":\"half an emoji \\ud83d\"")]
    public void Nonsense_in_a_result_is_worth_nothing_and_hurts_nothing(string fields)
    {
        var output = Feed([
            Init,
            Echo,
            Result($"{fields},\"subtype\":\"success\",\"is_error\":false,\"terminal_reason\":\"completed\""),
        ]);

        Assert.Equal(new ClaudeResult.Completed(0), output.Conclude(0, "", StopReason.None));
        Assert.Equal(default, output.Cost);
    }

    [Fact]
    public void A_result_with_broken_characters_is_a_result()
    {
        var output = new ClaudeOutput(Session, Message);
        foreach (var line in new[] { Init, Echo, Result($"{Success},\"result\":\"broken \u00ff\"") })
            output.ParseLine(Encoding.Latin1.GetBytes(line));

        Assert.Equal(new ClaudeResult.Completed(0), output.Conclude(0, "", StopReason.None));
    }

    [Fact]
    public void What_a_note_says_of_a_result_is_short()
    {
        var failed = Result(
            "\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":401,"
                + $"\"result\":\"{new string('x', 1_000_000)}\""
        );

        Assert.True(Assert.IsType<ClaudeResult.AccountProblem>(Read([Init, Echo, failed])).What.Length < 500);
    }

    [Fact]
    public void What_a_note_says_of_a_result_is_without_secrets()
    {
        var output = new ClaudeOutput(Session, Message)
        {
            Environment = new Dictionary<string, string> { ["GATEWAY_TOKEN"] = "of-no-known-shape" },
        };
        foreach (
            var line in new[]
            {
                Init,
                Echo,
                Result(
                    "\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":401,"
                        + "\"result\":\"bad key sk-ant-api03-AAAABBBBCCCC, of-no-known-shape, at "
                        + "https://u:hunter2@llm/v1\""
                ),
            }
        )
            output.ParseLine(Encoding.UTF8.GetBytes(line));

        Assert.Equal(
            new ClaudeResult.AccountProblem("bad key [redacted], [redacted], at https://u:[redacted]@llm/v1"),
            output.Conclude(1, "", StopReason.None)
        );
    }

    [Fact]
    public void What_the_api_wants_waited_for_longer_than_the_cli_waits_is_told_apart()
    {
        const string retry = """{"type":"system","subtype":"api_retry","attempt":1,"error_status":429}""";
        var failed = Result("\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":429");

        Assert.Equal(new ClaudeResult.ApiUnavailable(429, GaveUpAtOnce: true), Read([Init, Echo, failed], exit: 1));
        Assert.Equal(
            new ClaudeResult.ApiUnavailable(429, GaveUpAtOnce: false),
            Read([Init, Echo, retry, failed], exit: 1)
        );
    }
}
