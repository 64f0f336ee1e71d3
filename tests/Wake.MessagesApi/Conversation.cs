using System.Text.Json;

namespace Wake.Offline;

/// <summary>Reads the conversation in a request's body, and what in it is a script for the reply.</summary>
static class Conversation
{
    /// <summary>The messages of a body, oldest first.</summary>
    public static IReadOnlyList<SeenMessage> In(JsonElement body) =>
        [.. body.Items("messages").Select(x => new SeenMessage(x.Text("role"), [.. Blocks(x)]))];

    /// <summary>What is new since the model last spoke, oldest first.</summary>
    public static IReadOnlyList<string> Tail(IReadOnlyList<SeenMessage> messages) =>
        [
            .. messages
                .Skip(messages.ToList().FindLastIndex(x => x.Role == "assistant") + 1)
                .SelectMany(message => message.Blocks.Select(block => Line(message, block)))
                .OfType<string>(),
        ];

    /// <summary>
    /// The markers that count now: of the newest user message that has any, those of the step that its tool calls have
    /// reached.
    /// </summary>
    public static IReadOnlyList<Marker> Script(IReadOnlyList<SeenMessage> messages)
    {
        var rounds = 0;

        foreach (var message in messages.Reverse())
        {
            if (message.Role == "assistant" && message.Blocks.Any(x => x.Type == "tool_use"))
                rounds++;

            if (message.Role != "user")
                continue;

            var texts = message.Blocks.Where(IsSaid).ToList();
            var markers = texts.SelectMany(x => Markers.In(x.Text)).ToList();

            if (markers is not [])
                return markers.Step(rounds);

            // A later message without markers uses none; texts that came along with a tool's result do not end the
            // script.
            if (texts is not [] && message.Blocks.All(x => x.Type != "tool_result"))
                return [];
        }

        return [];
    }

    /// <summary>
    /// Whether the CLI wants a title for its list of sessions. It then quotes the prompt, whose markers are not meant
    /// for that question.
    /// </summary>
    public static bool WantsTitle(IReadOnlyList<SeenMessage> messages) =>
        messages is [{ Role: "user" } only] && only.Text.StartsWith("<session>", StringComparison.Ordinal);

    // Text that a person, a hook or a channel put in.
    static bool IsSaid(SeenBlock block) =>
        block.Type == "text" && !block.Text.TrimStart().StartsWith("<system-reminder>", StringComparison.Ordinal);

    static string? Line(SeenMessage message, SeenBlock block) =>
        block.Type switch
        {
            "text" => message.Role == "user" ? block.Text : $"{message.Role}: {block.Text}",
            "tool_result" => $"TOOL_RESULT{(block.IsError ? " is_error" : "")} {block.Text}",
            _ => null,
        };

    static IEnumerable<SeenBlock> Blocks(JsonElement owner) =>
        owner.Member("content").ValueKind == JsonValueKind.String
            ? [new SeenBlock("text", owner.Text("content"))]
            : owner.Items("content").Select(Block);

    static SeenBlock Block(JsonElement block) =>
        block.Text("type") switch
        {
            "tool_use" => new("tool_use", $"{block.Text("name")} {block.Member("input")}"),
            "tool_result" => new(
                "tool_result",
                string.Join('\n', Blocks(block).Select(x => x.Text)),
                block.Is("is_error")
            ),
            var type => new(type, block.Text("text")),
        };
}
