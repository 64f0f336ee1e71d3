using System.Text.Json;
using Wake.Contracts;

namespace Wake.Store;

/// <summary>What of an event's data goes along with the question whether it is still so. The input is
/// untrusted.</summary>
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
        // What was too long was cut.
        catch (JsonException)
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
            if (Value(field) is var (name, value))
                fields[name] = value;
        }

        return JsonSerializer.Serialize(fields);
    }

    static (string Name, object Value)? Value(JsonProperty field)
    {
        try
        {
            return field.Value.ValueKind switch
            {
                JsonValueKind.Number when field.Value.TryGetInt64(out var number) => (field.Name, number),
                JsonValueKind.String when field.Value.GetString() is { Length: <= MaxText } text => (
                    field.Name,
                    StorableText.Sanitize(text)
                ),
                _ => null,
            };
        }
        // Half of a surrogate pair, which json allows and the reader refuses.
        catch (InvalidOperationException)
        {
            return null;
        }
    }
}
