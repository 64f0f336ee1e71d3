using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>A span as it was exported. Ids are in hex; <paramref name="Parent"/> is empty for a root.</summary>
public sealed record OtlpSpan(
    string Service,
    string Name,
    string Trace,
    string Id,
    string Parent,
    string State,
    IReadOnlyList<string> Links,
    IReadOnlyDictionary<string, string> Attributes
)
{
    /// <summary>Those of a request to <c>/v1/traces</c>.</summary>
    public static IEnumerable<OtlpSpan> In(ReadOnlyMemory<byte> request) =>
        from resource in ProtobufField.In(request)
        from scope in resource.All(2)
        from span in scope.All(2)
        select new OtlpSpan(
            Otlp.Attributes(resource.One(1), 1).GetValueOrDefault("service.name", ""),
            span.One(5).Text,
            span.One(1).Hex,
            span.One(2).Hex,
            span.One(4).Hex,
            span.One(3).Text,
            [.. span.All(13).Select(x => $"{x.One(1).Hex}-{x.One(2).Hex}")],
            Otlp.Attributes(span, 9)
        );
}

/// <summary>One data point of a metric.</summary>
public sealed record OtlpPoint(
    string Service,
    string Name,
    string Unit,
    double Value,
    IReadOnlyDictionary<string, string> Attributes
)
{
    /// <summary>Those of a request to <c>/v1/metrics</c>: gauges and sums with their value, histograms with their
    /// sum.</summary>
    public static IEnumerable<OtlpPoint> In(ReadOnlyMemory<byte> request) =>
        from resource in ProtobufField.In(request)
        from scope in resource.All(2)
        from metric in scope.All(2)
        from data in metric.Fields
        where data.Number is 5 or 7 or 9
        from point in data.All(1)
        select new OtlpPoint(
            Otlp.Attributes(resource.One(1), 1).GetValueOrDefault("service.name", ""),
            metric.One(1).Text,
            metric.One(3).Text,
            data.Number == 9 ? point.One(5).Real
                : point.All(6).Any() ? (long)point.One(6).Value
                : point.One(4).Real,
            Otlp.Attributes(point, data.Number == 9 ? 9 : 7)
        );
}

/// <summary>A line of a log.</summary>
public sealed record OtlpLog(IReadOnlyDictionary<string, string> Resource, string Body, string Trace)
{
    /// <summary>Those of a request to <c>/v1/logs</c>.</summary>
    public static IEnumerable<OtlpLog> In(ReadOnlyMemory<byte> request) =>
        from resource in ProtobufField.In(request)
        from scope in resource.All(2)
        from line in scope.All(2)
        select new OtlpLog(Otlp.Attributes(resource.One(1), 1), Otlp.Value(line.One(5)), line.One(9).Hex);
}

/// <summary>What spans, metrics and logs have in common.</summary>
static class Otlp
{
    public static IReadOnlyDictionary<string, string> Attributes(ProtobufField of, int number) =>
        of.All(number).ToDictionary(x => x.One(1).Text, x => Value(x.One(2)));

    public static string Value(ProtobufField any) =>
        any.Fields.LastOrDefault() switch
        {
            { Number: 1 } text => text.Text,
            { Number: 2 } yes => yes.Value == 1 ? "true" : "false",
            { Number: 3 } whole => $"{(long)whole.Value}",
            { Number: 4 } real => $"{real.Real}",
            { Number: 5 } list => string.Join(",", list.All(1).Select(Value)),
            _ => "",
        };
}
