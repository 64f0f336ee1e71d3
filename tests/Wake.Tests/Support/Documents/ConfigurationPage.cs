using System.Collections;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Wake.Coordinator;
using Wake.Gateway;
using Wake.Notifier;
using Wake.Producers.Cron;
using Wake.Producers.GitHub;
using Wake.Producers.Webhooks;
using Wake.Producing;
using Wake.Runner;
using Wake.ServiceDefaults;
using Wake.Standalone;
using Wake.WebConsole;

namespace Wake.Tests.Support;

/// <summary>
/// All settings as a page, made from the classes of options: their comments, their defaults, and what their own
/// validation says of a value that is out of bounds. <c>docs/configuration.md</c> is what comes out.
/// </summary>
static partial class ConfigurationPage
{
    // A name of the owner's, and a place in a list.
    const string Named = "NAME",
        Place = "0";

    // What depends on the machine, in words.
    static readonly Dictionary<string, string> Computed = new()
    {
        ["Runner__Name"] = "the machine's name and the process's number",
        ["Runner__Cache"] = "`$XDG_CACHE_HOME/wake`, else `~/.cache/wake`",
    };

    // What an entry has to have before its other settings are looked at.
    static readonly Dictionary<string, string?> Needed = new()
    {
        [$"{WebhooksOptions.Section}:Hooks:{Named}:Sender"] = $"{WebhookProviderKind.Generic}",
        [$"{WebhooksOptions.Section}:Hooks:{Named}:Secrets:0"] = "swordfish of some length",
    };

    static readonly (string Service, Action<WebApplicationBuilder> Registers)[] Services =
    [
        (
            "coordinator",
            x =>
            {
                x.AddCoordinator();
                x.AddMessageBus();
            }
        ),
        (
            "runner",
            x =>
            {
                x.AddRunner();
                x.AddMessageBus();
            }
        ),
        (
            "gateway",
            x =>
            {
                x.AddGateway();
                x.AddLocalIngress();
            }
        ),
        (
            "GitHub producer",
            x =>
            {
                x.AddBrokerPublisher();
                x.AddGitHub();
            }
        ),
        (
            "webhooks producer",
            x =>
            {
                x.AddBrokerPublisher();
                x.AddWebhooks();
            }
        ),
        (
            "cron producer",
            x =>
            {
                x.AddBrokerPublisher();
                x.AddCron();
            }
        ),
        ("notifier", x => x.AddNotifier()),
        ("console", x => x.AddConsole()),
    ];

    public static string Text()
    {
        List<string> page = [.. Head()];
        var readers = Readers();
        foreach (var section in StandaloneHost.Sections.OrderBy(x => x.Name, StringComparer.Ordinal))
        {
            page.AddRange(["", $"## {section.Name}", ""]);
            if (Comment(section.Options) is { } comment)
                page.AddRange([.. MarkdownText.Wrapped(comment), ""]);
            page.AddRange([$"Read by: {string.Join(", ", readers[section.Name])}.", ""]);

            if (SettingsShape.FromType(section.Options) is SettingsShape.Entries entries)
                page.AddRange(Members(section, $"{section.Name}__{Named}", entries.ElementType));
            else
                page.AddRange(Members(section, section.Name, section.Options));
        }

        page.AddRange(Variables());
        return string.Join('\n', page) + "\n";
    }

    static List<string> Head() =>
        [
            "<!-- Made from the options. To write it anew: WAKE_WRITE_CONTRACTS=1 tests/run --filter "
                + "ContractDocuments -->",
            "",
            "# Configuration reference",
            "",
            .. MarkdownText.Wrapped(
                "A setting is an environment variable, or stands in a file of settings: `wake.json` of `wake up`, "
                    + "`deploy/settings.json` of compose. There `Runner__Slots` is `{\"Runner\": {\"Slots\": 4}}`. "
                    + $"A file in `{SecretFiles.DefaultDirectory}`, or in the folder that "
                    + $"`{SecretFiles.DirectoryVariable}` names, counts more than both. "
                    + "[Operations](operations.md#settings) says how they are used. Names know no upper and lower case."
            ),
            "",
            .. MarkdownText.Wrapped(
                $"`{Named}` stands for a name of your own, `{Place}` for a place in a list: the next entry has the "
                    + "number 1."
            ),
            "",
            "| Kind | Written |",
            "| --- | --- |",
            "| time span | `days.hours:minutes:seconds`: `00:00:02` is two seconds, `7.00:00:00` a week |",
            "| number | `0.4`, with a point |",
            "| yes or no | `true` or `false` |",
            "| one of | one of the words below it |",
            "| list | one entry each, by its number |",
            "",
            .. MarkdownText.Wrapped(
                $"`wake up` sets `{MessageBusOptions.Section}__Host`, `{GatewayOptions.Section}__TokenFile`, "
                    + $"`{LocalOptions.Section}__Spool` and `{LocalOptions.Section}__Socket` itself."
            ),
        ];

