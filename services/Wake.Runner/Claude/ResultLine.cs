using System.Text.Json;
using Wake.Contracts;
using Wake.Prompting;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>The fields of a result line that decide. Which of them a release sets differs; a field that is missing
/// decides nothing.</summary>
sealed record ResultLine
{
    // A reply may have megabytes, and a note is read by people.
    const int NoteLength = 300;

    // Enough for what a person reads of a turn; the whole of it is in the transcript.
    const int WordsLength = 4_000;

    // Beyond any bill: what is larger is no price but nonsense.
    const decimal MaxUsd = 1_000_000;

    /// <summary>Says <c>success</c> for every failure of the API, so it only tells limits and aborts apart.</summary>
    public required string? Subtype { get; init; }

    /// <summary>Whether the turn failed.</summary>
    public required bool IsError { get; init; }

    /// <summary>The HTTP status of the failure.</summary>
    public required int? Status { get; init; }

    /// <summary>The model's steps; 0 when it was never asked.</summary>
    public required int? Turns { get; init; }

    /// <summary>Why the turn ended.</summary>
    public required string? TerminalReason { get; init; }

    /// <summary>Why the model stopped.</summary>
    public required string? StopReason { get; init; }

    /// <summary>What it says to a person, cut to what fits a note.</summary>
    public required string Message { get; init; }

    public required string? FirstError { get; init; }

    /// <summary>How many tool calls were not allowed.</summary>
    public required int Denials { get; init; }

    /// <summary>The tool whose call waits for a person.</summary>
    public required string? DeferredTool { get; init; }

    /// <summary>That call, if a person can be asked it.</summary>
    public required ToolCallQuestion? Question { get; init; }

    /// <summary>What it cost.</summary>
    public required TurnCost Cost { get; init; }

    /// <summary>Whether that is the cost since the result before; otherwise it counts from the start of the
    /// process.</summary>
    public required bool CostIsIncremental { get; init; }

    /// <summary>The messages it is about; empty in older releases.</summary>
    public required IReadOnlyList<string> MessageIds { get; init; }

    /// <summary>What the model said at last, cut short with a word on how much more there is; null when
    /// nothing.</summary>
    public string? Words { get; init; }

    /// <param name="frame">The line.</param>
    /// <param name="environment">The environment of the CLI; its secrets are taken out of what people read.</param>
    public static ResultLine Parse(JsonElement frame, IReadOnlyDictionary<string, string> environment)
    {
        var own = frame.Object("model_usage_since_last_result");
        var error = frame.Texts("errors").FirstOrDefault();
        return new()
        {
            Subtype = frame.Text("subtype"),
            IsError = frame.Flag("is_error"),
            Status = frame.Int("api_error_status"),
            Turns = frame.Int("num_turns"),
            TerminalReason = frame.Text("terminal_reason"),
            StopReason = frame.Text("stop_reason"),
            Message = UntrustedText.Truncate(
                Redaction.Redact(
                    error
                        ?? frame.Text("result")
                        ?? frame.Text("terminal_reason")
                        ?? frame.Text("subtype")
                        ?? "no reason given",
                    environment
                ),
                NoteLength
            ),
            Words = frame.Text("result") is { Length: > 0 } words
                ? Shorten(Redaction.Redact(words, environment))
                : null,
            FirstError = error,
            Denials =
                frame.TryGetProperty("permission_denials", out var denials) && denials.ValueKind is JsonValueKind.Array
                    ? denials.GetArrayLength()
                    : 0,
            DeferredTool = frame.Object("deferred_tool_use")?.Text("name"),
            Question = frame.Object("deferred_tool_use") is { } call ? ParseQuestion(call) : null,
            Cost = ParseCost(own ?? frame.Object("modelUsage"), own is null ? frame.Number("total_cost_usd") : null),
            CostIsIncremental = own is not null,
            MessageIds = [.. frame.Texts("user_message_uuids")],
        };
    }

    static string Shorten(string words)
    {
        var head = StorableText.Head(words, WordsLength);
        return head.Length == words.Length ? words : $"{head} […] ({words.Length - head.Length} more characters)";
    }

    /// <summary>A hook took the message before the model saw it: a success of no steps that names no reason.</summary>
    public bool BlockedByPromptHook => !IsError && Turns == 0 && TerminalReason is null;

    /// <summary>A tool call of it waits for a person.</summary>
    public bool IsDeferred => TerminalReason == "tool_deferred";

    static ToolCallQuestion? ParseQuestion(JsonElement call) =>
        call.Text("name") is ClaudeProtocol.QuestionTool and var tool
        && call.Text("id") is { } id
        && call.Object("input")?.GetRawText() is { } input
        && QuestionItem.Parse(input) is not []
            ? new(id, tool, input)
            : null;

    /// <summary>
    /// A cost by model, or in all. The total counts the process, and since 2.1.329 everything the session ever cost;
    /// that release tells the part since the result before beside it, by model.
    /// </summary>
    public static TurnCost ParseCost(JsonElement? models, decimal? total)
    {
        var used = models is { } all
            ? all.EnumerateObject().Select(x => x.Value).Where(x => x.ValueKind is JsonValueKind.Object).ToList()
            : [];
        return new(
            Price(total ?? used.Sum(x => Price(x.Number("costUSD")))),
            TimeSpan.Zero,
            new(
                used.Sum(x => Count(x, "inputTokens")),
                used.Sum(x => Count(x, "outputTokens")),
                used.Sum(x => Count(x, "cacheReadInputTokens")),
                used.Sum(x => Count(x, "cacheCreationInputTokens"))
            )
        );
    }

    // The CLI counts in floating point.
    static decimal Price(decimal? usd) => usd is > 0 and <= MaxUsd ? decimal.Round(usd.Value, 8) : 0;

    static long Count(JsonElement model, string name) => Math.Max(0, model.Int(name) ?? 0);
}
