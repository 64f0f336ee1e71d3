using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Wake.Contracts;
using Wake.Producing;

namespace Wake.Producers.Webhooks;

/// <summary>
/// Where a delivery has what an event needs. Each is a path in the payload (<c>repository.full_name</c>; names joined
/// by dots, an array's entry by its number), a header (<c>header:X-Event-Key</c>), a text that is always the same
/// (<c>text:deploy.finished</c>), or put together from paths and headers in braces:
/// <c>bitbucket:{repository.full_name}#{pullrequest.id}</c>.
/// </summary>
public sealed partial class PayloadPaths
{
    const string HeaderPrefix = "header:",
        TextPrefix = "text:";

    /// <summary>The delivery's id.</summary>
    public string Id { get; init; } = "id";

    /// <summary>What kind of fact.</summary>
    public string Type { get; init; } = "type";

    /// <summary>What it is about. Where a delivery has none: <c>hook:NAME</c>.</summary>
    public string Subject { get; init; } = "subject";

    /// <summary>A sentence for the session that wakes.</summary>
    public string Reason { get; init; } = "reason";

    /// <summary>The fact's identity. Where a delivery has none: its type, its subject, the hook and the delivery's
    /// id.</summary>
    public string DedupKey { get; init; } = "dedupKey";

    /// <summary>Who caused it.</summary>
    public string Actor { get; init; } = "actor";

    /// <summary>When it happened.</summary>
    public string Time { get; init; } = "timestamp";

    (string Name, string Place)[] Places =>
        [
            (nameof(Id), Id),
            (nameof(Type), Type),
            (nameof(Subject), Subject),
            (nameof(Reason), Reason),
            (nameof(DedupKey), DedupKey),
            (nameof(Actor), Actor),
            (nameof(Time), Time),
        ];

    /// <summary>What is wrong with the descriptions, in a sentence; null when nothing is.</summary>
    internal string? Problem() =>
        Places
            .Select(x => Problem(x.Place) is { } problem ? $"Paths:{x.Name}: {problem}" : null)
            .FirstOrDefault(x => x is not null);

    /// <summary>The first of the descriptions that reads a header other than these; null when none does.</summary>
    internal string? ReadsHeader(params ReadOnlySpan<string> signed)
    {
        foreach (var (name, place) in Places)
        {
            foreach (var header in HeadersOf(place))
            {
                if (!signed.Contains(header, StringComparer.OrdinalIgnoreCase))
                    return $"Paths:{name}";
            }
        }

        return null;
    }

    static IEnumerable<string> HeadersOf(string place) =>
        place.StartsWith(TextPrefix, StringComparison.Ordinal)
            ? []
            : (
                place.Contains('{', StringComparison.Ordinal)
                    ? Braces().Matches(place).Select(x => x.Groups[1].Value)
                    : [place]
            )
                .Where(x => x.StartsWith(HeaderPrefix, StringComparison.Ordinal))
                .Select(x => x[HeaderPrefix.Length..]);

    /// <summary>The event a delivery describes, as far as it does.</summary>
    /// <param name="payload">The payload.</param>
    /// <param name="delivery">The delivery.</param>
    /// <param name="idHeader">The header with the delivery's id, which counts more than the payload's.</param>
    /// <param name="isIdProven">
    /// Whether that header is as genuine as the payload. Where it is not it names the observation alone: otherwise
    /// whoever has a delivery could tell its fact again and again, under one id after the other.
    /// </param>
    internal EventMapping Map(JsonElement payload, WebhookRequest delivery, string? idHeader, bool isIdProven)
    {
        if (Find(payload, delivery, Type) is not { } type)
            return EventMapping.Ignore($"no type at {Type}");

        var given = idHeader is null ? null : delivery.Header(idHeader);
        var own = Find(payload, delivery, Id) ?? delivery.Fingerprint;
        var id = given ?? own;
        var (source, subject) = (
            $"webhook:{delivery.HookName}",
            Find(payload, delivery, Subject) ?? $"hook:{delivery.HookName}"
        );
        return EventMapping.FromEvent(
            new()
            {
                Id = id,
                Source = source,
                Type = type,
                Subject = subject,

                // Two senders may count alike; a payload with a key of its own knows better.
                DedupKey = Find(payload, delivery, DedupKey) ?? $"{type}|{subject}|{source}|{(isIdProven ? id : own)}",
                Reason = EventText.TruncateReason(Find(payload, delivery, Reason) ?? $"{type} at {delivery.HookName}"),
                Actor = Find(payload, delivery, Actor) is { } actor
                    ? EventText.Truncate(actor, EventText.MaxTitleLength)
                    : null,
                Time = EventTime.Parse(Find(payload, delivery, Time)),
                Data = ToEventData(payload),
            }
        );
    }

