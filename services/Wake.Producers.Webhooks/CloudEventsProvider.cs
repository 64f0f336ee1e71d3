using System.Text;
using System.Text.Json;
using Wake.Contracts;
using Wake.Producing;
using Wake.ServiceDefaults;

namespace Wake.Producers.Webhooks;

/// <summary>
/// CloudEvents 1.0 and 0.3 over HTTP: one in headers and body, one as JSON, or a batch; with a bearer token. What
/// cannot be read is answered with 400 and the reason. A text in place of JSON is the reason of its event.
/// </summary>
sealed class CloudEventsProvider : IWebhookProvider
{
    static readonly GenericWebhookProvider Bearer = new(
        new() { Sender = WebhookProviderKind.CloudEvents, Scheme = SignatureScheme.Bearer }
    );

    public string? VerificationFailure(WebhookRequest delivery, IReadOnlyList<string> secrets, DateTimeOffset now) =>
        Bearer.VerificationFailure(delivery, secrets, now);

    public EventMapping Map(WebhookRequest delivery)
    {
        var content = delivery.Header("Content-Type") ?? "";

        // In this order: the first begins like the second.
        if (content.StartsWith("application/cloudevents-batch", StringComparison.OrdinalIgnoreCase))
            return Batch(delivery.Payload());
        if (content.StartsWith("application/cloudevents", StringComparison.OrdinalIgnoreCase))
            return Structured(delivery.Payload());
        if (delivery.Header("ce-specversion") is not null)
            return Binary(delivery, content);

        // A file, or a sender that forgot to say what it sends.
        var payload = delivery.Payload();
        return payload.ValueKind is JsonValueKind.Array ? Batch(payload) : Structured(payload);
    }

    // All or none, as at the HTTP door: the sender is told which of them is wrong.
    static EventMapping Batch(JsonElement batch)
    {
        if (batch.ValueKind is not JsonValueKind.Array)
            return EventMapping.RejectMalformed("A batch is an array of CloudEvents.");
        if (batch.GetArrayLength() > EventLimits.MaxBatchSize)
            return EventMapping.RejectMalformed(
                $"{batch.GetArrayLength()} CloudEvents; {EventLimits.MaxBatchSize} are allowed in one batch."
            );

        var all = batch.EnumerateArray().Select(Structured).ToList();
        return all.FindIndex(x => x.IsMalformed) is >= 0 and var wrong
            ? EventMapping.RejectMalformed($"[{wrong}]: {all[wrong].IgnoredReason}")
            : EventMapping.Combine(all);
    }

    static EventMapping Structured(JsonElement cloudEvent)
    {
        var type = cloudEvent.Text("datacontenttype");
        var encoded =
            cloudEvent.Text("data_base64")
            // As version 0.3 says it.
            ?? (
                cloudEvent.Text("datacontentencoding") is { } encoding
                && encoding.Equals("base64", StringComparison.OrdinalIgnoreCase)
                    ? cloudEvent.Text("data")
                    : null
            );
        return FromAttributes(
            name => cloudEvent.TextOrNumber(name),
            encoded is not null ? DecodeBase64(encoded, type)
                : cloudEvent.At("data") is { ValueKind: not JsonValueKind.Undefined } data ? data
                : null
        );
    }

    static EventMapping Binary(WebhookRequest delivery, string content) =>
        FromAttributes(
            name => delivery.Header($"ce-{name}") is { } value ? DecodeHeader(value) : null,
            delivery.Body.IsEmpty ? null
                : IsJson(content) ? delivery.Payload()
                : ToData(delivery.Body.Span, content)
        );

