using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Wake.Offline;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>A collector on loopback: takes OTLP over HTTP from anybody and keeps what it was told.</summary>
public sealed class OtlpReceiver : IAsyncDisposable
{
    readonly WebApplication app = LoopbackServer.Build(IPAddress.Loopback, 0);
    readonly ConcurrentQueue<OtlpSpan> spans = new();
    readonly ConcurrentQueue<OtlpPoint> points = new();
    readonly ConcurrentQueue<OtlpLog> logs = new();

    public IReadOnlyCollection<OtlpSpan> Spans => spans;

    public IReadOnlyCollection<OtlpPoint> Points => points;

    public IReadOnlyCollection<OtlpLog> Logs => logs;

    /// <summary>What was sent as <c>Authorization</c>.</summary>
    public ConcurrentQueue<string> Authorizations { get; } = new();

    /// <summary>What a process is given so that it reports here, and soon.</summary>
    public Dictionary<string, string> Environment =>
        new()
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = app.Urls.Single(),
            ["OTEL_BSP_SCHEDULE_DELAY"] = "100",
            ["OTEL_BLRP_SCHEDULE_DELAY"] = "100",
            ["OTEL_METRIC_EXPORT_INTERVAL"] = "500",
        };

    public static async Task<OtlpReceiver> Start()
    {
        var receiver = new OtlpReceiver();
        receiver.Take("/v1/traces", OtlpSpan.In, receiver.spans);
        receiver.Take("/v1/metrics", OtlpPoint.In, receiver.points);
        receiver.Take("/v1/logs", OtlpLog.In, receiver.logs);
        await receiver.app.StartAsync();
        return receiver;
    }

    /// <summary>Waits for a span.</summary>
    public Task<OtlpSpan> Span(Func<OtlpSpan, bool> which, string what) =>
        Eventually.Sees(() => Task.FromResult(spans.FirstOrDefault(which)), $"a span: {what}");

    /// <summary>The spans from one up to the root, or to the one whose parent is nobody's here. Waits until all of them
    /// have come.</summary>
    /// <param name="from">The lowest.</param>
    /// <param name="above">The parent of the highest.</param>
    public async Task<IReadOnlyList<OtlpSpan>> PathToRoot(OtlpSpan from, string above)
    {
        List<OtlpSpan> way = [from];
        while (way[^1].Parent != above)
        {
            var here = way[^1];
            way.Add(
                await Span(x => x.Id == here.Parent, $"the parent of {string.Join(" < ", way.Select(x => x.Name))}")
            );
        }

        return way;
    }

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    void Take<T>(string path, Func<ReadOnlyMemory<byte>, IEnumerable<T>> read, ConcurrentQueue<T> into) =>
        app.MapPost(
            path,
            async (HttpContext http) =>
            {
                Authorizations.Enqueue($"{http.Request.Headers.Authorization}");
                using var body = new MemoryStream();
                await http.Request.Body.CopyToAsync(body);
                foreach (var one in read(body.ToArray()))
                    into.Enqueue(one);
            }
        );
}
