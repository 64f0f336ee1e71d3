using System.Text;
using System.Text.Json;

namespace Wake.Runner;

/// <summary>Which rows a transcript has, to tell what of it another copy lacks.</summary>
/// <param name="Ids">The rows of the conversation.</param>
/// <param name="Prompts">Those by which somebody said something, a person or a wake: not what tools or the CLI itself
/// added.</param>
sealed record TranscriptRows(IReadOnlySet<string> Ids, IReadOnlySet<string> Prompts)
{
    /// <summary>Reads a transcript; what cannot be read in it is passed over, as the CLI does.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static async Task<TranscriptRows> Load(string file, CancellationToken cancel)
    {
        await using var stream = TranscriptFolder.OpenShared(file);
        var lines = new BoundedLineReader(stream);
        HashSet<string> ids = [],
            prompts = [];

        while (await lines.ReadLine(cancel) is { } line)
        {
            try
            {
                using var json = JsonDocument.Parse(line);
                if (json.RootElement is not { ValueKind: JsonValueKind.Object } row || row.Text("uuid") is not { } id)
                    continue;

                ids.Add(id);
                if (IsPrompt(row))
                    prompts.Add(id);
            }
            catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
            {
                // Passed over.
            }
        }

        return new(ids, prompts);
    }

    /// <summary>The id of the last row by which the CLI told of a wake in a terminal and whose text contains this; null
    /// for none.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static async Task<Guid?> FindPrompt(string file, string text, CancellationToken cancel)
    {
        await using var stream = TranscriptFolder.OpenShared(file);
        var lines = new BoundedLineReader(stream);
        var wanted = Encoding.UTF8.GetBytes(text);
        Guid? found = null;

        while (await lines.ReadLine(cancel) is { } line)
        {
            if (line.Span.IndexOf(wanted) < 0)
                continue;

            try
            {
                using var json = JsonDocument.Parse(line);
                if (
                    json.RootElement is { ValueKind: JsonValueKind.Object } row
                    && row.Text("type") == "user"
                    && row.Object("origin")?.Text("kind") == "task-notification"
                    && Guid.TryParse(row.Text("uuid"), out var id)
                )
                    found = id;
            }
            catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
            {
                // Passed over.
            }
        }

        return found;
    }

    static bool IsPrompt(JsonElement row)
    {
        if (
            row.Text("type") != "user"
            || row.Flag("isMeta")
            || row.Flag("isSidechain")
            || row.Object("origin")?.Text("kind") == "task-notification"
            || row.Object("message") is not { } message
            || !message.TryGetProperty("content", out var content)
        )
            return false;

        var first =
            content.ValueKind is not JsonValueKind.Array ? content
            : content.EnumerateArray().FirstOrDefault() is { ValueKind: JsonValueKind.Object } block
            && block.Text("type") == "text"
            && block.TryGetProperty("text", out var text)
                ? text
            : default;
        return first.ValueKind is JsonValueKind.String
            && !first.GetString()!.StartsWith("[Request interrupted by user", StringComparison.Ordinal);
    }
}
