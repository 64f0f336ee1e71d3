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
sealed class CloudEvents : ISender
{
    static readonly Generic Bearer = new(new() { Sender = SenderKind.CloudEvents, Scheme = SignatureScheme.Bearer });

    public string? Refusal(HookRequest delivery, IReadOnlyList<string> secrets, DateTimeOffset now) =>
        Bearer.Refusal(delivery, secrets, now);

    public Mapped Map(HookRequest delivery)
    {
        var content = delivery.Header("Content-Type") ?? "";

        // In this order: the first begins like the second.
        if (content.StartsWith("application/cloudevents-batch", StringComparison.OrdinalIgnoreCase))
            return Batch(delivery.Payload());
        if (content.StartsWith("application/cloudevents", StringComparison.OrdinalIgnoreCase))
            return One(delivery.Payload());
        if (delivery.Header("ce-specversion") is not null)
            return Binary(delivery, content);

        // A file, or a sender that forgot to say what it sends.
        var payload = delivery.Payload();
        return payload.ValueKind is JsonValueKind.Array ? Batch(payload) : One(payload);
    }

    // All or none, as at the HTTP door: the sender is told which of them is wrong.
    static Mapped Batch(JsonElement batch)
    {
        if (batch.ValueKind is not JsonValueKind.Array)
            return Mapped.Refused("A batch is an array of CloudEvents.");
        if (batch.GetArrayLength() > EventLimits.Batch)
            return Mapped.Refused(
                $"{batch.GetArrayLength()} CloudEvents; {EventLimits.Batch} are allowed in one batch."
            );

        var all = batch.EnumerateArray().Select(One).ToList();
        return all.FindIndex(x => x.Unreadable) is >= 0 and var wrong
            ? Mapped.Refused($"[{wrong}]: {all[wrong].Ignored}")
            : Mapped.All(all);
    }

    static Mapped One(JsonElement cloudEvent)
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
        return Of(
            name => cloudEvent.Name(name),
            encoded is not null ? Decoded(encoded, type)
                : cloudEvent.At("data") is { ValueKind: not JsonValueKind.Undefined } data ? data
                : null
        );
    }

    static Mapped Binary(HookRequest delivery, string content) =>
        Of(
            name => delivery.Header($"ce-{name}") is { } value ? Decode(value) : null,
            delivery.Body.IsEmpty ? null
                : IsJson(content) ? delivery.Payload()
                : Content(delivery.Body.Span, content)
        );

    static Mapped Of(Func<string, string?> attribute, JsonElement? data)
    {
        if (attribute("specversion") is not ("1.0" or "0.3"))
            return Mapped.Refused($"specversion is {attribute("specversion") ?? "missing"}; known are 1.0 and 0.3.");

        if (attribute("id") is not { } id || attribute("source") is not { } source || attribute("type") is not { } type)
            return Mapped.Refused("A CloudEvent has an id, a source and a type.");

        var subject = attribute("subject") ?? source;
        var mapped = Mapped.Of(
            new()
            {
                Id = id,
                Source = source,
                Type = type,
                Subject = subject,
                DedupKey = attribute("dedupkey"),
                Reason = EventText.Reason(
                    attribute("reason") ?? data?.Text("reason") ?? data?.Text() ?? $"{type}: {subject}"
                ),
                Delivery = attribute("delivery") == "ambient" ? Delivery.Ambient : Delivery.Wake,
                Actor = attribute("actor") is { } actor ? EventText.Clip(actor, EventText.Titled) : null,
                Time = EventTime.Read(attribute("time")),
                Data = data is { } whole ? PayloadPaths.Whole(whole) : null,
            }
        );
        return mapped.Ignored is { } why
            ? Mapped.Refused(why)
            : mapped with
            {
                Trace = KeptTrace.Of(attribute("traceparent"), attribute("tracestate")),
            };
    }

    // Without a type it is JSON, by the specification; what is said to be JSON and is not stays as it came.
    static JsonElement Decoded(string encoded, string? type)
    {
        var bytes = new byte[encoded.Length];
        if (!Convert.TryFromBase64String(encoded, bytes, out var length))
            return JsonSerializer.SerializeToElement(new { data_base64 = encoded });

        try
        {
            return type is null || IsJson(type)
                ? JsonElement.Parse(ByteOrderMark.Skip(bytes.AsSpan(0, length)), new() { MaxDepth = 64 })
                : Content(bytes.AsSpan(0, length), type);
        }
        catch (JsonException)
        {
            return JsonSerializer.SerializeToElement(new { data_base64 = encoded });
        }
    }

    // A text is data that says something itself; all else is only kept.
    static JsonElement Content(ReadOnlySpan<byte> bytes, string type) =>
        type.TrimStart().StartsWith("text/", StringComparison.OrdinalIgnoreCase)
            ? JsonSerializer.SerializeToElement(Encoding.UTF8.GetString(ByteOrderMark.Skip(bytes)))
            : JsonSerializer.SerializeToElement(new { data_base64 = Convert.ToBase64String(bytes) });

    static bool IsJson(string type) => type.Contains("json", StringComparison.OrdinalIgnoreCase);

    // Percent-encoded UTF-8, once, and perhaps quoted. What is no such encoding is the text itself: one SDK does not
    // encode.
    static string? Decode(string value)
    {
        if (value is ['"', .. var quoted, '"'])
            value = quoted
                .Replace("\\\"", "\"", StringComparison.Ordinal)
                .Replace("\\\\", "\\", StringComparison.Ordinal);

        return Strict(value) && !value.Contains('\uFFFD', StringComparison.Ordinal)
            ? Uri.UnescapeDataString(value)
            : null;
    }

    // UnescapeDataString leaves bytes that are no UTF-8 encoded, which would be neither refused nor decoded.
    static bool Strict(string value)
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
