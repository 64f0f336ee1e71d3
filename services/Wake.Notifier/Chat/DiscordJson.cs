using System.Globalization;
using System.Text.Json;

namespace Wake.Notifier;

/// <summary>What Discord says, read without trust.</summary>
static class DiscordJson
{
    /// <summary>A property of an object; null when there is none, or it is null, or this is no object.</summary>
    public static JsonElement? TryFind(this JsonElement json, string name) =>
        json.ValueKind is JsonValueKind.Object
        && json.TryGetProperty(name, out var value)
        && value.ValueKind is not JsonValueKind.Null
            ? value
            : null;

    /// <summary>A text of an object; null when there is none.</summary>
    public static string? TryText(this JsonElement json, string name) =>
        json.TryFind(name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    /// <summary>A number of an object; 0 when there is none.</summary>
    public static long Number(this JsonElement json, string name) =>
        json.TryFind(name) is { ValueKind: JsonValueKind.Number } number && number.TryGetInt64(out var value)
            ? value
            : 0;

    /// <summary>The id of an object, which rises with time.</summary>
    public static ulong Id(this JsonElement json) =>
        ulong.TryParse(json.TryText("id"), CultureInfo.InvariantCulture, out var id)
            ? id
            : throw new ChatException("Discord: something has no id");

    /// <summary>The first id of a moment: ids begin with the milliseconds since 2015.</summary>
    public static ulong FirstId(DateTimeOffset at) => (ulong)(at.ToUnixTimeMilliseconds() - 1_420_070_400_000) << 22;
}
