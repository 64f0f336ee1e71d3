using System.Text.Json;

namespace Wake.Runner;

/// <summary>
/// What the CLI said about one message, line by line, and what it amounts to. Pure: lines in, facts out. Unknown lines are
/// ignored, since every release brings new ones, and unreadable ones counted.
/// </summary>
sealed class ClaudeOutput(Guid sessionId, Guid messageId)
{
    // Of another message: in a session that was interrupted before, the CLI finishes that turn first.
    Ending? earlier;
    Ending? own;
    DateTimeOffset? limitedUntil;
    string? lastAssistantError;
    bool echoed;
    bool turnSinceEcho;
    bool idleSinceEcho;
    bool initSeen;

    /// <summary>Whether the CLI opened the session it was asked for.</summary>
    public bool Opened { get; private set; }

    /// <summary>Whether the CLI opened another session than it was asked for; its id is never adopted.</summary>
    public bool OpenedAnother { get; private set; }

    /// <summary>Whether the model has called a tool.</summary>
    public bool Acted { get; private set; }

    /// <summary>Rows of the transcript that were told of: it has grown by as many, or more.</summary>
    public int Told { get; private set; }

    /// <summary>Whether all is known that this run will tell about the message.</summary>
    public bool Done => own is not null || Lost || AlreadyDone;

    /// <summary>Whether the CLI gave a result for the message.</summary>
    public bool Answered => own is not null;

    /// <summary>Whether the CLI has also finished what it does after a result.</summary>
    public bool Settled => Done && (idleSinceEcho || Lost);

    /// <summary>What the run cost so far, as the CLI computed it.</summary>
    public decimal CostUsd => (own ?? earlier)?.CostUsd ?? 0;

    /// <summary>Lines that were no JSON.</summary>
    public int Unreadable { get; private set; }

    bool Lost { get; set; }

    // The message was taken up, and put down again without a turn: an earlier run had finished it.
    bool AlreadyDone => own is null && echoed && idleSinceEcho && !turnSinceEcho;

    /// <summary>Takes one line of standard output, without its line break.</summary>
    public void Line(ReadOnlyMemory<byte> line)
    {
        if (line.IsEmpty)
            return;

        try
        {
            using var json = JsonDocument.Parse(line);
            if (json.RootElement.ValueKind is JsonValueKind.Object)
                Frame(json.RootElement);
        }
        catch (JsonException)
        {
            Unreadable++;
        }
    }

    void Frame(JsonElement frame)
    {
        switch (Text(frame, "type"), Text(frame, "subtype"))
        {
            case ("system", "init"):
                initSeen = true;
                turnSinceEcho |= echoed;
                if (Text(frame, "session_id") == sessionId.ToString())
                    Opened = true;
                else
                    OpenedAnother = true;
                break;

            case ("system", "session_state_changed"):
                idleSinceEcho = (echoed || own is not null) && Text(frame, "state") == "idle";
                break;

            case ("user", _):
                Told++;
                if (Flag(frame, "isReplay") && Text(frame, "uuid") == messageId.ToString())
                    (echoed, turnSinceEcho, idleSinceEcho) = (true, false, false);
                break;

            case ("assistant", _):
                Told++;
                Acted |= CallsTool(frame);
                turnSinceEcho |= echoed;
                lastAssistantError = Text(frame, "error") ?? lastAssistantError;
                break;

            case ("rate_limit_event", _):
                if (frame.TryGetProperty("rate_limit_info", out var limit) && Text(limit, "status") == "rejected"
                    && Number(limit, "resetsAt") is { } resetsAt and > 0 and < 253_402_300_800)
                    limitedUntil = DateTimeOffset.FromUnixTimeSeconds((long)resetsAt);
                break;

            case ("result", _):
                Result(frame);
                break;
        }
    }

    void Result(JsonElement frame)
    {
        // A turn the session started by itself, for instance because a background shell ended.
        if (frame.TryGetProperty("origin", out var origin) && origin.ValueKind is JsonValueKind.Object)
            return;

        var ending = Ending.Of(frame);

        if (!initSeen && ending is { Subtype: "error_during_execution", Turns: 0, FirstError: { } error }
            && error.StartsWith("No conversation found with session ID:", StringComparison.Ordinal))
        {
            Lost = true;
            return;
        }

        // Older releases do not say which messages a result is about; there it is the one taken up last.
        if (ending.Messages is { Count: > 0 } messages ? messages.Contains(messageId.ToString()) : echoed)
            own ??= ending;
        else
            earlier = ending;
    }

    /// <summary>What the run amounts to, once the process has ended or was stopped.</summary>
    /// <param name="exitCode">Weak evidence: only shown.</param>
    /// <param name="stderr">The end of standard error.</param>
    /// <param name="stopped">Why the runner stopped it, if it did.</param>
    public ClaudeResult Conclude(int exitCode, string stderr, StopReason stopped)
    {
        if (Lost)
            return new ClaudeResult.SessionLost();

        if (own is not null)
            return Judge(own, stopped);

        if (AlreadyDone)
            return earlier is { IsError: true } ? Judge(earlier, stopped) : new ClaudeResult.Completed(0, Already: true);

        if (stopped is StopReason.Idle or StopReason.Timeout)
            return new ClaudeResult.Hung(Describe(stopped), Acknowledged: false);

        var first = stderr.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) is [var line, ..] ? line : "";