    // The settings of one object, and then the objects in it, each under a heading of its own.
    static List<string> Members(SettingsSection section, string path, Type type)
    {
        List<string> lines = [];
        List<(string Path, Type Type, string Comment)> below = [];
        var unset = Activator.CreateInstance(type);
        foreach (var member in ((SettingsShape.Members)SettingsShape.FromType(type)).Properties)
        {
            var name = $"{path}__{SettingsShape.GetName(member)}";
            var comment =
                Comment(member)
                ?? throw new InvalidOperationException($"{name} has no doc comment. Each setting needs one.");
            switch (SettingsShape.FromType(member.PropertyType))
            {
                case SettingsShape.Value value:
                    lines.AddRange(Setting(section, name, value.Type, member, member.GetValue(unset)));
                    break;
                case SettingsShape.Items { ElementType: var held }
                    when SettingsShape.FromType(held) is SettingsShape.Value:
                    var usual = Default(name, member.GetValue(unset));
                    lines.AddRange(Entry($"{name}__{Place}", $"list, default {usual}", comment, []));
                    break;
                case SettingsShape.Entries { ElementType: var held }
                    when SettingsShape.FromType(held) is SettingsShape.Value:
                    lines.AddRange(Entry($"{name}__{Named}", "by name, default none", comment, []));
                    break;
                case SettingsShape.Items { ElementType: var held }:
                    below.Add(($"{name}__{Place}", held, comment));
                    break;
                case SettingsShape.Entries { ElementType: var held }:
                    below.Add(($"{name}__{Named}", held, comment));
                    break;
                default:
                    below.Add((name, member.PropertyType, comment));
                    break;
            }
        }

        foreach (var part in below)
        {
            lines.AddRange([.. lines is [] ? Array.Empty<string>() : [""], $"### `{part.Path}`", ""]);
            lines.AddRange([.. MarkdownText.Wrapped(part.Comment), ""]);
            lines.AddRange(Members(section, part.Path, part.Type));
        }

        return lines;
    }

    static List<string> Setting(SettingsSection section, string name, Type type, PropertyInfo member, object? unset)
    {
        var range = member.GetCustomAttribute<RangeAttribute>();
        var kind = range is null
            ? Kind(type)
            : string.Create(CultureInfo.InvariantCulture, $"{Kind(type)} from {range.Minimum} to {range.Maximum}");
        var required = unset is null && member.GetCustomAttribute<RequiredAttribute>() is not null;
        var usual = required ? "required" : $"default {Default(name, unset)}";
        return
        [
            .. Entry(name, $"{kind}, {usual}", Comment(member), Bounds(section, name, type)),
            .. type.IsEnum
                ? Enum.GetNames(type)
                    .SelectMany(word =>
                        MarkdownText.Wrapped(
                            $"`{word}`: {Comment(type.GetField(word)!)}".TrimEnd(' ', ':'),
                            "  - ",
                            "    "
                        )
                    )
                : [],
        ];
    }

    static List<string> Entry(string name, string terms, string? comment, List<string> bounds)
    {
        List<string> said = [$"`{name}` ({terms})."];
        if (comment is not null)
            said.Add(comment);
        said.AddRange(bounds);
        return MarkdownText.Wrapped(string.Join(' ', said), "- ", "  ");
    }

    static string Kind(Type type) =>
        type.IsEnum ? "one of"
        : type == typeof(bool) ? "yes or no"
        : type == typeof(int) || type == typeof(long) ? "whole number"
        : type == typeof(double) || type == typeof(decimal) ? "number"
        : type == typeof(TimeSpan) ? "time span"
        : type == typeof(Uri) ? "address"
        : "text";

    static string Default(string name, object? unset) =>
        Computed.GetValueOrDefault(name)
        ?? unset switch
        {
            null => "not set",
            "" => "empty",
            string text => $"`{text}`",
            bool flag => flag ? "`true`" : "`false`",
            TimeSpan span => $"`{span.ToString("c", CultureInfo.InvariantCulture)}`",
            IEnumerable list => list.Cast<object>().Select(x => $"`{x}`").ToList() is { Count: > 0 } some
                ? string.Join(", ", some)
                : "none",
            _ => $"`{Convert.ToString(unset, CultureInfo.InvariantCulture)}`",
        };

