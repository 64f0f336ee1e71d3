using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Wake.Store;
using static Wake.Runner.ClaudeProtocol;

namespace Wake.Runner;

/// <summary>
/// What the CLI said about one message, line by line, and what it amounts to. Pure: lines in, facts out. Unknown lines
/// are ignored, since every release brings new ones, and unreadable ones counted.
/// </summary>
sealed class ClaudeOutput(Guid sessionId, Guid messageId)
{
    // Of another message: in a session that was interrupted before, the CLI finishes that turn first.
    ResultLine? earlier;
    ResultLine? own;
    DateTimeOffset? limitedUntil;
    string? lastAssistantError;
    bool retried;
    bool echoed;
    bool turnSinceEcho;
    bool idleSinceEcho;
    bool initSeen;
    string? callingMessage;
    int siblingCalls;
    TurnCost? costBefore;
    bool usageReported;

    /// <summary>Whether the CLI opened the session it was asked for.</summary>
    public bool Opened { get; private set; }

    /// <summary>Whether the CLI opened another session than it was asked for; its id is never adopted.</summary>
    public bool OpenedOtherSession { get; private set; }

    /// <summary>The MCP servers it has, and whether each works as far as it says; null before it has said so.</summary>
    public IReadOnlyDictionary<string, bool>? McpServers { get; private set; }

    /// <summary>Whether the model has called a tool.</summary>
    public bool HasSideEffects { get; private set; }

    /// <summary>Whether the CLI has begun to deal with the message, or with anything.</summary>
    public bool IsStarted => echoed || initSeen || own is not null;

    /// <summary>User and assistant lines seen so far; the transcript has grown by at least as many rows.</summary>
    public int RowsReported { get; private set; }

    /// <summary>Whether the outcome of the message is known.</summary>
    public bool HasOutcome => own is not null || SessionNotFound || AlreadyDone || DeferredCall is not null;

    /// <summary>Whether the CLI gave a result for the message. One that was deferred it will act on again.</summary>
    public bool Acknowledged => own is not null and not { IsDeferred: true };

    /// <summary>Whether the CLI has also finished what it does after a result.</summary>
    public bool IsIdle => DeferredCall is not null ? usageReported : HasOutcome && (idleSinceEcho || SessionNotFound);

    /// <summary>The call that waits for a person to allow it; the runner ends the process over it.</summary>
    public ControlRequest? DeferredCall { get; private set; }

    /// <summary>Whether the model has just asked a person something, and the CLI has not said what became of
    /// that.</summary>
    public bool IsAskingPerson { get; private set; }

    /// <summary>Whether a tool that the model has called is at work, as far as is known.</summary>
    public bool IsCallingTool { get; private set; }

    /// <summary>How many other calls the message makes that the model is at.</summary>
    public int SiblingCalls => siblingCalls;

    /// <summary>
    /// What the run cost so far, as the CLI computed it; turns that the session took besides are in it, for they were
    /// paid as well.
    /// </summary>
    public TurnCost Cost { get; private set; }

    /// <summary>What the process had cost before, for releases that count from its start.</summary>
    public TurnCost PriorProcessCost { get; init; }

    /// <summary>The environment of the CLI, whose secrets are no part of what it is quoted with.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>What the process has cost by now, in such a release.</summary>
    public TurnCost ProcessCost { get; private set; }

    /// <summary>What the CLI asked its host and waits for; whoever takes one answers it.</summary>
    public Queue<ControlRequest> Requests { get; } = [];

    /// <summary>Lines that could not be read.</summary>
    public int UnreadableLines { get; private set; }

    bool SessionNotFound { get; set; }

    // The message was taken up, and put down again without a turn: an earlier run had finished it.
    bool AlreadyDone => own is null && echoed && idleSinceEcho && !turnSinceEcho;

    /// <summary>Takes one line of standard output, without its line break.</summary>
    public void ParseLine(ReadOnlyMemory<byte> line)
    {
        if (line.IsEmpty)
            return;

        // A tool prints what it likes, and one broken character shall not cost a whole result.
        if (!Utf8.IsValid(line.Span))
            line = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(line.Span));

