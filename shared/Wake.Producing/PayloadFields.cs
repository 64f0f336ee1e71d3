using System.Globalization;
using System.Text.Json;
using Wake.Contracts;

namespace Wake.Producing;

/// <summary>
/// Fields of payloads, read without trust: what is missing, null, of another kind, out of range or not Unicode is null.
/// </summary>
public static class PayloadFields
{
    /// <summary>What stands at the end of a path of names; undefined when the path ends before.</summary>
    public static JsonElement At(this JsonElement element, params ReadOnlySpan<string> path)
    {
        try
        {
            foreach (var name in path)
            {
                if (element.ValueKind is not JsonValueKind.Object || !element.TryGetProperty(name, out element))
                    return default;
            }
        }
        catch (InvalidOperationException)
        {
            // A name of the payload is escaped and not Unicode.
            return default;
        }

        return element;
    }

    /// <summary>Whether there is anything but null.</summary>
    public static bool Has(this JsonElement element, params ReadOnlySpan<string> path) =>
        element.At(path).ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null);

    /// <summary>A text that is not blank.</summary>
    public static string? Text(this JsonElement element, params ReadOnlySpan<string> path)
    {
        var value = element.At(path);
        try
        {
            return
                value.ValueKind is JsonValueKind.String
                && value.GetString() is var text
                && !string.IsNullOrWhiteSpace(text)
                ? text
                : null;
        }
        catch (InvalidOperationException)
        {
            // Half of a surrogate pair, or bytes that are no UTF-8: valid JSON and no valid string.
            return null;
        }
    }

    /// <summary>A whole number; the ids of forges exceed 32 bits.</summary>
    public static long? Number(this JsonElement element, params ReadOnlySpan<string> path) =>
        element.At(path) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt64(out var number)
            ? number
            : null;

    /// <summary>Whether it says true.</summary>
    public static bool Flag(this JsonElement element, params ReadOnlySpan<string> path) =>
        element.At(path).ValueKind is JsonValueKind.True;

    /// <summary>A number or a text, as text: what identifies a thing.</summary>
    public static string? TextOrNumber(this JsonElement element, params ReadOnlySpan<string> path) =>
        element.Number(path)?.ToString(CultureInfo.InvariantCulture) ?? element.Text(path);

    /// <summary>The login of an account as keys have it: forges do not tell cases apart, and write them as they
    /// like.</summary>
    public static string? Login(this JsonElement element, string account) =>
        element.Text(account, "login")?.ToLowerInvariant();

    /// <summary>The entries of an array; none when it is no array.</summary>
    public static IEnumerable<JsonElement> Items(this JsonElement element, params ReadOnlySpan<string> path) =>
        element.At(path) is { ValueKind: JsonValueKind.Array } array ? array.EnumerateArray() : [];

    /// <summary>A moment, in any of the ways that <see cref="EventTime"/> reads.</summary>
    public static DateTimeOffset? Time(this JsonElement element, params ReadOnlySpan<string> path) =>
        element.At(path) is { ValueKind: JsonValueKind.Number } number
            ? number.TryGetDecimal(out var value)
                ? EventTime.Parse(value)
                : null
            : EventTime.Parse(element.Text(path));

    /// <summary>A moment as dedup keys have it: UTC, whole seconds.</summary>
    public static string? TimeForKey(this JsonElement element, params ReadOnlySpan<string> path) =>
        element.Time(path)?.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
