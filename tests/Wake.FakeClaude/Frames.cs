using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>
/// The lines of stream-json as 2.1.329 prints them, with the fields a reader can use. Pure: what to say and when is
/// <see cref="Turn"/>'s and <see cref="Session"/>'s business.
/// </summary>
sealed class Frames(Arguments arguments, string version, string sessionId)
{
    public const string Rerun = "interrupted_turn";

    /// <summary>The id every line carries; only a misbehaving session shows another than its own.</summary>
    public string SessionId { get; set; } = sessionId;

    public JsonObject State(string state) => System("session_state_changed", new() { ["state"] = state });

    public JsonObject Lifecycle(string commandUuid, string state) =>
        Signed(
            new()
            {
                ["type"] = "command_lifecycle",
                ["command_uuid"] = commandUuid,
                ["state"] = state,
            }
        );

    public JsonObject Init(IReadOnlyList<string> messages)
    {
        var init = System(
            "init",
            new()
            {
                ["cwd"] = Environment.CurrentDirectory,
                ["tools"] = new JsonArray("AskUserQuestion", "Bash", "Edit", "Read", "Write"),
                ["mcp_servers"] = new JsonArray(),
                ["model"] = arguments.Model,
                ["permissionMode"] = arguments.PermissionMode,
                ["apiKeySource"] = "ANTHROPIC_API_KEY",
                ["claude_code_version"] = version,
                ["output_style"] = "default",
                ["capabilities"] = new JsonArray("interrupt_receipt_v1", "msg_lifecycle_v1"),
            }
        );

        if (messages.Count > 0)
            init["user_message_uuids"] = Uuids(messages);
        return init;
    }

    /// <summary>The echo of a message; only a message that is taken up has a timestamp.</summary>
    public JsonObject Replay(UserMessage message, bool takenUp)
    {
        var frame = User(message.Content, message.RowUuid);
        if (!takenUp)
            frame.Remove("timestamp");
        frame["isReplay"] = true;
        return frame;
    }

    public JsonObject User(JsonNode content, string uuid) =>
        new()
        {
            ["type"] = "user",
            ["message"] = new JsonObject { ["role"] = "user", ["content"] = content.DeepClone() },
            ["session_id"] = SessionId,
            ["parent_tool_use_id"] = null,
            ["uuid"] = uuid,
            ["timestamp"] = Clock.Now(),
        };

    public JsonObject Assistant(JsonObject message, string uuid) =>
        new()
        {
            ["type"] = "assistant",
            ["message"] = message.DeepClone(),
            ["parent_tool_use_id"] = null,
            ["session_id"] = SessionId,
            ["uuid"] = uuid,
            ["timestamp"] = Clock.Now(),
        };

    public JsonObject Retry(ApiFailure failure, int attempt, int retries) =>
        System(
            "api_retry",
            new()
            {
                ["attempt"] = attempt,
                ["max_retries"] = retries,
                ["retry_delay_ms"] = 500 * attempt,
                ["error_status"] = failure.Status,
                ["error"] = failure.RetryLabel,
            }
        );

    public JsonObject RateLimit(long resetsAt) =>
        Signed(
            new()
            {
                ["type"] = "rate_limit_event",
                ["rate_limit_info"] = new JsonObject
                {
                    ["status"] = "rejected",
                    ["resetsAt"] = resetsAt,
                    ["rateLimitType"] = "five_hour",
                    ["overageStatus"] = "rejected",
                    ["isUsingOverage"] = false,
                },
            }
        );

    public JsonObject System(string subtype, JsonObject more)
    {
        var frame = new JsonObject { ["type"] = "system", ["subtype"] = subtype };
        foreach (var (name, value) in more)
            frame[name] = value?.DeepClone();
        return Signed(frame);
    }

    /// <summary>`type` comes late in a real result line: nobody may recognise it by its beginning.</summary>
    public JsonObject Result(TurnReport report, double sessionCostUsd)
    {
        var (ending, requests) = report;
        var result = new JsonObject
        {
            ["duration_api_ms"] = 1,
            ["stop_reason"] = ending.StopReason,
            ["session_id"] = SessionId,
            ["total_cost_usd"] = sessionCostUsd,
            ["usage"] = TurnReport.Usage(requests),
            ["modelUsage"] = TurnReport.ModelUsage(arguments.Model, requests, sessionCostUsd),
            ["permission_denials"] = report.PermissionDenials.DeepClone(),
            ["terminal_reason"] = ending.TerminalReason,
            ["is_error"] = ending.IsError,
            ["num_turns"] = requests + ending.ExtraTurns,
            ["subtype"] = ending.Subtype,
        };
        foreach (var (name, value) in ending.Details())
            result[name] = value?.DeepClone();
        result["type"] = "result";
        result["duration_ms"] = 1;
        result["uuid"] = Guid.NewGuid().ToString();
        if (report.IsRerun)
            result["resume_reason"] = Rerun;
        if (report.Origin is not null)
            result["origin"] = report.Origin.DeepClone();
        result["model_usage_since_last_result"] = TurnReport.ModelUsage(arguments.Model, requests, report.CostUsd);
        return Credit(result, report.Messages);
    }

    /// <summary>The one line that means a session cannot be resumed.</summary>
    public JsonObject NotStarted(string error) =>
        new()
        {
            ["type"] = "result",
            ["subtype"] = "error_during_execution",
            ["duration_ms"] = 0,
            ["duration_api_ms"] = 0,
            ["is_error"] = true,
            ["num_turns"] = 0,
            ["stop_reason"] = null,
            ["session_id"] = SessionId,
            ["total_cost_usd"] = 0,
            ["usage"] = TurnReport.Usage(0),
            ["modelUsage"] = new JsonObject(),
            ["permission_denials"] = new JsonArray(),
            ["uuid"] = Guid.NewGuid().ToString(),
            ["errors"] = new JsonArray(error),
            ["result_index"] = 0,
        };

    /// <summary>Says which messages an assistant or result line belongs to; a turn nobody sent a message for says
    /// nothing.</summary>
    public static JsonObject Credit(JsonObject frame, IReadOnlyList<string> messages)
    {
        if (messages is [var first, ..])
        {
            frame["user_message_uuid"] = first;
            frame["user_message_uuids"] = Uuids(messages);
        }

        return frame;
    }

    static JsonArray Uuids(IEnumerable<string> messages) => [.. messages.Select(x => JsonValue.Create(x))];

    JsonObject Signed(JsonObject frame)
    {
        frame["uuid"] = Guid.NewGuid().ToString();
        frame["session_id"] = SessionId;
        return frame;
    }
}
