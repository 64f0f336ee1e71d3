using System.Text.Json;

namespace Wake.Offline;

/// <summary>Reads JSON that may have any shape: what is missing or of another kind is empty.</summary>
static class JsonReading
{
    public static JsonElement Member(this JsonElement owner, string name) =>
        owner.ValueKind == JsonValueKind.Object && owner.TryGetProperty(name, out var value) ? value : default;

    public static string Text(this JsonElement owner, string name) =>
        owner.Member(name) is { ValueKind: JsonValueKind.String } text ? text.GetString()! : "";

    public static bool Is(this JsonElement owner, string name) => owner.Member(name).ValueKind == JsonValueKind.True;

    public static IEnumerable<JsonElement> Items(this JsonElement owner, string name) =>
        owner.Member(name) is { ValueKind: JsonValueKind.Array } items ? items.EnumerateArray() : [];
}
