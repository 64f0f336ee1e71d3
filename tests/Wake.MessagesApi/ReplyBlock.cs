using System.Text.Json;

namespace Wake.Offline;

/// <summary>One content block of an assistant message.</summary>
abstract record ReplyBlock
{
    /// <summary>Something said; null for the default sentence, which only the request can fill in.</summary>
    internal sealed record Text(string? Words) : ReplyBlock;

    /// <summary>A tool called, with its input as JSON.</summary>
    internal sealed record ToolCall(string Name, JsonElement Input) : ReplyBlock;

    const string Colour = """
        {"question": "Which colour?", "header": "Colour", "multiSelect": false, "options":
          [{"label": "Red", "description": "r"}, {"label": "Blue", "description": "b"}]}
        """;

    const string Sizes = """
        {"question": "Which sizes?", "header": "Size", "multiSelect": true, "options":
          [{"label": "S", "description": "s"}, {"label": "M", "description": "m"}, {"label": "L", "description": "l"}]}
        """;

    /// <exception cref="FormatException">The marker's argument cannot be read.</exception>
    public static ReplyBlock From(Marker action) =>
        action.Name switch
        {
            "say" => new Text(action.Argument == "" ? null : action.Argument),
            "big" => new Text(new string('x', action.Number())),
            "bash" => new ToolCall(
                "Bash",
                JsonSerializer.SerializeToElement(new { command = action.Argument, description = "scripted" })
            ),
            "ask" => new ToolCall("AskUserQuestion", Json(action, $$"""{"questions": [{{Colour}}]}""")),
            "askmulti" => new ToolCall("AskUserQuestion", Json(action, $$"""{"questions": [{{Colour}}, {{Sizes}}]}""")),
            "tool" => action.Argument.Split(' ', 2) switch
            {
                [var name, var input] => new ToolCall(name, Json(action, input)),
                [var name] => new ToolCall(name, Json(action, "{}")),
                _ => throw action.Unreadable(),
            },
            _ => throw new ArgumentOutOfRangeException(nameof(action), action, "Not an action."),
        };

    static JsonElement Json(Marker marker, string text)
    {
        try
        {
            return JsonElement.Parse(text);
        }
        catch (JsonException)
        {
            // Told apart from a broken request: the one who wrote the marker has to hear of it.
            throw marker.Unreadable();
        }
    }
}
