using System.Text.Json;

namespace Wake.Runner;

/// <summary>
/// Fields of the CLI's lines, read without trust: what is missing, of another type, out of range or half a character is
/// null.
/// </summary>
static class JsonFields
{
    public static string? Text(this JsonElement element, string name)
    {
        try
        {
            return element.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String
                ? value.GetString()
                : null;
        }
        catch (InvalidOperationException)
        {
            // A reply cut in the middle of a surrogate pair is valid JSON and no valid string.
            return null;
        }
    }

    public static bool Flag(this JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.True;

    public static decimal? Number(this JsonElement element, string name) =>
        element.TryGetProperty(name, out var value)
        && value.ValueKind is JsonValueKind.Number
        && value.TryGetDecimal(out var number)
            ? number
            : null;

    public static int? Int(this JsonElement element, string name) =>
        element.TryGetProperty(name, out var value)
        && value.ValueKind is JsonValueKind.Number
        && value.TryGetInt32(out var number)
            ? number
            : null;

    public static IEnumerable<string> Texts(this JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.Array
            ? value.EnumerateArray().Where(x => x.ValueKind is JsonValueKind.String).Select(OrEmpty)
            : [];

    public static JsonElement? Object(this JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.Object ? value : null;

    static string OrEmpty(JsonElement value)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            // As above.
            return "";
        }
    }
}
