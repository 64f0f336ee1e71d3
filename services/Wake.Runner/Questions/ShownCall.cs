using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Wake.ServiceDefaults;

namespace Wake.Runner;

/// <summary>
/// The whole of a tool call, as a person is shown it before it is allowed: its input as JSON, in which everything that
/// cannot be seen is an escape. A call is allowed by the hash of exactly this, and made only if the CLI asks for one
/// with the same hash.
/// </summary>
/// <param name="Text">The input.</param>
/// <param name="Hash">The SHA-256 of the tool, a line feed and the text, in hexadecimal.</param>
sealed record ShownCall(string Text, string Hash)
{
    /// <summary>Far beyond what a person would read. A call that is longer is not asked about, and so not
    /// made.</summary>
    public const int MaxLength = 256 * 1024;

    /// <summary>Whether something else may stand there than the person sees: another secret looks the same, and the
    /// word in its place could be the session's own.</summary>
    public bool HidesSomething => Text.Contains(Redaction.Instead, StringComparison.Ordinal);

    static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The call; null when it is too long, or nothing that can be shown.</summary>
    /// <param name="call">What the CLI asks.</param>
    /// <param name="environment">
    /// The CLI's. The values of its secrets are left out, which are the owner's and known to them. What only looks like
    /// a secret stays: the session has written it, and could hide a command in it.
    /// </param>
    public static ShownCall? From(ControlRequest call, IReadOnlyDictionary<string, string> environment)
    {
        if (
            call is not { Tool: { } tool, Input: { Length: <= MaxLength } input }
            || VisibleText.ReplaceInvisible(tool, Escaped) != tool
        )
            return null;

        try
        {
            var text = VisibleText.ReplaceInvisible(
                RedactSecrets(JsonNode.Parse(input), environment)!.ToJsonString(Readable),
                Escaped
            );
            return text.Length > MaxLength
                ? null
                : new(text, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{tool}\n{text}"))));
        }
        catch (Exception odd) when (odd is InvalidOperationException or ArgumentException or JsonException)
        {
            // Half a character, one field twice, or too deep.
            return null;
        }
    }

    /// <summary>Whether two calls of a tool do the same: what only describes a command to people makes no
    /// difference.</summary>
    public static bool IsSameCall(string tool, string one, string other)
    {
        return one == other || (tool == ClaudeProtocol.ShellTool && JsonNode.DeepEquals(Done(one), Done(other)));

        static JsonNode? Done(string text)
        {
            var call = JsonNode.Parse(text);
            (call as JsonObject)?.Remove("description");
            return call;
        }
    }

    static JsonNode? RedactSecrets(JsonNode? value, IReadOnlyDictionary<string, string> environment) =>
        value switch
        {
            JsonObject all => new JsonObject(
                all.Select(x => KeyValuePair.Create(x.Key, RedactSecrets(x.Value, environment)))
            ),
            JsonArray all => new JsonArray([.. all.Select(x => RedactSecrets(x, environment))]),
            JsonValue one when one.GetValueKind() is JsonValueKind.String => Redaction.RedactValues(
                one.GetValue<string>(),
                environment
            ),
            _ => value?.DeepClone(),
        };

    // As JSON does, so that the text stays JSON and an escape that the session has written is told from one of these.
    static string Escaped(Rune rune) => string.Concat(rune.ToString().Select(x => $"\\u{(int)x:x4}"));
}