        try
        {
            using var json = JsonDocument.Parse(line);
            if (json.RootElement.ValueKind is JsonValueKind.Object)
                ParseFrame(json.RootElement);
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            // No JSON, or one with half a character in a field's name.
            UnreadableLines++;
        }
    }

    void ParseFrame(JsonElement frame)
    {
        switch (frame.Text("type"), frame.Text("subtype"))
        {
            case (Frame.System, Subtype.Init):
                initSeen = true;
                turnSinceEcho |= echoed;
                McpServers = ServersIn(frame);
                if (frame.Text("session_id") == sessionId.ToString())
                    Opened = true;
                else
                    OpenedOtherSession = true;
                break;

            case (Frame.System, Subtype.StateChanged) when frame.Text("state") is { } state:
                idleSinceEcho = (echoed || own is not null) && state == "idle";
                break;

            case (Frame.User, _):
                RowsReported++;
                IsAskingPerson = IsCallingTool = false;
                if (frame.Flag("isReplay") && frame.Text("uuid") == messageId.ToString())
                    (echoed, turnSinceEcho, idleSinceEcho) = (true, false, false);
                break;

            case (Frame.Assistant, _):
                RowsReported++;
                ParseToolCalls(frame);
                turnSinceEcho |= echoed;
                lastAssistantError = frame.Text("error") ?? lastAssistantError;
                break;

            case (Frame.RateLimit, _):
                if (
                    frame.Object("rate_limit_info") is { } limit
                    && limit.Text("status") == "rejected"
                    && limit.Number("resetsAt") is { } resetsAt and > 0 and < 253_402_300_800
                )
                    limitedUntil = DateTimeOffset.FromUnixTimeSeconds((long)resetsAt);
                break;

            case (Frame.ControlRequest, _) when ControlRequest.Parse(frame) is { } request:
                Requests.Enqueue(request);
                break;

            case (Frame.ControlResponse, _)
                when frame.Object("response") is { } response && response.Text("request_id") == UsageRequestId:
                ParseUsage(response.Object("response")?.Object("session"));
                break;

            case (Frame.System, Subtype.ApiRetry):
                retried = true;
                break;

            case (Frame.Result, _):
                ParseResult(frame);
                break;
        }
    }

    void ParseResult(JsonElement frame)
    {
        var result = ResultLine.Parse(frame, Environment);
        ProcessCost = result.CostIsIncremental ? default : result.Cost;
        Cost = result.CostIsIncremental ? Cost + result.Cost : result.Cost - PriorProcessCost;

        // A turn the session started by itself, for instance because a background shell ended.
        if (frame.Object("origin") is not null)
            return;

        if (
            !initSeen
            && result is { Subtype: "error_during_execution", Turns: 0, FirstError: { } error }
            && error.StartsWith("No conversation found with session ID:", StringComparison.Ordinal)
        )
        {
            SessionNotFound = true;
            return;
        }

        // Older releases do not say which messages a result is about; there it is the one taken up last. One that a
        // hook stopped at the door they never call taken up.
        if (
            result.MessageIds is { Count: > 0 } messages
                ? messages.Contains(messageId.ToString())
                : echoed || result.BlockedByPromptHook
        )
            own ??= result;
        else
            earlier = result;
    }

    /// <summary>Ends the run over a call that a person has to decide about.</summary>
    public void Defer(ControlRequest call) => (DeferredCall, usageReported) = (call, false);

    // Told before the message and when a call is deferred, which has no result line to tell it.
    void ParseUsage(JsonElement? session)
    {
        usageReported = true;
        if (session is not { } told)
            return;

        var cost = ResultLine.ParseCost(told.Object("model_usage"), told.Number("total_cost_usd"));
        if (DeferredCall is null)
            costBefore = cost;
        else if (costBefore is { } before)
            Cost = cost - before;
    }

    /// <summary>The last words of a turn that was not in vain, cut short.</summary>
    public string? LastWords => own is { IsError: false, Words: { } said } ? said : null;

    /// <summary>What the run amounts to, once the process has ended or was stopped.</summary>
    /// <param name="exitCode">Weak evidence: only shown.</param>
    /// <param name="stderr">The end of standard error.</param>
    /// <param name="stopped">Why the runner stopped it, if it did.</param>
    public ClaudeResult Conclude(int exitCode, string stderr, StopReason stopped)
    {
        if (SessionNotFound)
            return new ClaudeResult.SessionLost();

        if (own is not null)
            return Classify(own, stopped);

        if (AlreadyDone)
            return earlier is { IsError: true } or { IsDeferred: true }
                ? Classify(earlier, stopped)
                : new ClaudeResult.Completed(0, AlreadyProcessed: true);

        if (stopped is StopReason.Idle or StopReason.Timeout)
            return new ClaudeResult.Hung(Describe(stopped));

        if (stopped is StopReason.Shutdown)
            return new ClaudeResult.Interrupted();

        var first = stderr.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            is [var line, ..]
            ? line
            : "";

        if (
            !initSeen
            && exitCode == 1
            && first.Contains(sessionId.ToString(), StringComparison.Ordinal)
            && first.Contains("already in use", StringComparison.Ordinal)
        )
            return new ClaudeResult.AlreadyBegun();

        // It refused to start and said why, which it does on standard error alone.
        if (!initSeen && exitCode is > 0 and < 128 && first.Length > 0)
            return new ClaudeResult.Misconfigured(first);

        return new ClaudeResult.Crashed(
            $"it ended with exit code {exitCode} and gave no result{(first.Length > 0 ? $": {first}" : "")}"
        );
    }

    ClaudeResult Classify(ResultLine result, StopReason stopped) =>
        result switch
        {
            { TerminalReason: "aborted_streaming" or "aborted_tools" } => stopped switch
            {
                StopReason.Shutdown => new ClaudeResult.Interrupted(),
                StopReason.None => new ClaudeResult.Crashed("it was interrupted, and not by Wake"),
                _ => new ClaudeResult.Hung(Describe(stopped)),
            },

            { IsDeferred: true } => new ClaudeResult.Deferred(
                result.DeferredTool ?? "a tool",
                result.Question,
                siblingCalls > 0
            ),
            { StopReason: "refusal" } => new ClaudeResult.Refused("the model refused"),
            { TerminalReason: "stop_hook_prevented" or "hook_stopped" } or { BlockedByPromptHook: true } =>
                new ClaudeResult.Refused("a hook stopped it"),
            { IsError: false } => new ClaudeResult.Completed(result.Denials),

            { Subtype: "error_max_turns" } => new ClaudeResult.LimitReached("the limit of steps"),
            { Subtype: "error_max_budget_usd" } => new ClaudeResult.LimitReached("the budget"),
            { TerminalReason: "prompt_too_long" or "image_error" } or { Status: 413 } => new ClaudeResult.Poisoned(
                result.Message
            ),

            { Status: null or 429 } when limitedUntil is { } until => new ClaudeResult.UsageLimited(until),
            { Status: null } when lastAssistantError is "authentication_failed" => new ClaudeResult.CannotRun(
                "the CLI is not logged in"
            ),
            { Status: 401 or 402 or 403 } => new ClaudeResult.AccountProblem(result.Message),
            _ when lastAssistantError is "authentication_failed" or "billing_error" or "oauth_org_not_allowed" =>
                new ClaudeResult.AccountProblem(result.Message),
            { Status: 404 } => new ClaudeResult.Misconfigured(result.Message),
            { Status: null or 408 or 409 or 429 or >= 500 } => new ClaudeResult.ApiUnavailable(
                result.Status,
                GaveUpAtOnce: !retried
            ),
            _ => new ClaudeResult.ApiRefuses(result.Message),
        };

    static string Describe(StopReason stopped) =>
        stopped is StopReason.Idle ? "it said nothing for too long" : "it took too long";

    static Dictionary<string, bool>? ServersIn(JsonElement init)
    {
        if (!init.TryGetProperty("mcp_servers", out var servers) || servers.ValueKind is not JsonValueKind.Array)
            return null;

        Dictionary<string, bool> found = [];
        foreach (var server in servers.EnumerateArray().Where(x => x.ValueKind is JsonValueKind.Object))
        {
            if (server.Text("name") is { } name)
                found[name] = server.Text("status") is not ("failed" or "needs-auth" or "pending");
        }

        return found;
    }

    // A message comes in several lines, often one for each of its blocks.
    void ParseToolCalls(JsonElement frame)
    {
        if (
            frame.Object("message") is not { } message
            || !message.TryGetProperty("content", out var content)
            || content.ValueKind is not JsonValueKind.Array
        )
            return;

        var names = content
            .EnumerateArray()
            .Where(x => x.ValueKind is JsonValueKind.Object && x.Text("type") == "tool_use")
            .Select(x => x.Text("name"))
            .ToList();
        if (names is not { Count: > 0 and var calls })
            return;

        HasSideEffects = IsCallingTool = true;
        IsAskingPerson |= names.Contains(QuestionTool);
        var id = message.Text("id");
        siblingCalls = id is not null && id == callingMessage ? siblingCalls + calls : calls - 1;
        callingMessage = id;
    }
}
