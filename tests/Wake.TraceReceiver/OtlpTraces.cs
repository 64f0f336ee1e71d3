using System.Globalization;
using System.Text.Json.Nodes;
using Wake.Testing;

namespace Wake.Traces;

/// <summary>Translates OTLP traces from protobuf to OTLP's own JSON, with the fields that tell what hangs under
/// what.</summary>
/// <remarks>The numbers are those of opentelemetry-proto, where they will never change.</remarks>
static class OtlpTraces
{
    /// <summary>Translates one request.</summary>
    public static JsonObject ToJson(ReadOnlyMemory<byte> request) =>
        new() { ["resourceSpans"] = List(ProtobufField.In(request).Where(x => x.Number == 1), ResourceSpans) };

    static JsonObject ResourceSpans(ProtobufField message) =>
        new()
        {
            ["resource"] = new JsonObject { ["attributes"] = List(message.One(1).All(1), Attribute) },
            ["scopeSpans"] = List(message.All(2), x => new JsonObject { ["spans"] = List(x.All(2), Span) }),
        };

    static JsonObject Span(ProtobufField message) =>
        new()
        {
            ["traceId"] = message.One(1).Hex,
            ["spanId"] = message.One(2).Hex,
            ["parentSpanId"] = message.One(4).Hex,
            ["name"] = message.One(5).Text,
            ["startTimeUnixNano"] = Number(message.One(7)),
            ["endTimeUnixNano"] = Number(message.One(8)),
            ["attributes"] = List(message.All(9), Attribute),
            ["links"] = List(
                message.All(13),
                x => new JsonObject { ["traceId"] = x.One(1).Hex, ["spanId"] = x.One(2).Hex }
            ),
        };

    static JsonObject Attribute(ProtobufField message) =>
        new() { ["key"] = message.One(1).Text, ["value"] = Value(message.One(2)) };

    static JsonObject Value(ProtobufField any) =>
        any.Fields.LastOrDefault() switch
        {
            { Number: 1 } text => new() { ["stringValue"] = text.Text },
            { Number: 2 } yes => new() { ["boolValue"] = yes.Value != 0 },
            { Number: 3 } whole => new()
            {
                ["intValue"] = unchecked((long)whole.Value).ToString(CultureInfo.InvariantCulture),
            },
            { Number: 4 } real => new() { ["doubleValue"] = real.Real },
            _ => [],
        };

    static JsonArray List(IEnumerable<ProtobufField> fields, Func<ProtobufField, JsonNode> read) =>
        [.. fields.Select(read)];

    static string Number(ProtobufField number) => number.Value.ToString(CultureInfo.InvariantCulture);
}
