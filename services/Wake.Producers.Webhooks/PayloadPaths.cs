using System.Text.Json;
using Wake.Contracts;
using Wake.Producing;

namespace Wake.Producers.Webhooks;

/// <summary>Where a payload has what an event needs: names joined by dots, an array's entry by its number.</summary>
public sealed class PayloadPaths
{
    /// <summary>The delivery's id.</summary>
    public string Id { get; init; } = "id";

    /// <summary>What kind of fact.</summary>
    public string Type { get; init; } = "type";

    /// <summary>What it is about.</summary>
    public string Subject { get; init; } = "subject";

    /// <summary>A sentence for the session that wakes.</summary>
    public string Reason { get; init; } = "reason";

    /// <summary>The fact's identity. Where a payload has none: its type, its subject, the hook and the delivery's id.</summary>
    public string DedupKey { get; init; } = "dedupKey";

    /// <summary>The text or number at a path; null when there is none.</summary>
    internal static string? Find(JsonElement payload, string path)
    {
        foreach (var name in path.Split('.'))
        {
            payload = payload.ValueKind is JsonValueKind.Array && int.TryParse(name, out var index) && index >= 0 && index < payload.GetArrayLength()
                ? payload[index] : payload.At(name);
        }

        return payload.Name();
    }

    /// <summary>The event a payload describes, as far as it does.</summary>
    /// <param name="payload">The payload.</param>
    /// <param name="delivery">The delivery.</param>
    /// <param name="idHeader">The header with the delivery's id, which counts more than the payload's.</param>
    internal Mapped Map(JsonElement payload, HookRequest delivery, string? idHeader)
    {
        if (Find(payload, Type) is not { } type)
            return Mapped.Nothing($"no type at {Type}");

        var id = (idHeader is null ? null : delivery.Header(idHeader)) ?? Find(payload, Id) ?? delivery.Id("");
        var (source, subject) = ($"webhook:{delivery.Hook}", Find(payload, Subject) ?? $"hook:{delivery.Hook}");
        return Mapped.Of(new()
        {
            Id = id,
            Source = source,
            Type = type,
            Subject = subject,

            // Two senders may count alike; a payload with a key of its own knows better.
            DedupKey = Find(payload, DedupKey) ?? $"{type}|{subject}|{source}|{id}",
            Reason = EventText.Reason(Find(payload, Reason) ?? $"{type} at {delivery.Hook}"),
            Time = payload.Time("timestamp"),
            Data = Whole(payload),
        });
    }

    /// <summary>The payload as data of an event, unless it is too large to be worth carrying or cannot be stored.</summary>
    internal static JsonElement? Whole(JsonElement payload)
    {
        try
        {
            return payload.GetRawText().Length <= EventLimits.Bytes / 8 ? payload : null;
        }
        catch (InvalidOperationException)
        {
            // Bytes that are no UTF-8.
            return null;
        }
    }
}