    static EventMapping FromAttributes(Func<string, string?> attribute, JsonElement? data)
    {
        if (attribute("specversion") is not ("1.0" or "0.3"))
            return EventMapping.RejectMalformed(
                $"specversion is {attribute("specversion") ?? "missing"}; known are 1.0 and 0.3."
            );

        if (attribute("id") is not { } id || attribute("source") is not { } source || attribute("type") is not { } type)
            return EventMapping.RejectMalformed("A CloudEvent has an id, a source and a type.");

        var subject = attribute("subject") ?? source;
        var mapped = EventMapping.FromEvent(
            new()
            {
                Id = id,
                Source = source,
                Type = type,
                Subject = subject,
                DedupKey = attribute("dedupkey"),
                Reason = EventText.TruncateReason(
                    attribute("reason") ?? data?.Text("reason") ?? data?.Text() ?? $"{type}: {subject}"
                ),
                Delivery = attribute("delivery") == "ambient" ? Delivery.Ambient : Delivery.Wake,
                Actor = attribute("actor") is { } actor ? EventText.Truncate(actor, EventText.MaxTitleLength) : null,
                Time = EventTime.Parse(attribute("time")),
                Data = data is { } whole ? PayloadPaths.ToEventData(whole) : null,
            }
        );
        return mapped.IgnoredReason is { } why
            ? EventMapping.RejectMalformed(why)
            : mapped with
            {
                Trace = TraceContext.Parse(attribute("traceparent"), attribute("tracestate")),
            };
    }

    // Without a type it is JSON, by the specification; what is said to be JSON and is not stays as it came.
    static JsonElement DecodeBase64(string encoded, string? type)
    {
        var bytes = new byte[encoded.Length];
        if (!Convert.TryFromBase64String(encoded, bytes, out var length))
            return JsonSerializer.SerializeToElement(new { data_base64 = encoded });

        try
        {
            return type is null || IsJson(type)
                ? JsonElement.Parse(ByteOrderMark.Skip(bytes.AsSpan(0, length)), new() { MaxDepth = 64 })
                : ToData(bytes.AsSpan(0, length), type);
        }
        catch (JsonException)
        {
            return JsonSerializer.SerializeToElement(new { data_base64 = encoded });
        }
    }

    // A text is data that says something itself; all else is only kept.
    static JsonElement ToData(ReadOnlySpan<byte> bytes, string type) =>
        type.TrimStart().StartsWith("text/", StringComparison.OrdinalIgnoreCase)
            ? JsonSerializer.SerializeToElement(Encoding.UTF8.GetString(ByteOrderMark.Skip(bytes)))
            : JsonSerializer.SerializeToElement(new { data_base64 = Convert.ToBase64String(bytes) });

    static bool IsJson(string type) => type.Contains("json", StringComparison.OrdinalIgnoreCase);

    // Percent-encoded UTF-8, once, and perhaps quoted. What is no such encoding is the text itself: one SDK does not
    // encode.
    static string? DecodeHeader(string value)
    {
        if (value is ['"', .. var quoted, '"'])
            value = quoted
                .Replace("\\\"", "\"", StringComparison.Ordinal)
                .Replace("\\\\", "\\", StringComparison.Ordinal);

        return IsPercentEncodedUtf8(value) && !value.Contains('\uFFFD', StringComparison.Ordinal)
            ? Uri.UnescapeDataString(value)
            : null;
    }

    // UnescapeDataString leaves bytes that are no UTF-8 encoded, which would be neither refused nor decoded.
    static bool IsPercentEncodedUtf8(string value)
    {
        for (var i = 0; i < value.Length; i++)
        {
            if (value[i] != '%')
                continue;

            var bytes = new List<byte>();
            for (
                ;
                i + 2 < value.Length
                    && value[i] == '%'
                    && char.IsAsciiHexDigit(value[i + 1])
                    && char.IsAsciiHexDigit(value[i + 2]);
                i += 3
            )
                bytes.Add(Convert.ToByte(value.Substring(i + 1, 2), 16));
            try
            {
                new UTF8Encoding(false, throwOnInvalidBytes: true).GetCharCount([.. bytes]);
            }
            catch (DecoderFallbackException)
            {
                // That is the answer.
                return false;
            }
        }

        return true;
    }
}
