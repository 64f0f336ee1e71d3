using System.Text.Json;
using System.Text.Json.Nodes;

namespace Wake.Producing;

/// <summary>Builds <c>Data</c> of an event: a few fields worth reading, and nothing for those that are not
/// there.</summary>
public sealed class EventData
{
    readonly JsonObject fields = [];

    /// <summary>A text; cut where it is longer than a title, or as told.</summary>
    public EventData Add(string name, string? text, int limit = EventText.MaxTitleLength)
    {
        if (text is not null)
            fields[name] = EventText.Truncate(text, limit);
        return this;
    }

    /// <summary>A number.</summary>
    public EventData Add(string name, long? number)
    {
        if (number is not null)
            fields[name] = number;
        return this;
    }

    /// <summary>A flag, which is there only when it is true.</summary>
    public EventData Add(string name, bool flag)
    {
        if (flag)
            fields[name] = true;
        return this;
    }

    /// <summary>A list; left out when it is empty.</summary>
    public EventData Add(string name, IEnumerable<EventData> items)
    {
        if (items.Select(x => (JsonNode?)x.fields).ToArray() is { Length: > 0 } all)
            fields[name] = new JsonArray(all);
        return this;
    }

    /// <summary>An address, or nothing: an address that was cut leads somewhere else.</summary>
    public EventData AddLink(string? address)
    {
        if (address is { Length: <= 300 })
            fields["link"] = EventText.Truncate(address, 300);
        return this;
    }

    /// <summary>The fields as an event carries them.</summary>
    public JsonElement ToElement() => JsonSerializer.SerializeToElement(fields);
}