    // Tried rather than read: each extreme is given to the validation, and what it says of this very setting is the
    // bound.
    static List<string> Bounds(SettingsSection section, string name, Type type)
    {
        string[] extremes =
            type == typeof(TimeSpan) ? ["-1.00:00:00", "00:00:00", "10000000.00:00:00"]
            : type == typeof(int) || type == typeof(long) ? ["-1", "0", $"{int.MaxValue}"]
            : type == typeof(double) || type == typeof(decimal) ? ["-1", "0"]
            : [];
        var last = Regex.Escape(name.Split("__")[^1]);
        var own = new Regex($@"\b{last}\b[^.]* must ", RegexOptions.CultureInvariant);

        return
        [
            .. extremes
                .SelectMany(x => Problems(section, name, x))
                .Except(Problems(section, name, value: null))
                .Select(x => Prefix().Replace(x, ""))
                .Where(x => own.IsMatch(x) && !x.StartsWith("The field ", StringComparison.Ordinal))
                .Distinct(),
        ];
    }

    static List<string> Problems(SettingsSection section, string name, string? value)
    {
        var path = name.Replace("__", ":", StringComparison.Ordinal);
        var needed = Needed.Where(x =>
            path.StartsWith($"{x.Key.Split($":{Named}:")[0]}:{Named}:", StringComparison.Ordinal)
        );
        var settings = value is null ? needed : needed.Append(new(path, value));
        return
        [
            .. SettingsValidation.FindProblems(
                new ConfigurationBuilder().AddInMemoryCollection(settings).Build(),
                [section]
            ),
        ];
    }

    static ILookup<string, string> Readers() =>
        Services
            .SelectMany(x => Sections(x.Registers), (service, section) => (service.Service, Section: section))
            .ToLookup(x => x.Section, x => x.Service);

    static List<string> Sections(Action<WebApplicationBuilder> registers)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        registers(builder);
        return [.. builder.Services.GetSettingsSections().Select(x => x.Name)];
    }

    static List<string> Variables() =>
        [
            "",
            "## Other variables",
            "",
            .. Entry(
                $"ConnectionStrings__{Postgres.ConnectionStringName}",
                "text, default not set",
                "The PostgreSQL, as Npgsql writes it: `Host=localhost;Database=wake;Username=wake;Password=...`. "
                    + "`wake up` uses it instead of its own where it is set in the environment.",
                []
            ),
            .. Entry(
                SecretFiles.DirectoryVariable,
                $"text, default `{SecretFiles.DefaultDirectory}`",
                "A folder in which each file is a setting, named like its variable. Docker and Kubernetes hand "
                    + "secrets over that way.",
                []
            ),
            .. Entry("WAKE_URL", "address, default not set", "For the command: which Wake.", []),
            .. Entry("WAKE_API_KEY", "text, default not set", "For the command: the key it sends.", []),
            .. Entry(
                "WAKE_DATA",
                "text, default the user's own",
                "For `wake up` and the command: the data folder, with the token that is sent without a key.",
                []
            ),
            .. Entry(
                "WAKE_SESSION",
                "text, default not set",
                "For the command: the session that is meant. A turn has it.",
                []
            ),
            .. Entry(
                "WAKE_POSTGRES_BIN",
                "text, default not set",
                "For `wake up`: the folder with the programs of PostgreSQL.",
                []
            ),
            .. Entry("NO_COLOR", "text, default not set", "For the command: no colours.", []),
            .. Entry(
                "Logging__LogLevel__Default",
                "text, default not set",
                "How much is logged, as .NET names it: `Warning`, `Information`, `Debug`.",
                []
            ),
            .. Entry(
                "ASPNETCORE_HTTP_PORTS",
                "whole number, default `8080` in the images",
                "For a service: the port it listens on.",
                []
            ),
            .. Entry(
                Telemetry.EndpointVariable,
                "address, default not set",
                "Where traces, metrics and logs go. [Telemetry](operations.md#telemetry) has the other variables of "
                    + "OpenTelemetry.",
                []
            ),
            "",
            "## What reaches `claude`",
            "",
            .. MarkdownText.Wrapped(
                "Of a runner's environment these variables reach `claude` and its tools, and nothing else. "
                    + "`Claude__PassEnvironment__0` adds to them, `Claude__DropEnvironment__0` takes away, "
                    + "`Claude__Environment__NAME` sets one."
            ),
            "",
            .. MarkdownText.Wrapped(string.Join(", ", ClaudeEnvironment.PassedVariables.Select(x => $"`{x}`")) + "."),
        ];

    static string? Comment(MemberInfo member) =>
        XmlComments.Of(member, x => $"`{x}`", x => $"`{x}`") is { } comment ? MarkdownText.Plain(comment) : null;

    // The path before the setting's own name.
    [GeneratedRegex(@"^(?:\w+:)+ ?")]
    private static partial Regex Prefix();
}
