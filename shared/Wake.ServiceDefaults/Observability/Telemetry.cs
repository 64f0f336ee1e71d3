using System.Diagnostics;
using System.Reflection;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
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

    /// <summary>The variable that switches all signals off.</summary>
    public const string DisabledVariable = "OTEL_SDK_DISABLED";

    /// <summary>The signals, as their variables name them.</summary>
    public static readonly IReadOnlyList<string> Signals = ["TRACES", "METRICS", "LOGS"];

    // What could not be sent in this time at the end is lost: a collector that hangs must not hold up a shutdown.
    const int FlushMilliseconds = 1500;

    const string MassTransitName = "MassTransit";

    /// <summary>The variable of one signal that counts more than the one of all:
    /// <c>OTEL_EXPORTER_OTLP_TRACES_ENDPOINT</c>.</summary>
    public static string SignalVariable(string signal, string name) => $"OTEL_EXPORTER_OTLP_{signal}_{name}";

    /// <summary>The variable that switches one signal off: <c>OTEL_TRACES_EXPORTER=none</c>.</summary>
    public static string ExporterVariable(string signal) => $"OTEL_{signal}_EXPORTER";

    /// <summary>Whether a signal has an endpoint, and nothing switches it off.</summary>
    /// <param name="signal">One of <see cref="Signals"/>.</param>
    /// <param name="variable">The environment.</param>
    public static bool IsEnabled(string signal, Func<string, string?> variable) =>
        (
            variable(SignalVariable(signal, "ENDPOINT")) is { Length: > 0 }
            || variable(EndpointVariable) is { Length: > 0 }
        )
        && variable(ExporterVariable(signal)) is not "none"
        && !"true".Equals(variable(DisabledVariable), StringComparison.OrdinalIgnoreCase);

    /// <summary>Adds the log on the console, and the exporters of those signals that an endpoint is configured
    /// for.</summary>
    public static IHostApplicationBuilder AddTelemetry(this IHostApplicationBuilder builder)
    {
        builder.AddConsoleLog();
        string[] signals = [.. Signals.Where(x => IsEnabled(x, name => builder.Configuration[name]))];

        // In a method of its own, so that without any nothing of OpenTelemetry is even loaded.
        if (signals is not [])
            AddExporters(builder, signals);
        return builder;
    }

    static void AddExporters(IHostApplicationBuilder builder, string[] signals)
    {
        RejectUnreadable(builder.Configuration);

        // The environment comes last and so counts more.
        var version = Assembly.GetEntryAssembly()?.GetName().Version?.ToString(3);
        var otel = builder
            .Services.AddOpenTelemetry()
            .ConfigureResource(resource =>
                resource
                    .AddService(builder.Environment.ApplicationName, serviceVersion: version)
                    .AddEnvironmentVariableDetector()
            )
            .WithLogging(configureBuilder: null, log => log.IncludeFormattedMessage = true);

        // Only it reads the variables of single signals. It makes an exporter for each, so of those that are off
        // nothing is collected; and the reader of metrics, which would send even that, is not there.
        otel.UseOtlpExporter();
        if (signals.Contains("TRACES"))
            otel.WithTracing(AddSpans);
        if (signals.Contains("METRICS"))
            otel.WithMetrics(AddMeters);
        else
            builder.Services.Replace(ServiceDescriptor.Singleton(_ => Sdk.CreateMeterProviderBuilder().Build()));
        if (!signals.Contains("LOGS"))
            builder.Logging.AddFilter<OpenTelemetryLoggerProvider>(null, LogLevel.None);

        // Its own default would be gRPC.
        if (string.IsNullOrEmpty(builder.Configuration[ProtocolVariable]))
            builder.Services.Configure<OtlpExporterOptions>(x => x.Protocol = OtlpExportProtocol.HttpProtobuf);
        builder.Services.AddHostedService<FlushAtStop>();
    }

    // The SDK would pass over them, and send to localhost what was meant for somebody else.
    static void RejectUnreadable(IConfiguration variables)
    {
        foreach (var signal in Signals.Select(x => $"{x}_").Prepend(""))
        {
            var (endpoint, protocol) = ($"OTEL_EXPORTER_OTLP_{signal}ENDPOINT", $"OTEL_EXPORTER_OTLP_{signal}PROTOCOL");
            if (
                variables[endpoint] is { Length: > 0 } address
                && !(Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https")
            )
                throw new InvalidOperationException($"{endpoint} is no http or https address.");
            if (variables[protocol] is not (null or "" or "grpc" or "http/protobuf"))
                throw new InvalidOperationException(
                    $"{protocol}: {variables[protocol]} is not known; it is grpc or http/protobuf."
                );
        }
    }

    static void AddSpans(TracerProviderBuilder traces) =>
        traces
            .AddSource(SourceName, MassTransitName)
            .AddNpgsql()
            .AddHttpClientInstrumentation()
            // Whoever asks for health would be nearly all there is to see.
            .AddAspNetCoreInstrumentation(http => http.Filter = x => !x.Request.Path.StartsWithSegments("/health"))
            .AddProcessor(new PollFilter());

    static void AddMeters(MeterProviderBuilder metrics) =>
        metrics
            .AddMeter(SourceName, MassTransitName)
            .AddNpgsqlInstrumentation()
            .AddAspNetCoreInstrumentation()
            .AddHttpClientInstrumentation()
            .AddRuntimeInstrumentation();

    /// <summary>
    /// Leaves out the looks at the database that every process takes every second. They would be nearly all there is to
    /// see.
    /// </summary>
    sealed class PollFilter : BaseProcessor<Activity>
    {
        public override void OnStart(Activity data)
        {
            if (data.Parent is not null || data.ParentSpanId != default || data.Source.Name != "Npgsql")
                return;

            // What begins below it is not sampled either.
            data.IsAllDataRequested = false;
            data.ActivityTraceFlags &= ~ActivityTraceFlags.Recorded;
        }
    }

    // The first to start, so the last to stop.
    sealed class FlushAtStop(TracerProvider traces, MeterProvider metrics, LoggerProvider logs) : IHostedService
    {
        public Task StartAsync(CancellationToken cancel) => Task.CompletedTask;

        // At the same time, and before the container disposes them, which would wait longer and for one after the
        // other.
        public Task StopAsync(CancellationToken cancel) =>
            Task.WhenAll(
                Task.Run(() => traces.Shutdown(FlushMilliseconds), CancellationToken.None),
                Task.Run(() => metrics.Shutdown(FlushMilliseconds), CancellationToken.None),
                Task.Run(() => logs.Shutdown(FlushMilliseconds), CancellationToken.None)
            );
    }
}
