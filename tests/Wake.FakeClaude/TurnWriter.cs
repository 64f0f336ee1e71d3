using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>
/// What a turn says and does, in transcript and output at once: a row is on disk before its line is printed. The echo
/// of the message comes with the first of these lines and not earlier, so a turn that waits for the API is silent after
/// init.
/// </summary>
sealed class TurnWriter(Session session, UserMessage? message, IReadOnlyList<string> credited, bool isRerun)
{
    public const string NoOutput = "(Bash completed with no output)";

    const string Rejected =
        "The user doesn't want to proceed with this tool use. The tool use was rejected. STOP what you are doing and "
        + "wait for the user to tell you how to proceed.";

    const string OutcomeUnknown =
        "[Tool call interrupted: the session ended before this call's result was recorded, so its outcome is unknown. "
        + "Check whether it took effect before relying on it or repeating it.]";

    bool hasReplayed;
    bool hasSigned;

    /// <summary>The tool call under way, or null.</summary>
    public JsonObject? ToolCall { get; private set; }

    /// <summary>The newest text, or null before the first.</summary>
    public string? LastText { get; private set; }

    /// <summary>Requests the API has answered.</summary>
    public int Requests { get; private set; }

    public void WriteText(string text)
    {
        EndTool(NoOutput);
        LastText = text;
        Speak(new() { ["type"] = "text", ["text"] = text }, "end_turn");
    }

    public JsonObject StartTool(string name, JsonObject input)
    {
        EndTool(NoOutput);
        ToolCall = new()
        {
            ["type"] = "tool_use",
            ["id"] = "toolu_" + Guid.NewGuid().ToString("N")[..20],
            ["name"] = name,
            ["input"] = input,
        };
        Speak(ToolCall, "tool_use");
        return ToolCall;
    }

    /// <summary>Goes on with a call that an earlier process started.</summary>
    public void ResumeTool(JsonObject call) => ToolCall = call;

    /// <summary>Does nothing when no call is under way.</summary>
    public void EndTool(string result, bool isError = false)
    {
        if (ToolCall is not { } call)
            return;

        ToolCall = null;
        Hear(new JsonArray(ToolResult(call, result, isError)));
    }

    /// <summary>A call that died with an earlier process; it is never printed, only put into the history.</summary>
    public void LoseTool(JsonObject call) =>
        session.Transcript.User(
            new JsonArray(ToolResult(call, OutcomeUnknown, isError: true)),
            Guid.NewGuid().ToString()
        );

    public void Interrupt()
    {
        Replay();
        var text = ToolCall is null ? Transcript.InterruptedWaiting : Transcript.InterruptedInTool;
        EndTool(Rejected, isError: true);
        Hear(new JsonArray(new JsonObject { ["type"] = "text", ["text"] = text }));
    }

    public void Fail(ApiFailure failure)
    {
        Replay();
        var uuid = Guid.NewGuid().ToString();
        var content = new JsonObject { ["type"] = "text", ["text"] = failure.Text };
        var spoken = Message(content, "<synthetic>", failure.StopReason);

        session.Transcript.Assistant(
            spoken,
            uuid,
            new()
            {
                ["error"] = failure.Label,
                ["isApiErrorMessage"] = true,
                ["apiErrorStatus"] = failure.Status,
                ["refusedMessageId"] = failure == ApiFailure.Refusal ? spoken.Text("id") : null,
            }
        );

        var frame = session.Frames.Assistant(spoken, uuid);
        frame["error"] = failure.Label;
        frame["is_api_error_message"] = true;
        if (failure.Status is { } status)
            frame["api_error_status"] = status;
        if (failure.Type is { } type)
            frame["api_error_type"] = type;
        if (failure.Kind is { } kind)
            frame["api_error"] = kind;
        session.Emit(Signed(frame));
    }

    /// <summary>The message's echo, once; a turn without a message has none.</summary>
    public void Replay()
    {
        if (!hasReplayed && message is not null && session.Cli.Arguments.ReplaysUserMessages)
            session.Emit(session.Frames.Replay(message, takenUp: true));
        hasReplayed = true;
    }

    void Speak(JsonObject content, string stopReason)
    {
        Replay();
        var uuid = Guid.NewGuid().ToString();
        var model = session.Cli.Arguments.Model;
        session.Transcript.Assistant(Message(content, model, stopReason), uuid);

        var frame = session.Frames.Assistant(Message(content, model, stopReason: null), uuid);
        if (isRerun && !hasSigned)
            frame["resume_reason"] = Frames.Rerun;

        Requests++;
        session.Emit(Signed(frame));
    }

    // Only the first answer of a turn says whose it is.
    JsonObject Signed(JsonObject frame)
    {
        var signed = hasSigned ? frame : Frames.Credit(frame, credited);
        hasSigned = true;
        return signed;
    }

    void Hear(JsonArray content)
    {
        Replay();
        var uuid = Guid.NewGuid().ToString();
        session.Transcript.User(content, uuid);
        session.Emit(session.Frames.User(content, uuid));
    }

    static JsonObject ToolResult(JsonObject call, string result, bool isError) =>
        new()
        {
            ["type"] = "tool_result",
            ["content"] = result,
            ["is_error"] = isError,
            ["tool_use_id"] = call.Text("id"),
        };

    static JsonObject Message(JsonObject content, string model, string? stopReason) =>
        new()
        {
            ["id"] = "msg_" + Guid.NewGuid().ToString("N")[..20],
            ["type"] = "message",
            ["role"] = "assistant",
            ["model"] = model,
            ["content"] = new JsonArray(content.DeepClone()),
            ["stop_reason"] = stopReason,
            ["stop_sequence"] = null,
            ["usage"] = TurnReport.Usage(0),
        };
}
