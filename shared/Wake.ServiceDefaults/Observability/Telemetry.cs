using System.Diagnostics;
using System.Globalization;
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
/// Traces, metrics and logs over OTLP, switched on by the standard variable <c>OTEL_EXPORTER_OTLP_ENDPOINT</c>, or each
/// alone by its own (<c>OTEL_EXPORTER_OTLP_TRACES_ENDPOINT</c>), and shaped by the others of their kind. What has no
/// endpoint is not collected and not sent anywhere.
/// </summary>
public static class Telemetry
{
    /// <summary>The name of Wake's own spans and metrics.</summary>
    public const string SourceName = "Wake";

    /// <summary>The variable that switches all signals on.</summary>
    public const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";

    /// <summary>The variable that says how to talk to it; over HTTP when it is not set.</summary>
    public const string ProtocolVariable = "OTEL_EXPORTER_OTLP_PROTOCOL";

    /// <summary>The signals, as their variables name them.</summary>
    public static readonly IReadOnlyList<string> Signals = ["TRACES", "METRICS", "LOGS"];

    // What could not be sent in this time at the end is lost: a collector that hangs must not hold up a shutdown.
    const int FlushMilliseconds = 1500;

    static readonly string[] Sources = [SourceName, "MassTransit", "Npgsql", "Microsoft.AspNetCore", "System.Net.Http"];

    static readonly string[] Meters =
    [
        SourceName,
        "MassTransit",
        "Npgsql",
        "Microsoft.AspNetCore.Hosting",
        "Microsoft.AspNetCore.Server.Kestrel",
        "System.Runtime",
    ];

    /// <summary>The variable of one signal that counts more than the one of all:
    /// <c>OTEL_EXPORTER_OTLP_TRACES_ENDPOINT</c>.</summary>
    public static string SignalVariable(string signal, string name) => $"OTEL_EXPORTER_OTLP_{signal}_{name}";

    /// <summary>Whether a signal has an endpoint.</summary>
    /// <param name="signal">One of <see cref="Signals"/>.</param>
    /// <param name="variable">The environment.</param>
    public static bool IsEnabled(string signal, Func<string, string?> variable) =>
        variable(SignalVariable(signal, "ENDPOINT")) is { Length: > 0 }
        || variable(EndpointVariable) is { Length: > 0 };

    /// <summary>Adds the log on the console, and the exporters of those signals that an endpoint is configured
    /// for.</summary>
    public static IHostApplicationBuilder AddTelemetry(this IHostApplicationBuilder builder)
    {
        builder.AddConsoleLog();

        var (traces, metrics, logs) = (
            IsEnabled("TRACES", Variable),
            IsEnabled("METRICS", Variable),
            IsEnabled("LOGS", Variable)
        );
        if (!traces && !metrics && !logs)
            return builder;

        // The framework keeps its span attributes to itself unless told that somebody reads them.
        AppContext.SetSwitch("Microsoft.AspNetCore.Hosting.SuppressActivityOpenTelemetryData", !traces);

        var version = Assembly.GetEntryAssembly()?.GetName().Version?.ToString(3);
        var sdk = OpenTelemetrySdk.Create(otel =>
        {
            // The environment comes last and so counts more.
            otel.ConfigureResource(resource =>
                resource
                    .AddService(builder.Environment.ApplicationName, serviceVersion: version)
                    .AddEnvironmentVariableDetector()
            );
            if (traces)
                otel.WithTracing(x =>
                    x.AddSource(Sources)
                        .AddProcessor(new NoiseFilter())
                        .AddOtlpExporter(exporter => Configure(exporter, "TRACES"))
                );
            if (metrics)
                otel.WithMetrics(x => x.AddMeter(Meters).AddOtlpExporter(exporter => Configure(exporter, "METRICS")));
            if (logs)
                otel.WithLogging(
                    x => x.AddOtlpExporter(exporter => Configure(exporter, "LOGS")),
                    x => x.IncludeFormattedMessage = true
                );
        });

        builder.Services.AddSingleton(sdk);
        builder.Services.AddHostedService<FlushAtStop>();
        if (traces)
            builder.Services.AddSingleton<IStartupFilter, HttpSpanEnrichment>();
        if (logs)
            builder.Services.AddSingleton<ILoggerProvider>(new ForwardingLoggerProvider(sdk.GetLoggerFactory()));
        return builder;
    }

    static string? Variable(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    // The exporter reads the variables of all signals itself, and those of one signal not. Its own default would be
    // gRPC.
    static void Configure(OtlpExporterOptions exporter, string signal)
    {
        if (Variable(SignalVariable(signal, "PROTOCOL")) is { } own)
        {
            exporter.Protocol = own switch
            {
                "grpc" => OtlpExportProtocol.Grpc,
                "http/protobuf" => OtlpExportProtocol.HttpProtobuf,
                _ => throw new InvalidOperationException(
                    $"{SignalVariable(signal, "PROTOCOL")}: {own} is not known; it is grpc or http/protobuf."
                ),
            };
        }
        else if (Variable(ProtocolVariable) is null)
        {
            exporter.Protocol = OtlpExportProtocol.HttpProtobuf;
        }

        // Taken as it is: the path belongs to it.
        if (Variable(SignalVariable(signal, "ENDPOINT")) is { } endpoint)
        {
            exporter.Endpoint =
                Uri.TryCreate(endpoint, UriKind.Absolute, out var address) && address.Scheme is ("http" or "https")
                    ? address
                    : throw new InvalidOperationException(
                        $"{SignalVariable(signal, "ENDPOINT")} is no http or https address."
                    );
        }

        if (Variable(SignalVariable(signal, "HEADERS")) is { } headers)
            exporter.Headers = headers;
        if (
            int.TryParse(
                Variable(SignalVariable(signal, "TIMEOUT")),
                CultureInfo.InvariantCulture,
                out var milliseconds
            )
            && milliseconds > 0
        )
            exporter.TimeoutMilliseconds = milliseconds;
    }

    /// <summary>
    /// Leaves out what nobody asked for: the looks at the database that every process takes every second, and what asks
    /// it for its health. They would be nearly all there is to see.
    /// </summary>
    sealed class NoiseFilter : BaseProcessor<Activity>
    {
        public override void OnStart(Activity data)
        {
            var look = data.Parent is null && data.ParentSpanId == default && data.Source.Name == "Npgsql";
            var health =
                data.Source.Name == "Microsoft.AspNetCore"
                && data.GetTagItem("url.path") is string path
                && path.StartsWith("/health", StringComparison.Ordinal);
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

        // At the same time, and before the container disposes them, which would wait longer and for one after the
        // other.
        public Task StopAsync(CancellationToken cancel) =>
            Task.WhenAll(
                Task.Run(() => sdk.TracerProvider.Shutdown(FlushMilliseconds), CancellationToken.None),
                Task.Run(() => sdk.MeterProvider.Shutdown(FlushMilliseconds), CancellationToken.None),
                Task.Run(() => sdk.LoggerProvider.Shutdown(FlushMilliseconds), CancellationToken.None)
            );
    }

    sealed class ForwardingLoggerProvider(ILoggerFactory factory) : ILoggerProvider
    {
        public ILogger CreateLogger(string categoryName) => factory.CreateLogger(categoryName);

        // The SDK, which owns the factory, is disposed by the container.
        public void Dispose() { }
    }
}
