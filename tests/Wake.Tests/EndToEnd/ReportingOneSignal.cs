using System.Text.Json;
using Wake.Contracts;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>A collector that is named for one signal alone gets that one, and so does what <c>claude</c> itself
/// reports.</summary>
[Trait("Starts", "processes")]
public sealed class ReportingOneSignal
{
    [Theory]
    [InlineData("TRACES")]
    [InlineData("METRICS")]
    [InlineData("LOGS")]
    public async Task Is_enough_to_name_its_endpoint(string signal)
    {
        await using var otlp = await OtlpReceiver.Start();
        using var folder = new TemporaryFolder();
        var settings = otlp.Environment;
        settings.Remove("OTEL_EXPORTER_OTLP_ENDPOINT", out var url);
        settings[$"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"] = $"{url}/v1/{signal.ToLowerInvariant()}";
        settings[$"OTEL_EXPORTER_OTLP_{signal}_HEADERS"] = "authorization=Bearer%20a-key-of-the-collector";
        // For the other two, which are told nowhere.
        settings["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc";
        settings[$"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL"] = "http/protobuf";

        await using var wake = await WakeSystem.Start(Transport.InMemory, settings);
        var key = await wake.WatchingSession("instant");
        await wake.Publish(
            WakeSystem.Event(WakeSystem.Subject(key), "merged", reason: $"merged [[fake:env {folder.File("env")}]]")
        );
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        await wake.Processes[0].Stop();

        Assert.Equal(
            (signal == "TRACES", signal == "METRICS", signal == "LOGS"),
            (otlp.Spans.Count > 0, otlp.Points.Count > 0, otlp.Logs.Count > 0)
        );
        Assert.Equal(["Bearer a-key-of-the-collector"], otlp.Authorizations.Distinct());

        var environment = JsonElement.Parse(File.ReadAllText(folder.File("env")));
        string[] signals = ["TRACES", "METRICS", "LOGS"];
        Assert.Equal([signal], signals.Where(x => environment.TryGetProperty($"OTEL_{x}_EXPORTER", out _)));
        Assert.Equal(
            $"{url}/v1/{signal.ToLowerInvariant()}",
            environment.GetProperty($"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT").GetString()
        );
        Assert.False(environment.TryGetProperty($"OTEL_EXPORTER_OTLP_{signal}_HEADERS", out _));
    }
}
