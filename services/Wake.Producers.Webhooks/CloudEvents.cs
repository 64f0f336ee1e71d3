using System.Globalization;
using System.Text;
using System.Text.Json;
using Wake.Contracts;
using Wake.Producing;
using Wake.ServiceDefaults;

namespace Wake.Producers.Webhooks;

/// <summary>CloudEvents 1.0 over HTTP: one in headers and body, one as JSON, or a batch; with a bearer token.</summary>
sealed class CloudEvents : ISender
{
    static readonly Generic Bearer = new(new() { Sender = SenderKind.CloudEvents, Scheme = SignatureScheme.Bearer });

    public bool Guessable => true;

    public string? Refusal(HookRequest delivery, IReadOnlyList<string> secrets, DateTimeOffset now) => Bearer.Refusal(delivery, secrets, now);

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

    static Mapped Batch(JsonElement batch) =>
        batch.ValueKind is not JsonValueKind.Array ? Mapped.Nothing("a batch that is no array")
        : batch.GetArrayLength() > EventLimits.Batch ? Mapped.Nothing($"a batch of more than {EventLimits.Batch}")
        : Mapped.All([.. batch.EnumerateArray().Select(One)]);

    static Mapped One(JsonElement cloudEvent) => Of(
        name => cloudEvent.Text(name),
        cloudEvent.At("data") is { ValueKind: not JsonValueKind.Undefined } data ? data : null);

    static Mapped Binary(HookRequest delivery, string content) => Of(
        name => delivery.Header($"ce-{name}") is { } value ? Decode(value) : null,
        content.Contains("json", StringComparison.OrdinalIgnoreCase) && delivery.Body.Length > 0 ? delivery.Payload() : null);

    static Mapped Of(Func<string, string?> attribute, JsonElement? data)
    {
        if (attribute("specversion") is not "1.0")
            return Mapped.Nothing("no CloudEvent of version 1.0");

        if (attribute("id") is not { } id || attribute("source") is not { } source || attribute("type") is not { } type)
            return Mapped.Nothing("a CloudEvent without id, source or type");

        var subject = attribute("subject") ?? source;
        return Mapped.Of(new()
        {
            Id = id,
            Source = source,
            Type = type,
            Subject = subject,
            DedupKey = attribute("dedupkey"),
            Reason = EventText.Reason(attribute("reason") ?? data?.Text("reason") ?? $"{type}: {subject}"),
            Delivery = attribute("delivery") == "ambient" ? Delivery.Ambient : Delivery.Wake,
            Time = attribute("time") is { } time && DateTimeOffset.TryParse(time, CultureInfo.InvariantCulture, out var at) ? at : null,
            Data = data is { } whole ? PayloadPaths.Whole(whole) : null,
        }) with { Trace = KeptTrace.Of(attribute("traceparent"), attribute("tracestate")) };
    }

    // Percent-encoded UTF-8, once, and perhaps quoted. What is no such encoding is the text itself: one SDK does not encode.
    static string? Decode(string value)
    {
        if (value is ['"', .. var quoted, '"'])
            value = quoted.Replace("\\\"", "\"", StringComparison.Ordinal).Replace("\\\\", "\\", StringComparison.Ordinal);

        return Strict(value) && !value.Contains('\uFFFD', StringComparison.Ordinal) ? Uri.UnescapeDataString(value) : null;
    }

    // UnescapeDataString leaves bytes that are no UTF-8 encoded, which would be neither refused nor decoded.
    static bool Strict(string value)
    {
        for (var i = 0; i < value.Length; i++)
        {
            if (value[i] != '%')
                continue;

            var bytes = new List<byte>();
            for (; i + 2 < value.Length && value[i] == '%' && char.IsAsciiHexDigit(value[i + 1]) && char.IsAsciiHexDigit(value[i + 2]); i += 3)
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
