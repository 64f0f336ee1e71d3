using System.Text.Json;
using Wake.Contracts;

namespace Wake.Store;

/// <summary>One thing that was said or done in a turn, as the transcript has it. Its text is untrusted.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="At">When, by the clock of the machine that wrote it; null when the row does not say.</param>
/// <param name="Text">What was said, or what a tool gave back; null for a call.</param>
/// <param name="Tool">The tool that is called; null for what is no call.</param>
/// <param name="Call">The CLI's id of the call that this is, or is the result of.</param>
/// <param name="Input">With what the tool is called, as JSON.</param>
/// <param name="Failed">Whether it is an error.</param>
public sealed record TranscriptEntry(
    TranscriptEntryKind Kind,
    DateTimeOffset? At,
    string? Text,
    string? Tool = null,
    string? Call = null,
    string? Input = null,
    bool Failed = false
)
{
    /// <summary>
    /// How much of a text is read, in UTF-16 units: more than is shown, so that a key which begins before the end of
    /// that is known by what comes after it.
    /// </summary>
    public const int MaxTextLength = 33 * 1024;
}

/// <summary>What an entry of a transcript is.</summary>
public enum TranscriptEntryKind
{
    /// <summary>The message by which the session is told of a wake.</summary>
    Wake,

    /// <summary>What a person typed.</summary>
    Person,

    /// <summary>What the CLI told the session: a task in the background has ended, or, in a terminal, a wake.</summary>
    Notice,

    /// <summary>What the model said.</summary>
    Model,

    /// <summary>What the model thought before it spoke.</summary>
    Thinking,

    /// <summary>A call of a tool.</summary>
    Call,

    /// <summary>What a tool gave back.</summary>
    Result,

    /// <summary>Something too long to be read; its text says how long.</summary>
    Omitted,
}

/// <summary>A row of a transcript: what it says of itself, and what it says.</summary>
/// <param name="Id">The uuid of the row.</param>
/// <param name="At">When it was written.</param>
/// <param name="IsPrompt">Whether a turn may begin with it: a person, a wake or the CLI said it.</param>
/// <param name="Entries">What it says.</param>
sealed record TranscriptRow(string? Id, DateTimeOffset? At, bool IsPrompt, IReadOnlyList<TranscriptEntry> Entries)
{
    // Of its texts together, in UTF-16 units: a page ends with a whole row.
    const int MaxLength = 512 * 1024;

    static readonly TranscriptRow Nothing = new(null, null, false, []);

    /// <summary>Reads a row; of one that cannot be read, or tells nothing to people, nothing is left.</summary>
    public static TranscriptRow Parse(ReadOnlyMemory<byte> text)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            return json.RootElement.ValueKind is JsonValueKind.Object ? Parse(json.RootElement) : Nothing;
        }
        catch (JsonException)
        {
            // The CLI passes over it as well.
            return Nothing;
        }
    }

    static TranscriptRow Parse(JsonElement row)
    {
        DateTimeOffset? at =
            row.TryGetProperty("timestamp", out var stamp)
            && stamp.ValueKind is JsonValueKind.String
            && stamp.TryGetDateTimeOffset(out var moment)
                ? moment
                : null;
        var (id, type) = (Text(row, "uuid"), Text(row, "type"));
        if (
            type is not ("user" or "assistant")
            || Flag(row, "isMeta")
            || Flag(row, "isSidechain")
            || !row.TryGetProperty("message", out var message)
            || message.ValueKind is not JsonValueKind.Object
            || !message.TryGetProperty("content", out var content)
        )
            return Nothing with { Id = id, At = at };

        var isNotice =
            row.TryGetProperty("origin", out var origin)
            && origin.ValueKind is JsonValueKind.Object
            && Text(origin, "kind") == "task-notification";
        var said =
            type == "assistant" ? TranscriptEntryKind.Model
            : isNotice ? TranscriptEntryKind.Notice
            : TranscriptEntryKind.Person;
        var failed = Flag(row, "isApiErrorMessage");
        List<TranscriptEntry> entries = [];
        var (length, omitted) = (0, 0);
        switch (content.ValueKind)
        {
            case JsonValueKind.String:
                Add(new(said, at, Read(content), Failed: failed));
                break;
            case JsonValueKind.Array:
                foreach (var block in content.EnumerateArray().Where(x => x.ValueKind is JsonValueKind.Object))
                    Add(ParseBlock(block, said, at, failed));
                break;
        }

        if (omitted > 0)
            entries.Add(new(TranscriptEntryKind.Omitted, at, $"{omitted} more of the same message"));

        return new(
            id,
            at,
            entries.Any(x => x.Kind is TranscriptEntryKind.Notice or TranscriptEntryKind.Person),
            entries
        );

        void Add(TranscriptEntry? entry)
        {
            if (entry is null || entry.Tool is null && string.IsNullOrWhiteSpace(entry.Text))
                return;

            if (length >= MaxLength)
            {
                omitted++;
                return;
            }

            entries.Add(entry with { Text = Cut(entry.Text), Input = Cut(entry.Input), Tool = Cut(entry.Tool) });
            length += (entries[^1].Text?.Length ?? 0) + (entries[^1].Input?.Length ?? 0);
        }
    }

    static TranscriptEntry? ParseBlock(JsonElement block, TranscriptEntryKind said, DateTimeOffset? at, bool failed) =>
        Text(block, "type") switch
        {
            "text" => new(said, at, Text(block, "text"), Failed: failed),
            "thinking" => new(TranscriptEntryKind.Thinking, at, Text(block, "thinking")),
            "image" or "document" => new(said, at, $"[{Text(block, "type")}]"),
            "tool_use" or "server_tool_use" => new(
                TranscriptEntryKind.Call,
                at,
                null,
                Text(block, "name") ?? "",
                Text(block, "id"),
                block.TryGetProperty("input", out var input) ? input.GetRawText() : null
            ),
            "tool_result" => new(
                TranscriptEntryKind.Result,
                at,
                block.TryGetProperty("content", out var content) ? ResultText(content) : "(nothing)",
                Call: Text(block, "tool_use_id"),
                Failed: Flag(block, "is_error")
            ),
            _ => null,
        };

    static string ResultText(JsonElement content)
    {
        var text = content.ValueKind switch
        {
            JsonValueKind.String => Read(content),
            JsonValueKind.Array => string.Join(
                '\n',
                content
                    .EnumerateArray()
                    .Where(x => x.ValueKind is JsonValueKind.Object)
                    .Select(x => Text(x, "text") ?? $"[{Text(x, "type")}]")
            ),
            _ => content.GetRawText(),
        };
        return string.IsNullOrWhiteSpace(text) ? "(nothing)" : text;
    }

    // More is never shown, and a page of a thousand such texts would be as large as the transcript.
    static string? Cut(string? text) => text is null ? null : StorableText.Head(text, TranscriptEntry.MaxTextLength);

    static bool Flag(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.True;

    static string? Text(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String ? Read(value) : null;

    static string Read(JsonElement text)
    {
        try
        {
            return text.GetString()!;
        }
        // Half of a surrogate pair, which json allows and the reader refuses.
        catch (InvalidOperationException)
        {
            return text.GetRawText();
        }
    }
}
