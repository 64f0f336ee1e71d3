using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Wake.Contracts;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>Who watches must not be in the way: a collector that is down, or takes everything and never answers, costs
/// nothing.</summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class CollectorsThatFail
{
    [Theory]
    [InlineData("http/protobuf", false)]
    [InlineData("http/protobuf", true)]
    [InlineData("grpc", true)]
    public async Task Neither_wakes_nor_a_shutdown_wait_for_them(string protocol, bool listens)
    {
        // Connections are made by the system and taken by nobody.
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        if (!listens)
            listener.Stop();

        await using var wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["OTEL_EXPORTER_OTLP_ENDPOINT"] = $"http://127.0.0.1:{port}",
                ["OTEL_EXPORTER_OTLP_PROTOCOL"] = protocol,
                ["OTEL_BSP_SCHEDULE_DELAY"] = "50",
                // Full at once, so that what follows is dropped rather than waited with.
                ["OTEL_BSP_MAX_QUEUE_SIZE"] = "20",
                ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"] = "10",
                ["OTEL_METRIC_EXPORT_INTERVAL"] = "200",
            }
        );
        var key = await wake.WatchingSession("instant");

        for (var number = 1; number <= 10; number++)
        {
            await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), $"thing {number}"));
            Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, number)).Outcome);
        }

        var stopping = Stopwatch.StartNew();
        Assert.Equal(0, await wake.Processes[0].Stop());
        Assert.InRange(stopping.Elapsed.TotalSeconds, 0, 10);
    }
}
