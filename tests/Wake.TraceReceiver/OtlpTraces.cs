using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Wake.Traces;

/// <summary>Translates OTLP traces from protobuf to OTLP's own JSON, with the fields that tell what hangs under what.</summary>
/// <remarks>The numbers are those of opentelemetry-proto, where they will never change.</remarks>
static class OtlpTraces
{
    /// <summary>Translates one request.</summary>
    public static JsonObject ToJson(ReadOnlyMemory<byte> request) => new() { ["resourceSpans"] = All(request, 1, ResourceSpans) };

    static JsonObject ResourceSpans(ReadOnlyMemory<byte> message) => new()
    {
        ["resource"] = All(message, 1, x => new JsonObject { ["attributes"] = All(x, 1, Attribute) }).FirstOrDefault()?.DeepClone(),
        ["scopeSpans"] = All(message, 2, x => new JsonObject { ["spans"] = All(x, 2, Span) }),
    };

    static JsonObject Span(ReadOnlyMemory<byte> message) => new()
    {
        ["traceId"] = Hex(message, 1),
        ["spanId"] = Hex(message, 2),
        ["parentSpanId"] = Hex(message, 4),
        ["name"] = Text(message, 5),
        ["startTimeUnixNano"] = Number(message, 7),
        ["endTimeUnixNano"] = Number(message, 8),
        ["attributes"] = All(message, 9, Attribute),
        ["links"] = All(message, 13, x => new JsonObject { ["traceId"] = Hex(x, 1), ["spanId"] = Hex(x, 2) }),
    };

    static JsonObject Attribute(ReadOnlyMemory<byte> message) => new()
    {
        ["key"] = Text(message, 1),
        ["value"] = All(message, 2, Value).FirstOrDefault()?.DeepClone(),
    };

    static JsonObject Value(ReadOnlyMemory<byte> message)
    {
        foreach (var field in Fields(message))
        {
            switch (field.Number)
            {
                case 1: return new() { ["stringValue"] = Encoding.UTF8.GetString(field.Bytes.Span) };
                case 2: return new() { ["boolValue"] = field.Value != 0 };
                case 3: return new() { ["intValue"] = unchecked((long)field.Value).ToString(CultureInfo.InvariantCulture) };
                case 4: return new() { ["doubleValue"] = BitConverter.UInt64BitsToDouble(field.Value) };
            }
        }

        return [];
    }

    static JsonArray All(ReadOnlyMemory<byte> message, int number, Func<ReadOnlyMemory<byte>, JsonNode> read) =>
        [.. Fields(message).Where(x => x.Number == number).Select(x => read(x.Bytes))];

    static string Hex(ReadOnlyMemory<byte> message, int number) => Convert.ToHexStringLower(Last(message, number).Bytes.Span);

    static string Text(ReadOnlyMemory<byte> message, int number) => Encoding.UTF8.GetString(Last(message, number).Bytes.Span);

    static string Number(ReadOnlyMemory<byte> message, int number) => Last(message, number).Value.ToString(CultureInfo.InvariantCulture);

    static Field Last(ReadOnlyMemory<byte> message, int number) => Fields(message).LastOrDefault(x => x.Number == number);

    static IEnumerable<Field> Fields(ReadOnlyMemory<byte> message)
    {
        for (var at = 0; at < message.Length;)
        {
            var tag = Varint(message, ref at);
            var (number, kind) = ((int)(tag >> 3), (int)(tag & 7));
            switch (kind)
            {
                case 0:
                    yield return new(number, Varint(message, ref at), default);
                    break;

                case 1 or 5:
                    var width = kind == 1 ? 8 : 4;
                    yield return new(number, Fixed(message.Slice(at, width)), default);
                    at += width;
                    break;

                case 2:
                    var length = checked((int)Varint(message, ref at));
                    yield return new(number, 0, message.Slice(at, length));
                    at += length;
                    break;

                default:
                    throw new FormatException($"Wire type {kind} is none that OTLP uses.");
            }
        }
    }

    static ulong Fixed(ReadOnlyMemory<byte> bytes) =>
        bytes.Length == 8 ? BitConverter.ToUInt64(bytes.Span) : BitConverter.ToUInt32(bytes.Span);

    static ulong Varint(ReadOnlyMemory<byte> message, ref int at)
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            var part = message.Span[at++];
            value |= (ulong)(part & 0x7f) << shift;
            if (part < 0x80)
                return value;
        }
    }

    /// <summary>One field: a number, or bytes.</summary>
    readonly record struct Field(int Number, ulong Value, ReadOnlyMemory<byte> Bytes);
}
