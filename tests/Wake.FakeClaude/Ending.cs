using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>The ways a turn can end that leave a result line.</summary>
abstract record Ending(string Subtype, bool IsError, string? TerminalReason, string? StopReason)
{
    public sealed record Completed(string Text) : Ending("success", false, "completed", "end_turn");

    /// <summary>Every API failure calls itself a success.</summary>
    public sealed record ApiFailed(ApiFailure Failure)
        : Ending("success", true, Failure.TerminalReason, Failure.StopReason);

    public sealed record Interrupted(bool InTool)
        : Ending(
            "error_during_execution",
            true,
            InTool ? "aborted_tools" : "aborted_streaming",
            InTool ? "tool_use" : null
        );

    public sealed record TurnsUsedUp(string Limit) : Ending("error_max_turns", true, "max_turns", "tool_use");

    public sealed record BudgetUsedUp(string Limit)
        : Ending("error_max_budget_usd", true, "budget_exhausted", "tool_use");

    public sealed record Deferred(JsonObject ToolCall) : Ending("success", false, "tool_deferred", "tool_deferred");

    /// <summary>What becomes of the message: the last word of its <c>command_lifecycle</c>.</summary>
    public string Lifecycle => IsError && this is not TurnsUsedUp ? "cancelled" : "completed";

    /// <summary>How far <c>num_turns</c> is ahead of the requests that were answered.</summary>
    public int ExtraTurns =>
        this switch
        {
            Interrupted => 2,
            ApiFailed or TurnsUsedUp => 1,
            _ => 0,
        };

    /// <summary>The fields of the result line that only this ending has.</summary>
    public JsonObject Details() =>
        this switch
        {
            Completed x => new() { ["api_error_status"] = null, ["result"] = x.Text },
            ApiFailed { Failure: var x } => Failed(x),
            Deferred x => new() { ["result"] = "", ["deferred_tool_use"] = x.ToolCall.DeepClone() },
            TurnsUsedUp x => Errors($"Reached maximum number of turns ({x.Limit})"),
            BudgetUsedUp x => Errors($"Reached maximum budget (${x.Limit})"),
            _ => Errors($"[ede_diagnostic] result_type=user last_content_type=n/a stop_reason={StopReason ?? "null"}"),
        };

    static JsonObject Failed(ApiFailure failure)
    {
        var details = new JsonObject { ["api_error_status"] = failure.Status };
        if (failure.Type is not null)
            details["api_error_type"] = failure.Type;
        if (failure.Kind is not null)
            details["api_error"] = failure.Kind;
        details["result"] = failure.Text;
        return details;
    }

    static JsonObject Errors(string text) => new() { ["errors"] = new JsonArray(text) };
}
