using System.Diagnostics.Metrics;
using System.Reflection;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenTelemetry.Metrics;
using Wake.ServiceDefaults;
using Wake.Store;
using Wake.Tests.Support;
using YamlDotNet.RepresentationModel;

namespace Wake.Tests.HouseRules;

/// <summary>The dashboard and the alerts ask for metrics that there are, by the names that Prometheus gives
/// them.</summary>
public sealed partial class Observability
{
    static readonly string Folder = Path.Combine(Repository.Root, "deploy", "observability");

    [Fact]
    public void The_dashboard_asks_for_metrics_that_there_are()
    {
        var dashboard = JsonElement.Parse(File.ReadAllText(Path.Combine(Folder, "dashboard.json")));
        var panels = dashboard.GetProperty("panels").EnumerateArray().ToList();
        var asked = panels
            .SelectMany(x => x.GetProperty("targets").EnumerateArray())
            .Select(x => x.GetProperty("expr").GetString()!)
            .ToList();

        AreThere(asked);
        Assert.Equal(panels.Count, panels.Select(x => x.GetProperty("id").GetInt32()).Distinct().Count());
        Assert.All(
            Instruments(),
            x => Assert.Contains(asked, expression => Asked(expression).Intersect(x.Series).Any())
        );
    }

    [Fact]
    public void The_alerts_ask_for_metrics_that_there_are()
    {
        var yaml = new YamlStream();
        using (var text = File.OpenText(Path.Combine(Folder, "alerts.yml")))
            yaml.Load(text);

        var groups = (YamlSequenceNode)yaml.Documents.Single().RootNode["groups"];
        var rules = groups.SelectMany(x => (YamlSequenceNode)x["rules"]).Cast<YamlMappingNode>().ToList();

        AreThere(rules.Select(x => $"{x["expr"]}"));
        Assert.Equal(rules.Count, rules.Select(x => $"{x["alert"]}").Distinct().Count());
        Assert.All(
            rules,
            rule =>
            {
                Assert.Matches("^(critical|warning)$", $"{rule["labels"]["severity"]}");
                Assert.NotEmpty($"{rule["annotations"]["summary"]}");
                Assert.Contains("wake ", $"{rule["annotations"]["description"]}");
                Assert.Matches("^[0-9]+[mh]$", $"{rule["for"]}");
            }
        );
    }

    [Fact]
    public void Every_metric_has_a_unit_and_says_what_it_is() =>
        Assert.All(
            Instruments(),
            x =>
            {
                Assert.Matches(@"^(s|\{\w+\})$", x.Instrument.Unit);
                Assert.EndsWith(".", x.Instrument.Description);
                Assert.StartsWith("wake.", x.Instrument.Name);
                Assert.Equal(Telemetry.SourceName, x.Instrument.Meter.Name);
            }
        );

    [Fact]
    public void Without_an_endpoint_nothing_of_it_is_set_up() =>
        Assert.DoesNotContain(
            Services(),
            x => x.ServiceType.Assembly.GetName().Name!.StartsWith("OpenTelemetry", StringComparison.Ordinal)
        );

    // A reader of metrics sends also when there are none, and by default to whoever listens on this machine.
    [Theory]
    [InlineData("otlp", 1)]
    [InlineData("none", 0)]
    public async Task Metrics_that_are_off_are_not_even_sent_empty(string exporter, int requests)
    {
        await using var otlp = await OtlpReceiver.Start();
        await using var services = Services(
                $"OTEL_EXPORTER_OTLP_ENDPOINT={otlp.Environment["OTEL_EXPORTER_OTLP_ENDPOINT"]}",
                $"OTEL_METRICS_EXPORTER={exporter}"
            )
            .BuildServiceProvider();

        services.GetRequiredService<MeterProvider>().ForceFlush();

        Assert.Equal(requests, otlp.Authorizations.Count);
    }

    [Theory]
    [InlineData("")]
    [InlineData("TRACES METRICS LOGS", "OTEL_EXPORTER_OTLP_ENDPOINT=http://x")]
    [InlineData("LOGS", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://x")]
    [InlineData("TRACES LOGS", "OTEL_EXPORTER_OTLP_ENDPOINT=http://x", "OTEL_METRICS_EXPORTER=none")]
    [InlineData("", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://x", "OTEL_TRACES_EXPORTER=none")]
    [InlineData("", "OTEL_EXPORTER_OTLP_ENDPOINT=http://x", "OTEL_SDK_DISABLED=True")]
    [InlineData("TRACES METRICS LOGS", "OTEL_EXPORTER_OTLP_ENDPOINT=http://x", "OTEL_SDK_DISABLED=false")]
    [InlineData("", "OTEL_EXPORTER_OTLP_ENDPOINT=")]
    public void Signals_are_on_by_their_endpoint_and_off_by_the_standard_variables(string on, params string[] variables)
    {
        var named = variables.Select(x => x.Split('=', 2)).ToDictionary(x => x[0], x => x[1]);

        Assert.Equal(
            on,
            string.Join(' ', Telemetry.Signals.Where(x => Telemetry.IsEnabled(x, named.GetValueOrDefault)))
        );
    }

    static IServiceCollection Services(params string[] variables)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Configuration.AddInMemoryCollection(
            variables.Select(x => x.Split('=', 2)).Select(x => KeyValuePair.Create(x[0], (string?)x[1]))
        );
        builder.AddTelemetry();
        return builder.Services;
    }

    static void AreThere(IEnumerable<string> expressions)
    {
        var there = Instruments().SelectMany(x => x.Series).ToHashSet();
        var asked = expressions.SelectMany(Asked).ToList();

        Assert.NotEmpty(asked);
        Assert.All(asked, x => Assert.Contains(x, there));
    }

    static IEnumerable<string> Asked(string expression) => Names().Matches(expression).Select(x => x.Value);

    // https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/: the unit, if it is one, and
    // what it is.
    static IEnumerable<(Instrument Instrument, string[] Series)> Instruments() =>
        from metrics in (Type[])[typeof(WakeMetrics), typeof(IntakeMetrics), typeof(FactCheckMetrics)]
        from field in metrics.GetFields(BindingFlags.Public | BindingFlags.Static)
        let instrument = (Instrument)field.GetValue(null)!
        let name = instrument.Name.Replace('.', '_') + (instrument.Unit == "s" ? "_seconds" : "")
        select (
            instrument,
            field.FieldType.Name switch
            {
                "Counter`1" => [$"{name}_total"],
                "Histogram`1" => (string[])[$"{name}_bucket", $"{name}_sum", $"{name}_count"],
                _ => [name],
            }
        );

    [GeneratedRegex(@"\bwake_\w+")]
    private static partial Regex Names();
}
