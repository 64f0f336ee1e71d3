using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Configuration.EnvironmentVariables;
using Microsoft.Extensions.Configuration.Json;
using Microsoft.Extensions.Options;
using Wake.Contracts;

namespace Wake.ServiceDefaults;

/// <summary>
/// What cannot be understood of a configuration. .NET's binder passes over a name that it does not know, and over an
/// entry of a list or a dictionary that it cannot read: a budget would not exist, a schedule would not run, and nobody
/// would say so.
/// </summary>
public static class SettingsValidation
{
    // What others read from the same files.
    static readonly string[] Foreign =
    [
        "$schema",
        "AllowedHosts",
        "ConnectionStrings",
        "HostOptions",
        "Kestrel",
        "Logging",
        "Urls",
    ];

    // Section and former name. Refused like every unknown name, but the nearest spelling would lead astray.
    static readonly Dictionary<string, string> Renamed = new(StringComparer.OrdinalIgnoreCase)
    {
        ["Coordinator:IntakeSize"] = "IntakeBatchSize",
        ["Coordinator:KeepEvents"] = "EventRetention",
        ["Coordinator:SweepSize"] = "SweepBatchSize",
        ["GitHub:LookEvery"] = "WatchRefreshInterval",
        ["GitHub:PollEvery"] = "PollInterval",
        ["Profiles:AnswerWithin"] = "AnswerTimeout",
        ["Profiles:Ceiling"] = "MaxWait",
        ["Profiles:FreshAfterActing"] = "FreshAfterSideEffects",
        ["Runner:KeepTranscripts"] = "TranscriptRetention",
        ["Runner:KeepWorkspaces"] = "WorkspaceRetention",
        ["Runner:LookAgainAfter"] = "PauseRetryAfter",
        ["Runner:StartPause"] = "StaggerStart",
    };

    /// <summary>Names in a section that nothing reads, and values that cannot be read.</summary>
    /// <param name="section">The section, or a part of it.</param>
    /// <param name="type">What it is bound to.</param>
    /// <returns>A sentence each.</returns>
    public static IEnumerable<string> FindUnreadable(IConfigurationSection section, Type type)
    {
        var shape = SettingsShape.FromType(type);
        var parts = section.GetChildren().ToList();
        if (shape is SettingsShape.Value)
        {
            if (parts is not [])
                return [$"{section.Path} is one value and has no parts such as {parts[0].Path}."];

            return UnreadableValue(section, type) is { } illegible ? [illegible] : [];
        }

        // In JSON [] and {} are empty values.
        if (section.Value is { Length: > 0 })
            return [$"{section.Path} has parts and is not a value itself: {Example(section, shape)}."];

        return shape switch
        {
            SettingsShape.Items items => parts.SelectMany(x =>
                int.TryParse(x.Key, out _)
                    ? FindUnreadable(x, items.ElementType)
                    : [$"{x.Path}: {section.Path} is a list: {Example(section, shape)}."]
            ),
            SettingsShape.Entries entries => parts.SelectMany(x => FindUnreadable(x, entries.ElementType)),
            SettingsShape.Members members => parts.SelectMany(x => Member(x, members)),
            _ => throw new InvalidOperationException($"Unknown {shape}."),
        };
    }

    /// <summary>
    /// Sections that are no section of Wake: all of a file's, since the whole file is Wake's; of the environment those
    /// that are misspelt, since the rest belongs to others.
    /// </summary>
    public static IEnumerable<string> FindUnknownSections(IConfigurationRoot configuration) =>
        from provider in configuration.Providers
        from name in provider.GetChildKeys([], parentPath: null).Distinct(StringComparer.OrdinalIgnoreCase)
        where !SettingsSection.Names.Concat(Foreign).Contains(name, StringComparer.OrdinalIgnoreCase)
        let nearest = NearestName.Of(name, SettingsSection.Names)
        let problem = provider switch
        {
            JsonConfigurationProvider json when json.Source.Path != "appsettings.Development.json" =>
                $"{name} in {json.Source.Path} is no section of Wake's{(nearest is null ? "" : $"; {nearest} is")}.",
            EnvironmentVariablesConfigurationProvider
                when nearest is not null && provider.GetChildKeys([], name).Any() =>
                $"{name}__{provider.GetChildKeys([], name).First()} in the environment is no setting of Wake's; the "
                    + $"section is {nearest}.",
            _ => null,
        }
        where problem is not null
        select problem;

    /// <summary>All that keeps a configuration from being used by the processes that read these sections.</summary>
    public static IEnumerable<string> FindProblems(
        IConfigurationRoot configuration,
        IEnumerable<SettingsSection> sections
    ) =>
        FindUnknownSections(configuration)
            .Concat(SecretsValidator.FindProblems(configuration))
            .Concat(sections.SelectMany(x => FindProblems(configuration.GetSection(x.Name), x.Options)));

    static IEnumerable<string> FindProblems(IConfigurationSection section, Type type)
    {
        var unreadable = FindUnreadable(section, type).ToList();
        if (unreadable is not [] || !section.Exists())
            return unreadable;

        List<ValidationResult> invalid = [];
        var options = section.Get(type)!;
        Validator.TryValidateObject(options, new(options), invalid, validateAllProperties: true);
        return invalid.Select(x => x.ErrorMessage!);
    }

    static IEnumerable<string> Member(IConfigurationSection part, SettingsShape.Members members)
    {
        var known = members.Properties.ToDictionary(SettingsShape.GetName, StringComparer.OrdinalIgnoreCase);
        if (known.TryGetValue(part.Key, out var member))
            return FindUnreadable(part, member.PropertyType);
        if (Renamed.TryGetValue($"{part.Path.Split(':')[0]}:{part.Key}", out var current) && known.ContainsKey(current))
            return [$"{part.Path} is called {current} now."];

        var nearest = NearestName.Of(part.Key, known.Keys);
        return
        [
            $"{part.Path} is no setting of Wake's; "
                + (
                    nearest is not null
                        ? $"{nearest} is."
                        : $"known here are {string.Join(", ", known.Keys.Order(StringComparer.Ordinal))}."
                ),
        ];
    }

    static string? UnreadableValue(IConfigurationSection section, Type type)
    {
        try
        {
            _ = section.Get(type);
            return null;
        }
        catch (InvalidOperationException illegible)
        {
            return illegible.Message;
        }
    }

    static string Example(IConfigurationSection section, SettingsShape shape) =>
        shape switch
        {
            SettingsShape.Items => $"write {section.Path}:0",
            SettingsShape.Members members => $"write {section.Path}:{SettingsShape.GetName(members.Properties[0])}",
            _ => $"write {section.Path}:NAME",
        };
}

/// <summary>Stops the start where a section is misspelt.</summary>
sealed class UnknownSectionsValidator(IConfiguration configuration)
    : IValidateOptions<UnknownSectionsValidator.Sections>
{
    public ValidateOptionsResult Validate(string? name, Sections options) =>
        SettingsValidation.FindUnknownSections((IConfigurationRoot)configuration).ToList() is { Count: > 0 } problems
            ? ValidateOptionsResult.Fail(problems)
            : ValidateOptionsResult.Success;

    /// <summary>Has no members: what is checked is the configuration itself.</summary>
    public sealed class Sections;
}
