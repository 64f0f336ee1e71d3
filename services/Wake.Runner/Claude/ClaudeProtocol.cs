using System.Text.Json;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// The stream-json that the CLI speaks over its pipes (<c>--input-format</c> and <c>--output-format stream-json</c>):
/// the names of its frames, and the lines that a host writes. What the CLI's own lines amount to is
/// <see cref="ClaudeOutput"/>'s.
/// </summary>
static class ClaudeProtocol
{
    /// <summary>The tool by which the model asks a person.</summary>
    public const string QuestionTool = QuestionItem.ToolName;

    /// <summary>The tool that runs a command. Its call has a <c>description</c> for people.</summary>
    public const string ShellTool = "Bash";

    /// <summary>What a frame is, in its field <c>type</c>.</summary>
    public static class Frame
    {
        public const string System = "system",
            User = "user",
            Assistant = "assistant",
            Result = "result",
            RateLimit = "rate_limit_event",
            ControlRequest = "control_request",
            ControlResponse = "control_response";
    }

    /// <summary>What a frame or a request is about, in its field <c>subtype</c>.</summary>
    public static class Subtype
    {
        public const string Init = "init",
            StateChanged = "session_state_changed",
            ApiRetry = "api_retry",
            Interrupt = "interrupt",
            GetUsage = "get_usage",
            CanUseTool = "can_use_tool",
            Success = "success",
            Error = "error";
    }

    /// <summary>The id of the request by which the CLI is asked what it has spent.</summary>
    public const string UsageRequestId = "wake-usage";

    const string InterruptRequestId = "wake-interrupt";

    /// <summary>A message to the model.</summary>
    public static byte[] UserMessageLine(string prompt, Guid messageId) =>
        Line(
            new
            {
                type = Frame.User,
                message = new { role = "user", content = prompt },
                uuid = messageId,
            }
        );

    /// <summary>
    /// Tells the model within its turn that the time for it is nearly over. The CLI puts it beside the next result of a
    /// tool, where it gives no turn and no result of its own (2.1.197, 2.1.329).
    /// </summary>
    public static byte[] TimeoutNoticeLine(TimeSpan left)
    {
        var time = left < TimeSpan.FromMinutes(2) ? $"{left.TotalSeconds:0} seconds" : $"{left.TotalMinutes:0} minutes";
        return Line(
            new
            {
                type = Frame.User,
                message = new
                {
                    role = "user",
                    content = $"Wake: the time for this turn is over in {time}. "
                        + "It is interrupted then. Save your work now, note what is left to do, and end your turn.",
                },
                uuid = Guid.NewGuid(),
                priority = "next",
            }
        );
    }

    /// <summary>Asks the CLI to stop what it is doing and to say so.</summary>
    public static byte[] InterruptLine() => RequestLine(InterruptRequestId, Subtype.Interrupt);

    /// <summary>Asks the CLI what it has spent so far, which is then a <see cref="ClaudeOutput.Cost"/>.</summary>
    public static byte[] UsageRequestLine() => RequestLine(UsageRequestId, Subtype.GetUsage);

    /// <summary>Answers a <see cref="ControlRequest"/>.</summary>
    public static byte[] ResponseLine(ControlRequest request, object response) =>
        Line(
            new
            {
                type = Frame.ControlResponse,
                response = new
                {
                    subtype = Subtype.Success,
                    request_id = request.Id,
                    response,
                },
            }
        );

    /// <summary>Answers a request that Wake knows nothing about: unanswered, the CLI would wait for ever.</summary>
    public static byte[] UnsupportedLine(ControlRequest request) =>
        Line(
            new
            {
                type = Frame.ControlResponse,
                response = new
                {
                    subtype = Subtype.Error,
                    request_id = request.Id,
                    error = "Not supported here.",
                },
            }
        );

    /// <summary>Whether a line tells of a turn, or belongs to one. Asked of a process that has nothing to do.</summary>
    public static bool IsTurnLine(ReadOnlyMemory<byte> line)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            return json.RootElement is { ValueKind: JsonValueKind.Object } frame
                && (frame.Text("type"), frame.Text("subtype"))
                    is
                        (Frame.Assistant or Frame.User or Frame.Result or Frame.ControlRequest, _)
                        or
                        (Frame.System, Subtype.Init);
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    static byte[] RequestLine(string id, string about) =>
        Line(
            new
            {
                type = Frame.ControlRequest,
                request_id = id,
                request = new { subtype = about },
            }
        );

    static byte[] Line<T>(T frame) => [.. JsonSerializer.SerializeToUtf8Bytes(frame), (byte)'\n'];
}

/// <summary>Something the CLI asks its host, and waits for.</summary>
/// <param name="Id">By which it is answered.</param>
/// <param name="Subtype">What it is about.</param>
/// <param name="Tool">The tool that wants to be allowed.</param>
sealed record ControlRequest(string Id, string? Subtype, string? Tool)
{
    /// <summary>The CLI's name for the call.</summary>
    public string? ToolUseId { get; init; }

    /// <summary>What the tool would be called with, as JSON.</summary>
    public string? Input { get; init; }

    /// <summary>Why the CLI asks.</summary>
    public string? Reason { get; init; }

    /// <summary>The subagent that wants to call it; null for the main conversation.</summary>
    public string? SubagentId { get; init; }

    /// <summary>Reads one; null when it has no id to answer by.</summary>
    public static ControlRequest? Parse(JsonElement frame)
    {
        if (frame.Text("request_id") is not { } id)
            return null;

        var request = frame.Object("request");
        return new(id, request?.Text("subtype"), request?.Text("tool_name"))
        {
            ToolUseId = request?.Text("tool_use_id"),
            Input = request?.Object("input")?.GetRawText(),
            Reason = request?.Text("decision_reason") ?? request?.Text("description"),
            SubagentId = request?.Text("agent_id"),
        };
    }
}
