using System.Text.Json;
using Wake.Contracts;

namespace Wake.Store;

/// <summary>What of an event's data goes along with the question whether it is still so. The input is untrusted.</summary>
static class FactDetails
{
    // An id, a hash, a word: whatever is longer tells no fact from another.
    const int MaxText = 100;

    const int MaxFields = 40;

    /// <summary>The short texts and the numbers of an object, as JSON; an empty object where there are none.</summary>
    public static string Of(string? data)
    {
        try
        {
            return data is null ? "{}" : Of(JsonElement.Parse(data));
        }
        // What was too long was cut. Half of a surrogate pair json allows, and the reader refuses.
        catch (Exception odd) when (odd is JsonException or InvalidOperationException)
        {
            return "{}";
        }
    }

    static string Of(JsonElement data)
    {
        if (data.ValueKind is not JsonValueKind.Object)
            return "{}";

        var fields = new Dictionary<string, object>();
        foreach (var field in data.EnumerateObject())
        {
            if (fields.Count == MaxFields)
                break;
            if (field.Value.ValueKind is JsonValueKind.Number && field.Value.TryGetInt64(out var number))
                fields[field.Name] = number;
            else if (
                field.Value.ValueKind is JsonValueKind.String
                && field.Value.GetString() is { Length: <= MaxText } text
            )
                fields[field.Name] = StorableText.Sanitize(text);
        }

        return JsonSerializer.Serialize(fields);
    }
}
