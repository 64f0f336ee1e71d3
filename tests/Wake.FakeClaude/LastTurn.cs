using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>How a turn stands in the transcript, read from its rows alone, so that it can be judged on another
/// machine.</summary>
enum TurnState
{
    /// <summary>Answered, refused, limited or interrupted by the user: nothing is left to do.</summary>
    Finished,

    /// <summary>The process died, or the API failed: the turn may be run again.</summary>
    Cut,

    /// <summary>A hook deferred one of its tool calls: the turn goes on once the hook says something else.</summary>
    Deferred,
}

/// <summary>A message and the rows after it.</summary>
sealed record LastTurn(JsonObject Prompt, IReadOnlyList<JsonObject> After)
{
    public string Uuid => Prompt.Text("uuid")!;

    public JsonNode Content => Prompt.At("message", "content")!;

    public TurnState State =>
        After.LastOrDefault(Rows.Decides) switch
        {
            null => TurnState.Cut,
            var x when Rows.AttachmentType(x) == "hook_deferred_tool" => TurnState.Deferred,
            var x when Rows.AttachmentType(x) == "max_turns_reached" => TurnState.Finished,
            var x when x.Flag("isApiErrorMessage") => x.Text("refusedMessageId") is null
                ? TurnState.Cut
                : TurnState.Finished,
            var x when x.Text("type") == "assistant" => Rows.ToolCall(x) is null ? TurnState.Finished : TurnState.Cut,
            var x => Rows.IsInterruption(x) ? TurnState.Finished : TurnState.Cut,
        };

    /// <summary>Whether the model had begun to answer.</summary>
    public bool IsAnswered => After.Any(x => x.Text("type") == "assistant");

    /// <summary>Which execution would come next, counted from 1.</summary>
    public int NextAttempt =>
        2
        + After.Count(x =>
            Json.Prose(x.At("message", "content")) is Transcript.ContinueText or Transcript.NoResponseText
        );

    /// <summary>Tool calls whose outcome is in the history; running the turn again goes on after them.</summary>
    public int ToolsDone => After.Count(x => Rows.ToolResultOf(x) is not null);

    /// <summary>The tool call that was under way, or null.</summary>
    public JsonObject? OpenToolCall =>
        After.Select(Rows.ToolCall).LastOrDefault(x => x is not null) is { } call
        && !After.Any(x => Rows.ToolResultOf(x) == call.Text("id"))
            ? call
            : null;
}