        if (!initSeen && exitCode == 1 && first.Contains(sessionId.ToString(), StringComparison.Ordinal)
            && first.Contains("already in use", StringComparison.Ordinal))
            return new ClaudeResult.AlreadyBegun();

        // It refused to start and said why, which it does on standard error alone.
        if (!initSeen && exitCode is > 0 and < 128 && first.Length > 0 && stopped is StopReason.None)
            return new ClaudeResult.Misconfigured(first);

        return new ClaudeResult.Crashed(stopped is StopReason.Shutdown
            ? "it was stopped and gave no result"
            : $"it ended with exit code {exitCode} and gave no result{(first.Length > 0 ? $": {first}" : "")}");
    }

    ClaudeResult Judge(Ending ending, StopReason stopped)
    {
        if (ending.TerminalReason is "aborted_streaming" or "aborted_tools")
        {
            return stopped is StopReason.Idle or StopReason.Timeout
                ? new ClaudeResult.Hung(Describe(stopped), Acknowledged: true)
                : new ClaudeResult.Interrupted();
        }

        if (ending.StopReason == "refusal")
            return new ClaudeResult.Refused("the model refused");

        if (ending.TerminalReason is "stop_hook_prevented" or "hook_stopped")
            return new ClaudeResult.Refused("a hook stopped it");

        if (!ending.IsError)
            return new ClaudeResult.Completed(ending.Denials);

        var text = ending.FirstError ?? ending.Text ?? ending.TerminalReason ?? ending.Subtype ?? "no reason given";

        return ending switch
        {
            { Subtype: "error_max_turns" } => new ClaudeResult.LimitReached("the limit of steps"),
            { Subtype: "error_max_budget_usd" } => new ClaudeResult.LimitReached("the budget"),
            { TerminalReason: "prompt_too_long" or "image_error" } or { Status: 413 } => new ClaudeResult.Poisoned(text),
            _ when limitedUntil is { } until => new ClaudeResult.UsageLimited(until),
            { Status: 401 or 402 or 403 } => new ClaudeResult.AccountProblem(text),
            _ when lastAssistantError is "authentication_failed" or "billing_error" or "oauth_org_not_allowed" =>
                new ClaudeResult.AccountProblem(text),
            { Status: 404 } => new ClaudeResult.Misconfigured(text),
            { Status: null or 408 or 409 or 429 or >= 500 } => new ClaudeResult.ApiUnavailable(ending.Status),
            _ => new ClaudeResult.Poisoned(text),
        };
    }

    static string Describe(StopReason stopped) => stopped is StopReason.Idle ? "it said nothing for too long" : "it took too long";

    static bool CallsTool(JsonElement frame) =>
        frame.TryGetProperty("message", out var message) && message.ValueKind is JsonValueKind.Object
        && message.TryGetProperty("content", out var content) && content.ValueKind is JsonValueKind.Array
        && content.EnumerateArray().Any(x => x.ValueKind is JsonValueKind.Object && Text(x, "type") == "tool_use");

    static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String ? value.GetString() : null;

    static bool Flag(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.True;

    static decimal? Number(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.Number && value.TryGetDecimal(out var number)
            ? number : null;

    static List<string>? Texts(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.Array
            ? [.. value.EnumerateArray().Where(x => x.ValueKind is JsonValueKind.String).Select(x => x.GetString()!)]
            : null;

    /// <summary>The fields of a result line that decide.</summary>
    sealed record Ending(
        string? Subtype, bool IsError, int? Status, int Turns, string? TerminalReason, string? StopReason, string? Text,
        string? FirstError, int Denials, decimal CostUsd, List<string>? Messages)
    {
        public static Ending Of(JsonElement frame) => new(
            ClaudeOutput.Text(frame, "subtype"),
            Flag(frame, "is_error"),
            (int?)Number(frame, "api_error_status"),
            (int)(Number(frame, "num_turns") ?? 0),
            ClaudeOutput.Text(frame, "terminal_reason"),
            ClaudeOutput.Text(frame, "stop_reason"),
            ClaudeOutput.Text(frame, "result"),
            Texts(frame, "errors") is [var error, ..] ? error : null,
            frame.TryGetProperty("permission_denials", out var denials) && denials.ValueKind is JsonValueKind.Array
                ? denials.GetArrayLength() : 0,
            TurnCostOf(frame),
            Texts(frame, "user_message_uuids"));

        // total_cost_usd counts the process, and since 2.1.329 everything the session ever cost; that release tells the turn's
        // own part beside it.
        static decimal TurnCostOf(JsonElement frame)
        {
            var cost = frame.TryGetProperty("model_usage_since_last_result", out var models) && models.ValueKind is JsonValueKind.Object
                ? models.EnumerateObject().Where(x => x.Value.ValueKind is JsonValueKind.Object).Sum(x => Number(x.Value, "costUSD") ?? 0)
                : Number(frame, "total_cost_usd") ?? 0;

            // The CLI counts in floating point.
            return decimal.Round(cost, 8);
        }
    }
}
