using System.Collections;
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Configuration.EnvironmentVariables;
using Microsoft.Extensions.Configuration.Json;
using Microsoft.Extensions.Configuration.Memory;
using Microsoft.Extensions.FileProviders;
using Npgsql;

namespace Wake.ServiceDefaults;

/// <summary>A setting as a process uses it.</summary>
/// <param name="Name">Its name as an environment variable: <c>Runner__Slots</c>.</param>
/// <param name="Value">Its value, as one writes it; null when nothing is set. Secrets are masked.</param>
/// <param name="Source">Where it is from: <c>default</c>, <c>environment</c>, the path of a file, <c>secret file</c>,
/// <c>wake up</c>.</param>
public sealed partial record EffectiveSetting(string Name, string? Value, string Source)
{
    /// <summary>What stands in place of a secret.</summary>
    public const string Masked = "********";

    const string Default = "default";

    /// <summary>Every setting of the sections, in their order, and where PostgreSQL is. Entries of the owner's stand
    /// under their names.</summary>
    public static IReadOnlyList<EffectiveSetting> ListAll(
        IConfigurationRoot configuration,
        IEnumerable<SettingsSection> sections
    ) =>
        [
            .. configuration.GetConnectionString(Postgres.ConnectionStringName) is { Length: > 0 } connection
                ?
                [
                    new EffectiveSetting(
                        $"ConnectionStrings__{Postgres.ConnectionStringName}",
                        Shown("", connection),
                        SourceOf(configuration, $"ConnectionStrings:{Postgres.ConnectionStringName}")
                    ),
                ]
                : (EffectiveSetting[])[],
            .. sections
                .OrderBy(x => x.Name, StringComparer.Ordinal)
                .SelectMany(x => Collect(configuration, x.Name, x.Options, Activator.CreateInstance(x.Options))),
        ];

    static IEnumerable<EffectiveSetting> Collect(
        IConfigurationRoot configuration,
        string path,
        Type type,
        object? unset
    )
    {
        var parts = configuration.GetSection(path).GetChildren().ToList();
        return SettingsShape.FromType(type) switch
        {
            SettingsShape.Members members => members.Properties.SelectMany(x =>
                Collect(
                    configuration,
                    $"{path}:{SettingsShape.GetName(x)}",
                    x.PropertyType,
                    unset is null ? null : x.GetValue(unset)
                )
            ),
            SettingsShape.Entries entries => parts.SelectMany(x =>
                Collect(configuration, x.Path, entries.ElementType, New(entries.ElementType))
            ),
            SettingsShape.Items items when parts is not [] => parts.SelectMany(x =>
                Collect(configuration, x.Path, items.ElementType, New(items.ElementType))
            ),
            SettingsShape.Items => [Named(path, Listed(unset as IEnumerable), Default)],
            _ =>
            [
                configuration[path] is { } value
                    ? Named(path, value, SourceOf(configuration, path))
                    : Named(path, Text(unset), Default),
            ],
        };

        static object? New(Type of) =>
            SettingsShape.FromType(of) is SettingsShape.Value ? null : Activator.CreateInstance(of);
    }

    /// <summary>Whether a setting, by its path in a configuration, is a secret.</summary>
    internal static bool IsSecret(string path) => Secret().IsMatch(path);

    static EffectiveSetting Named(string path, string? value, string source) =>
        new(path.Replace(":", "__", StringComparison.Ordinal), value is null ? null : Shown(path, value), source);

    static string Shown(string path, string value)
    {
        if (value.Length > 0 && Secret().IsMatch(path))
            return Masked;

        if (path.Length == 0)
            return Database(value);

        return Uri.TryCreate(value, UriKind.Absolute, out var url) && url.UserInfo.Length > 0
            ? value.Replace($"{url.UserInfo}@", $"{Masked}@", StringComparison.Ordinal)
            : value;
    }

    static string Database(string connection)
    {
        try
        {
            var text = new NpgsqlConnectionStringBuilder(connection);
            if (text.Password is not null)
                text.Password = Masked;
            return text.ConnectionString;
        }
        catch (ArgumentException)
        {
            // Whatever it is, it may hold a password.
            return Masked;
        }
    }

    static string? Listed(IEnumerable? list) =>
        list?.Cast<object>().Select(Text).ToList() is { Count: > 0 } all ? string.Join(", ", all) : null;

    static string? Text(object? value) =>
        value switch
        {
            null => null,
            TimeSpan span => span.ToString("c", CultureInfo.InvariantCulture),
            _ => Convert.ToString(value, CultureInfo.InvariantCulture),
        };

    static string SourceOf(IConfigurationRoot configuration, string path) =>
        configuration.Providers.LastOrDefault(x => x.TryGet(path, out _)) switch
        {
            EnvironmentVariablesConfigurationProvider => "environment",
            JsonConfigurationProvider { Source: { FileProvider: PhysicalFileProvider folder, Path: { } file } } =>
                Path.Combine(folder.Root, file),
            ChainedConfigurationProvider => "secret file",
            MemoryConfigurationProvider => "wake up",
            null => Default,
            var other => $"{other}",
        };

    // By the names of members, so that a setting added later is masked too; what a variable for the CLI holds nobody
    // knows.
    [GeneratedRegex(
        @"(Secrets?|Tokens?|Passwords?|PrivateKey|ApiKeys?)(:\d+)?$|:Environment:",
        RegexOptions.IgnoreCase
    )]
    private static partial Regex Secret();
}
