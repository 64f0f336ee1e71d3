using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Wake.Runner;

namespace Wake.Tests.Running;

/// <summary>What the CLI's lines amount to. The lines are as the CLI prints them, shortened to the fields that matter.</summary>
public sealed class ReadingTheCli
{
    static readonly Guid Session = Guid.Parse("b18d1bc9-0000-4000-8000-000000000001");
    static readonly Guid Message = Guid.Parse("9b14d2d1-0dbd-45e7-a083-389f2c1da3bb");

    static readonly string Init = $$"""{"type":"system","subtype":"init","session_id":"{{Session}}","tools":[]}""";
    static readonly string Echo = $$"""{"type":"user","isReplay":true,"message":{"role":"user","content":"x"},"uuid":"{{Message}}"}""";
    static readonly string Running = """{"type":"system","subtype":"session_state_changed","state":"running"}""";
    static readonly string Idle = """{"type":"system","subtype":"session_state_changed","state":"idle"}""";

    // Releases since 2.1.329 name the messages a result is about; earlier ones do not.
    static string Result(string fields, bool named = true) =>
        $$"""{"type":"result","session_id":"{{Session}}",{{(named ? $"\"user_message_uuids\":[\"{Message}\"]," : "")}}{{fields}}}""";

    const string Success = "\"subtype\":\"success\",\"is_error\":false,\"num_turns\":1,\"terminal_reason\":\"completed\",\"stop_reason\":\"end_turn\"";

    static ClaudeResult Read(IEnumerable<string> lines, int exit = 0, string stderr = "", StopReason stopped = StopReason.None) =>
        Feed(lines).Conclude(exit, stderr, stopped);

