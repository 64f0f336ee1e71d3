using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>JSON as the real program writes it: one line, characters unescaped.</summary>
static class Json
{
    public static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    static readonly JsonWriterOptions Writing = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] ToBytes(this JsonNode node)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, Writing))
            node.WriteTo(writer);
        return buffer.ToArray();
    }

    public static string ToLine(this JsonNode node) => Utf8.GetString(node.ToBytes());

    /// <summary>Null when the text is no JSON object.</summary>
    public static JsonObject? Parse(string text)
    {
        try
        {
            return JsonNode.Parse(text) as JsonObject;
        }
        // Callers decide what a damaged line means: the real program skips it in a transcript and dies of it on stdin.
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>What is at a path of property names, or null where anything on the way is missing or of another
    /// kind.</summary>
    public static JsonNode? At(this JsonNode? node, params ReadOnlySpan<string> path)
    {
        foreach (var name in path)
            node = (node as JsonObject)?[name];
        return node;
    }

    /// <summary>The string at a path, or null.</summary>
    public static string? Text(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.At(path) is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    public static bool Flag(this JsonNode? node, string name) =>
        node.At(name) is JsonValue value && value.TryGetValue(out bool flag) && flag;

    /// <summary>What a person wrote: a string, or the text blocks of a list; null for tool results and
    /// pictures.</summary>
    public static string? Prose(JsonNode? content) =>
        content switch
        {
            JsonValue => content.Text(),
            JsonArray blocks when blocks.Any(x => x.Text("type") == "text") => string.Concat(
                blocks.Where(x => x.Text("type") == "text").Select(x => x.Text("text"))
            ),
            _ => null,
        };
}