    /// <summary>When a delivery says that it was made; null when it says nothing that can be read.</summary>
    internal DateTimeOffset? CreatedAt(JsonElement payload, WebhookRequest delivery) =>
        EventTime.Parse(Find(payload, delivery, Time));

    /// <summary>The payload as data of an event, unless it is too large to be worth carrying or cannot be
    /// stored.</summary>
    internal static JsonElement? ToEventData(JsonElement payload)
    {
        try
        {
            return payload.GetRawText().Length <= EventLimits.MaxBytes / 8 ? payload : null;
        }
        catch (InvalidOperationException)
        {
            // Bytes that are no UTF-8.
            return null;
        }
    }

    // What stands at a place; null when it, or any part that it is put together from, is not there.
    static string? Find(JsonElement payload, WebhookRequest delivery, string place)
    {
        if (place.StartsWith(TextPrefix, StringComparison.Ordinal))
            return place[TextPrefix.Length..];
        if (!place.Contains('{', StringComparison.Ordinal))
            return Resolve(payload, delivery, place);

        var (text, from) = (new StringBuilder(), 0);
        foreach (Match part in Braces().Matches(place))
        {
            if (Resolve(payload, delivery, part.Groups[1].Value) is not { } found)
                return null;
            text.Append(place.AsSpan(from, part.Index - from)).Append(found);
            from = part.Index + part.Length;
        }

        return text.Append(place.AsSpan(from)).ToString();
    }

    static string? Resolve(JsonElement payload, WebhookRequest delivery, string place)
    {
        if (place.StartsWith(HeaderPrefix, StringComparison.Ordinal))
            return delivery.Header(place[HeaderPrefix.Length..]);

        foreach (var name in place.Split('.'))
        {
            payload =
                payload.ValueKind is JsonValueKind.Array
                && int.TryParse(name, out var index)
                && index >= 0
                && index < payload.GetArrayLength()
                    ? payload[index]
                    : payload.At(name);
        }

        return payload.TextOrNumber();
    }

    static string? Problem(string place)
    {
        if (place.StartsWith(TextPrefix, StringComparison.Ordinal))
            return string.IsNullOrWhiteSpace(place[TextPrefix.Length..]) ? "text: needs a text." : null;
        if (place.AsSpan().ContainsAny('{', '}'))
        {
            return Braces().Replace(place, "").AsSpan().ContainsAny('{', '}')
                ? $"the braces in {place} do not match."
                : Braces().Matches(place).Select(x => Problem(x.Groups[1].Value)).FirstOrDefault(x => x is not null);
        }

        return place.StartsWith(HeaderPrefix, StringComparison.Ordinal)
            ? HeaderName().IsMatch(place[HeaderPrefix.Length..])
                ? null
                : "header: needs the name of a header."
            : place.Split('.').Any(string.IsNullOrWhiteSpace)
                ? $"{(place.Length > 0 ? place : "an empty text")} is no path: names joined by dots."
                : null;
    }

    [GeneratedRegex("[{]([^{}]*)[}]")]
    private static partial Regex Braces();

    [GeneratedRegex("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
    private static partial Regex HeaderName();
}
