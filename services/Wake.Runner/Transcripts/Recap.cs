using System.Globalization;
using System.Text;
using System.Text.Json;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// What a fresh session is told of the one before it: its last exchanges and what it waits for. From its transcript, so
/// what others wrote is in it; it is rendered as information like the events are.
/// </summary>
static class Recap
{
    /// <summary>Messages of either side that are told.</summary>
    public const int MaxMessages = 12;

    /// <summary>Characters of one message.</summary>
    public const int MaxMessageLength = 1500;

    /// <summary>Characters in all.</summary>
    public const int MaxLength = 10_000;

    /// <summary>Watches that are told.</summary>
    public const int MaxWatches = 50;

    /// <summary>The recap; empty when there is nothing to tell.</summary>
    /// <param name="exchanges">The last exchanges, as <see cref="LastExchanges"/> found them.</param>
    /// <param name="watches">What the session waits for.</param>
    public static string Build(IReadOnlyList<string> exchanges, IReadOnlyList<Watch> watches)
    {
        var text = new StringBuilder();
        if (exchanges is not [])
        {
            text.AppendLine("The last that was said in the earlier session, as its transcript has it:");
            foreach (var exchange in exchanges)
                text.AppendLine(exchange);
        }

        if (watches is not [])
            text.AppendLine("It asked to be woken by:");
        foreach (var watch in watches)
        {
            text.Append(CultureInfo.InvariantCulture, $"- {watch.Subject}");
            text.AppendLine(watch.Intent is { } intent ? $" ({intent})" : "");
        }

        return text.ToString().TrimEnd();
    }

    /// <summary>The last messages of a transcript, the oldest first; rows that cannot be read are passed
    /// over.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static async Task<IReadOnlyList<string>> LastExchanges(string transcript, CancellationToken cancel)
    {
        await using var stream = TranscriptFolder.OpenShared(transcript);
        var lines = new BoundedLineReader(stream);
        var last = new Queue<string>();

        while (await lines.ReadLine(cancel) is { } line)
        {
            if (Exchange(line) is not { } exchange)
                continue;

            last.Enqueue(exchange);
            while (last.Count > MaxMessages || last.Sum(x => x.Length) > MaxLength)
                last.Dequeue();
        }

        return [.. last];
    }

    static string? Exchange(ReadOnlyMemory<byte> row)
    {
        try
        {
            using var json = JsonDocument.Parse(row);
            var root = json.RootElement;
            if (
                root.ValueKind is not JsonValueKind.Object
                || root.Text("type") is not { } who
                || who is not ("user" or "assistant")
                || root.Flag("isMeta")
                || root.Flag("isSidechain")
                || root.Flag("isApiErrorMessage")
                || root.Object("message") is not { } message
                || !message.TryGetProperty("content", out var content)
            )
                return null;

            var said = content.ValueKind switch
            {
                JsonValueKind.String => content.GetString()!,
                JsonValueKind.Array => string.Join('\n', content.EnumerateArray().Select(Block).OfType<string>()),
                _ => "",
            };
            return said.Trim() is { Length: > 0 } text ? $"{who}: {KeepEnd(text)}" : null;
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    static string? Block(JsonElement block) =>
        block.Text("type") switch
        {
            "text" => block.Text("text"),
            "tool_use" => $"(called {block.Text("name")})",
            _ => null,
        };

    // The end of a long message says more about where the work stood than its beginning.
    static string KeepEnd(string text)
    {
        if (text.Length <= MaxMessageLength)
            return text;

        var start = text.Length - MaxMessageLength;
        return $"[…] {text[(char.IsLowSurrogate(text[start]) ? start + 1 : start)..]}";
    }
}
