using System.Diagnostics;
using System.Reflection;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Wake.ServiceDefaults;

/// <summary>
/// Traces, metrics and logs over OTLP, switched on by the standard variable <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> and shaped by
/// the others of its kind. Without it nothing is collected and nothing is sent anywhere.
/// </summary>
public static class Telemetry
{
    /// <summary>The name of Wake's own spans and metrics.</summary>
    public const string Source = "Wake";

    /// <summary>The variable that switches it on.</summary>
    public const string Endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";

    /// <summary>The variable that says how to talk to it; over HTTP when it is not set.</summary>
    public const string Protocol = "OTEL_EXPORTER_OTLP_PROTOCOL";

    // What could not be sent in this time at the end is lost: a collector that hangs must not hold up a shutdown.
    const int FlushMilliseconds = 1500;

    static readonly string[] Sources = [Source, "MassTransit", "Npgsql", "Microsoft.AspNetCore", "System.Net.Http"];

    static readonly string[] Meters =
        [Source, "MassTransit", "Npgsql", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime"];

    /// <summary>Adds the exporters when an endpoint is configured.</summary>
    public static IHostApplicationBuilder AddTelemetry(this IHostApplicationBuilder builder)
    {
        if (Environment.GetEnvironmentVariable(Endpoint) is not { Length: > 0 })
            return builder;

        // The framework keeps its span attributes to itself unless told that somebody reads them.
        AppContext.SetSwitch("Microsoft.AspNetCore.Hosting.SuppressActivityOpenTelemetryData", false);

        var version = Assembly.GetEntryAssembly()?.GetName().Version?.ToString(3);
        var sdk = OpenTelemetrySdk.Create(otel => otel
            // The environment comes last and so counts more.
            .ConfigureResource(resource => resource.AddService(builder.Environment.ApplicationName, serviceVersion: version).AddEnvironmentVariableDetector())
            .WithTracing(traces => traces.AddSource(Sources).AddProcessor(new Unasked()).AddOtlpExporter(OverHttp))
            .WithMetrics(metrics => metrics.AddMeter(Meters).AddOtlpExporter(OverHttp))
            .WithLogging(logs => logs.AddOtlpExporter(OverHttp), logs => logs.IncludeFormattedMessage = true));

        builder.Services.AddSingleton(sdk);
        builder.Services.AddHostedService<FlushAtStop>();
        builder.Services.AddSingleton<IStartupFilter, RequestSpans>();
        builder.Services.AddSingleton<ILoggerProvider>(new Forward(sdk.GetLoggerFactory()));
        return builder;

        // It reads all the rest from the environment; its own default would be gRPC.
        static void OverHttp(OtlpExporterOptions exporter)
        {
            if (Environment.GetEnvironmentVariable(Protocol) is not { Length: > 0 })
                exporter.Protocol = OtlpExportProtocol.HttpProtobuf;
        }
    }

    /// <summary>
    /// Leaves out what nobody asked for: the looks at the database that every process takes every second, and what asks it for
    /// its health. They would be nearly all there is to see.
    /// </summary>
    sealed class Unasked : BaseProcessor<Activity>
    {
        public override void OnStart(Activity data)
        {
            var look = data.Parent is null && data.ParentSpanId == default && data.Source.Name == "Npgsql";
            var health = data.Source.Name == "Microsoft.AspNetCore"
                && data.GetTagItem("url.path") is string path && path.StartsWith("/health", StringComparison.Ordinal);
            if (!look && !health)
                return;

            // What begins below it is not sampled either.
            data.IsAllDataRequested = false;
            data.ActivityTraceFlags &= ~ActivityTraceFlags.Recorded;
        }
    }

    // The first to start, so the last to stop.
    sealed class FlushAtStop(OpenTelemetrySdk sdk) : IHostedService
    {
        public Task StartAsync(CancellationToken cancel) => Task.CompletedTask;

        // At the same time, and before the container disposes them, which would wait longer and for one after the other.
        public Task StopAsync(CancellationToken cancel) => Task.WhenAll(
            Task.Run(() => sdk.TracerProvider.Shutdown(FlushMilliseconds), CancellationToken.None),
            Task.Run(() => sdk.MeterProvider.Shutdown(FlushMilliseconds), CancellationToken.None),
            Task.Run(() => sdk.LoggerProvider.Shutdown(FlushMilliseconds), CancellationToken.None));
    }

    sealed class Forward(ILoggerFactory factory) : ILoggerProvider
    {
        public ILogger CreateLogger(string categoryName) => factory.CreateLogger(categoryName);

        // The SDK, which owns the factory, is disposed by the container.
        public void Dispose() { }
    }
}