    static ClaudeOutput Feed(IEnumerable<string> lines)
    {
        var output = new ClaudeOutput(Session, Message);
        foreach (var line in lines)
            output.Line(Encoding.UTF8.GetBytes(line));
        return output;
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_turn_that_ended_well(bool named) =>
        Assert.Equal(new ClaudeResult.Completed(0), Read([Running, Init, Echo, Result(Success, named), Idle]));

    [Fact]
    public void Denied_tool_calls_are_no_failure() =>
        Assert.Equal(new ClaudeResult.Completed(2), Read([Init, Echo, Result($"{Success},\"permission_denials\":[{{}},{{}}]"), Idle]));

    [Fact]
    public void A_message_an_earlier_run_had_finished_is_done() =>
        Assert.Equal(new ClaudeResult.Completed(0, Already: true), Read([Echo, Idle]));

    [Fact]
    public void A_message_that_was_only_taken_up_is_not_done()
    {
        Assert.False(Feed([Running, Init, Echo]).Done);
        Assert.IsType<ClaudeResult.Crashed>(Read([Running, Init, Echo], exit: 137));
    }

    [Fact]
    public void The_result_of_another_message_is_not_ours()
    {
        var foreign = """{"type":"result","user_message_uuids":["00000000-0000-4000-8000-000000000000"],"subtype":"success","is_error":false}""";
        Assert.False(Feed([Init, foreign, Init, Echo]).Done);
        Assert.Equal(new ClaudeResult.Completed(0), Read([Init, foreign, Init, Echo, Result(Success), Idle]));
    }

    [Fact]
    public void The_result_of_a_turn_nobody_asked_for_is_not_ours()
    {
        var own = Result(Success);
        var selfStarted = Result("\"subtype\":\"success\",\"is_error\":true,\"origin\":{\"kind\":\"task-notification\"}", named: false);
        Assert.Equal(new ClaudeResult.Completed(0), Read([Init, Echo, selfStarted, own, selfStarted, Idle]));
        Assert.False(Feed([Init, Echo, selfStarted]).Done);
    }

    [Fact]
    public void Only_the_exact_signal_means_that_a_session_cannot_be_resumed()
    {
        const string lost = """{"type":"result","subtype":"error_during_execution","is_error":true,"num_turns":0,"errors":["No conversation found with session ID: b18d"]}""";
        Assert.IsType<ClaudeResult.SessionLost>(Read([lost], exit: 1, stderr: "No conversation found with session ID: b18d"));

        Assert.IsNotType<ClaudeResult.SessionLost>(Read([Init, Echo, lost], exit: 1));
        Assert.IsNotType<ClaudeResult.SessionLost>(Read([lost.Replace("\"num_turns\":0", "\"num_turns\":1")], exit: 1));
        Assert.IsNotType<ClaudeResult.SessionLost>(Read([lost.Replace("No conversation found", "No idea")], exit: 1));
        Assert.IsNotType<ClaudeResult.SessionLost>(Read([], exit: 1, stderr: "No conversation found with session ID: b18d"));
    }

    [Fact]
    public void Another_session_than_the_one_asked_for_is_noticed_and_never_opened()
    {
        var output = Feed([Init.Replace(Session.ToString(), Guid.Empty.ToString())]);
        Assert.True(output.OpenedAnother);
        Assert.False(output.Opened);
    }

    public static TheoryData<string, string> Failures => new()
    {
        { "\"api_error_status\":529,\"terminal_reason\":\"api_error\"", nameof(ClaudeResult.ApiUnavailable) },
        { "\"api_error_status\":500", nameof(ClaudeResult.ApiUnavailable) },
        { "\"api_error_status\":429", nameof(ClaudeResult.ApiUnavailable) },
        { "\"api_error_status\":null,\"result\":\"Request timed out\"", nameof(ClaudeResult.ApiUnavailable) },
        { "\"api_error_status\":401", nameof(ClaudeResult.AccountProblem) },
        { "\"api_error_status\":403", nameof(ClaudeResult.AccountProblem) },
        { "\"api_error_status\":404", nameof(ClaudeResult.Misconfigured) },
        { "\"api_error_status\":400,\"terminal_reason\":\"prompt_too_long\"", nameof(ClaudeResult.Poisoned) },
        { "\"api_error_status\":413,\"terminal_reason\":\"image_error\"", nameof(ClaudeResult.Poisoned) },
        { "\"api_error_status\":400", nameof(ClaudeResult.Poisoned) },
        { "\"stop_reason\":\"refusal\"", nameof(ClaudeResult.Refused) },
        { "\"terminal_reason\":\"stop_hook_prevented\"", nameof(ClaudeResult.Refused) },
        { "\"terminal_reason\":\"aborted_streaming\"", nameof(ClaudeResult.Interrupted) },
        { "\"terminal_reason\":\"aborted_tools\"", nameof(ClaudeResult.Interrupted) },
    };

    [Theory]
    [MemberData(nameof(Failures))]
    public void A_failing_result_is_of_one_kind(string fields, string kind) =>
        Assert.Equal(kind, Read([Init, Echo, Result($"\"subtype\":\"success\",\"is_error\":true,{fields}"), Idle], exit: 1).GetType().Name);

    [Fact]
    public void Limits_of_the_profile_are_no_failure()
    {
        Assert.IsType<ClaudeResult.LimitReached>(Read([Init, Echo, Result("\"subtype\":\"error_max_turns\",\"is_error\":true,\"errors\":[\"Reached maximum number of turns (1)\"]")], exit: 1));
        Assert.IsType<ClaudeResult.LimitReached>(Read([Init, Echo, Result("\"subtype\":\"error_max_budget_usd\",\"is_error\":true")], exit: 1));
    }

    [Fact]
    public void The_account_is_recognised_where_the_status_does_not_tell()
    {
        const string assistant = """{"type":"assistant","error":"authentication_failed","message":{"model":"<synthetic>"}}""";
        var failed = Result("\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":null,\"result\":\"Not logged in · Please run /login\"");
        Assert.IsType<ClaudeResult.AccountProblem>(Read([Init, Echo, assistant, failed], exit: 1));
    }

    [Fact]
    public void A_usage_limit_says_until_when()
    {
        const string limit = """{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1795000000,"rateLimitType":"five_hour"}}""";
        var failed = Result("\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":429");
        Assert.Equal(new ClaudeResult.UsageLimited(DateTimeOffset.FromUnixTimeSeconds(1795000000)), Read([Init, Echo, limit, failed], exit: 1));
    }

    [Fact]
    public void What_refuses_to_start_says_so_on_standard_error_alone()
    {
        Assert.Equal(new ClaudeResult.AlreadyBegun(), Read([], exit: 1, stderr: $"Error: Session ID {Session} is already in use.\n"));
        Assert.Equal(new ClaudeResult.Misconfigured("error: unknown option '--nonsense'"), Read([], exit: 1, stderr: "error: unknown option '--nonsense'\n"));
        Assert.IsType<ClaudeResult.Crashed>(Read([], exit: 0));
        Assert.IsType<ClaudeResult.Crashed>(Read([Init], exit: 1, stderr: "something"));
        Assert.IsType<ClaudeResult.Crashed>(Read([], exit: 137, stderr: "Killed"));
    }

    [Fact]
    public void What_was_stopped_for_its_silence_hung()
    {
        Assert.Equal(new ClaudeResult.Hung("it said nothing for too long", Acknowledged: false), Read([Init, Echo], stopped: StopReason.Idle));
        Assert.Equal(new ClaudeResult.Hung("it took too long", Acknowledged: true),
            Read([Init, Echo, Result("\"subtype\":\"error_during_execution\",\"is_error\":true,\"terminal_reason\":\"aborted_tools\"")], stopped: StopReason.Timeout));
    }

    [Fact]
    public void A_turn_costs_its_own_part_where_the_total_counts_the_session()
    {
        const string session = "\"total_cost_usd\":0.004,\"model_usage_since_last_result\":{\"m\":{\"costUSD\":0.001},\"n\":{\"costUSD\":0.0005}}";
        Assert.Equal(0.0015m, Feed([Init, Echo, Result($"{Success},{session}")]).CostUsd);
        Assert.Equal(0.004m, Feed([Init, Echo, Result($"{Success},\"total_cost_usd\":0.004")]).CostUsd);
    }

    [Fact]
    public void Lines_of_any_content_leave_the_facts_alone()
    {
        string[] turn = [Running, Init, Echo, Result(Success), Idle];
        var noise = Gen.OneOf(
            Gen.Constant("{\"type\":\"system\",\"subtype\":\"something_new\"}"), Gen.Constant("{\"type\":42}"), Gen.Constant("[]"), Gen.Constant("null"),
            Gen.Constant("{\"type\":\"result\""), Gen.Constant(""), Gen.Constant("{\"type\":\"user\",\"isReplay\":true,\"uuid\":\"another\"}"),
            Gen.Constant("{\"type\":\"control_request\",\"request\":{}}"), Gen.Constant("{\"type\":\"rate_limit_event\",\"rate_limit_info\":{\"status\":\"allowed\",\"resetsAt\":1e99}}"),
            ArbMap.Default.GeneratorFor<string>().Select(x => x?.Replace("\n", " ") ?? ""));

        Check.QuickThrowOnFailure(Prop.ForAll(noise.ListOf().ToArbitrary(), lines =>
        {
            List<string> mixed = [];
            foreach (var line in turn)
            {
                mixed.AddRange(lines);
                mixed.Add(line);
            }

            return Read(mixed) is ClaudeResult.Completed { Denied: 0, Already: false };
        }));
    }

    [Fact]
    public async Task Bytes_cut_anywhere_are_the_same_lines()
    {
        var lines = Gen.Elements("", "a", "ü🚀", new string('x', 3000), "{\"type\":\"result\"}", "\r").ListOf().ToArbitrary();
        var cuts = Gen.Choose(1, 700).NonEmptyListOf().ToArbitrary();

        await Task.Run(() => Check.QuickThrowOnFailure(Prop.ForAll(lines, cuts, (all, sizes) =>
        {
            var read = ReadAll(Encoding.UTF8.GetBytes(string.Concat(all.Select(x => x + "\n"))), [.. sizes], OutputLines.DefaultLimit).GetAwaiter().GetResult();
            return read.SequenceEqual(all);
        })));
    }

    [Fact]
    public async Task A_line_of_twenty_megabytes_is_one_line()
    {
        var long_ = new string('x', 20_000_000);
        Assert.Equal(["before", long_, "after"], await ReadAll(Encoding.UTF8.GetBytes($"before\n{long_}\nafter"), [1_000_000], OutputLines.DefaultLimit));
    }

    [Fact]
    public async Task A_line_beyond_the_limit_is_skipped_and_the_next_is_read()
    {
        var text = Encoding.UTF8.GetBytes($"before\n{new string('x', 5_000_000)}\nafter\n{new string('y', 5_000_000)}");
        Assert.Equal(["before", "after"], await ReadAll(text, [10_000], limit: 1_000_000));
    }

    static async Task<List<string>> ReadAll(byte[] bytes, int[] sizes, int limit)
    {
        var lines = new OutputLines(new Dripping(bytes, sizes), limit);
        List<string> read = [];
        while (await lines.Next(CancellationToken.None) is { } line)
            read.Add(Encoding.UTF8.GetString(line.Span));
        return read;
    }

    /// <summary>A stream that gives as much at a time as it is told.</summary>
    sealed class Dripping(byte[] bytes, int[] sizes) : MemoryStream(bytes)
    {
        int reads;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, sizes[reads++ % sizes.Length])], cancellationToken);
    }
}
