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
/// Traces, metrics and logs over OTLP, switched on by the standard variable <c>OTEL_EXPORTER_OTLP_ENDPOINT</c>. Without it
/// nothing is collected and nothing is sent anywhere.
/// </summary>
public static class Telemetry
{
    /// <summary>The name of Wake's own spans and metrics.</summary>
    public const string Source = "Wake";

    static readonly string[] Sources = [Source, "MassTransit", "Npgsql", "Microsoft.AspNetCore", "System.Net.Http"];

    static readonly string[] Meters =
        [Source, "MassTransit", "Npgsql", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime"];

    /// <summary>Adds the exporters when an endpoint is configured.</summary>
    public static IHostApplicationBuilder AddTelemetry(this IHostApplicationBuilder builder)
    {
        if (builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"] is not { Length: > 0 } endpoint)
            return builder;

        // The framework keeps its span attributes to itself unless told that somebody reads them.
        AppContext.SetSwitch("Microsoft.AspNetCore.Hosting.SuppressActivityOpenTelemetryData", false);

        var service = builder.Configuration["OTEL_SERVICE_NAME"] ?? builder.Environment.ApplicationName;
        var sdk = OpenTelemetrySdk.Create(otel => otel
            .ConfigureResource(resource => resource.AddService(service))
            .WithTracing(traces => traces.AddSource(Sources).AddOtlpExporter(To("v1/traces")))
            .WithMetrics(metrics => metrics.AddMeter(Meters).AddOtlpExporter(To("v1/metrics")))
            .WithLogging(logs => logs.AddOtlpExporter(To("v1/logs"))));

        builder.Services.AddSingleton(sdk);
        builder.Services.AddHostedService<FlushAtStop>();
        builder.Services.AddSingleton<ILoggerProvider>(new Forward(sdk.GetLoggerFactory()));
        return builder;

        // Over HTTP this exporter wants the whole path of each signal; over gRPC only the endpoint.
        Action<OtlpExporterOptions> To(string path) => exporter =>
        {
            exporter.Protocol = builder.Configuration["OTEL_EXPORTER_OTLP_PROTOCOL"] is "grpc"
                ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf;
            exporter.Endpoint = exporter.Protocol is OtlpExportProtocol.Grpc
                ? new(endpoint) : new($"{endpoint.TrimEnd('/')}/{path}");
        };
    }

    sealed class FlushAtStop(OpenTelemetrySdk sdk) : IHostedService
    {
        public Task StartAsync(CancellationToken cancel) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancel)
        {
            sdk.TracerProvider.ForceFlush(2000);
            sdk.MeterProvider.ForceFlush(2000);
            sdk.LoggerProvider.ForceFlush(2000);
            return Task.CompletedTask;
        }
    }

    sealed class Forward(ILoggerFactory factory) : ILoggerProvider
    {
        public ILogger CreateLogger(string categoryName) => factory.CreateLogger(categoryName);

        // The SDK, which owns the factory, is disposed by the container.
        public void Dispose() { }
    }
}
