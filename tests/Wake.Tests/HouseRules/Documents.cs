using System.CommandLine;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Wake.Cli;
using Wake.ServiceDefaults;
using Wake.Standalone;
using Wake.Tests.Support;

namespace Wake.Tests.HouseRules;

/// <summary>What the documents name exists: files, headings, commands, settings.</summary>
public sealed partial class Documents
{
    const string Architecture = "architecture.md";

    // Fences of these are read by a shell; of none, by a shell or as settings.
    static readonly string[] Shells = ["", "sh", "bash", "console"];

    // Stands for any id in an example.
    const string SomeId = "01234567-89ab-cdef-0123-456789abcdef";

    static readonly IReadOnlyList<SettingsSection> Sections = StandaloneHost.Sections;

    static readonly string AnySection = string.Join('|', SettingsSection.Names);

    // As an environment variable, or with colons.
    static readonly Regex Setting = new($@"(?<![\w:])(?:{AnySection})(?:__|:)(?:\w|:(?=\w))*");

    static readonly Regex Assignment = new(
        $@"^\s*(?<name>(?:{AnySection})__\w+)=(?<value>.*)$",
        RegexOptions.Multiline | RegexOptions.ExplicitCapture
    );

    static readonly List<MarkdownDocument> All =
    [
        .. new[]
        {
            "README.md",
            "CONTRIBUTING.md",
            "SECURITY.md",
            "CHANGELOG.md",
            "shared/Wake.Prompting/Prompts/README.md",
        }
            .Select(x => Path.Combine(Repository.Root, x))
            .Concat(Repository.Sources("docs", "*.md"))
            .Concat(Repository.Sources("deploy", "*.md"))
            .Order(StringComparer.Ordinal)
            .Select(x => new MarkdownDocument(x)),
    ];

    [Fact]
    public void Link_to_what_exists() => Problems.None(All.SelectMany(Broken));

    [Fact]
    public void Say_where_to_report_what_no_issue_should_tell() =>
        Assert.Contains("privately", File.ReadAllText(Path.Combine(Repository.Root, "SECURITY.md")));

    [Fact]
    public void Link_to_sources_from_one_page_alone() =>
        Problems.None(
            from document in All
            where Path.GetFileName(document.FullPath) != Architecture
            from link in document.Links
            where Source().IsMatch(link)
            select $"{Name(document)} links to {link}; only {Architecture} links to sources."
        );

    [Fact]
    public void Show_commands_that_can_be_used()
    {
        var shown = (
            from document in All
            from block in document.Blocks
            where Shells.Contains(block.Language)
            from words in ShellLines.Commands(block.Text)
            let arguments = ArgumentsOf(words)
            where arguments is not null
            select (Where: $"{Name(document)}, line {block.Line}", Words: arguments!)
        ).ToList();

        Assert.True(shown.Count > 30, $"Only {shown.Count} commands were found.");
        Problems.None(
            from one in shown
            let errors = CommandTree.Parse(CommandPage.Root, one.Words).Errors
            where errors.Count > 0
            select $"{one.Where}: wake {string.Join(' ', one.Words)}: {string.Join(' ', errors.Select(x => x.Message))}"
        );
    }

    [Fact]
    public void Name_commands_and_options_that_exist() =>
        Problems.None(
            from document in All
            from code in document.InlineCode
            where code.StartsWith("wake ", StringComparison.Ordinal)
            let problem = UnknownCommand([.. ShellLines.Commands(code)[0].Skip(1)])
            where problem is not null
            select $"{Name(document)}: {code}: {problem}"
        );

    [Fact]
    public void Name_settings_that_exist() =>
        Problems.None(
            from document in All
            from code in document.InlineCode.Concat(
                document.Blocks.Where(x => x.Language is not "json").Select(x => x.Text)
            )
            from Match setting in Setting.Matches(code)
            let problem = UnknownSetting(setting.Value)
            where problem is not null
            select $"{Name(document)}: {setting.Value}: {problem}"
        );

    [Fact]
    public void Know_every_section_that_a_file_of_settings_may_have() =>
        Assert.Equal(Sections.Select(x => x.Name).Order(StringComparer.Ordinal), SettingsSection.Names);

    [Fact]
    public void Show_values_that_settings_take() =>
        Problems.None(
            from document in All
            from block in document.Blocks
            let lines = Assignment
                .Matches(block.Text)
                .Select(x =>
                    KeyValuePair.Create(
                        x.Groups["name"].Value.Replace("__", ":", StringComparison.Ordinal),
                        (string?)x.Groups["value"].Value.TrimEnd()
                    )
                )
                .ToList()
            where lines.Count > 0
            from problem in Unreadable(new ConfigurationBuilder().AddInMemoryCollection(lines).Build())
            select $"{Name(document)}, line {block.Line}: {problem}"
        );

    [Fact]
    public void Show_JSON_that_can_be_read() =>
        Problems.None(
            from document in All
            from block in document.Blocks
            where block.Language is "json"
            let problem = Problem(block.Text)
            where problem is not null
            select $"{Name(document)}, line {block.Line}: {problem}"
        );

    [Fact]
    public void Have_lines_that_fit() =>
        Problems.None(
            from document in All
            from line in document.Prose.Select((text, index) => (Text: text, Number: index + 1))
            where line.Text.Length > MarkdownText.Width && !line.Text.TrimStart().StartsWith('|')
            select $"{Name(document)}, line {line.Number} has {line.Text.Length} characters; {MarkdownText.Width} "
                + "are allowed."
        );

    static string Name(MarkdownDocument document) => Path.GetRelativePath(Repository.Root, document.FullPath);

    static IEnumerable<string> Broken(MarkdownDocument document)
    {
        foreach (var link in document.Links.Where(x => !Elsewhere().IsMatch(x)))
        {
            var parts = link.Split('#', 2);
            var target =
                parts[0].Length == 0
                    ? document.FullPath
                    : Path.GetFullPath(parts[0], Path.GetDirectoryName(document.FullPath)!);
            if (!Path.Exists(target))
                yield return $"{Name(document)}: {link}: there is no such file.";
            else if (
                parts is [_, var anchor]
                && All.Find(x => x.FullPath == target)?.Anchors.Contains(anchor) is not true
            )
                yield return $"{Name(document)}: {link}: there is no such heading.";
        }
    }

    // What wake is called with in a command of a shell; null where it is another command.
    static List<string>? ArgumentsOf(List<string> words)
    {
        words = [.. words.SkipWhile(x => Variable().IsMatch(x))];
        var at = words switch
        {
            ["wake", ..] => 0,
            ["claude", "mcp", "add", ..] => words.IndexOf("--") + 1,
            ["docker" or "docker-compose", ..] when words.Contains("run") => words.IndexOf(
                "wake",
                words.IndexOf("run")
            ),
            _ => -1,
        };
        return at >= 0 && at < words.Count && words[at] == "wake"
            ? [.. words.Skip(at + 1).Select(x => SomeIdInWords().IsMatch(x) ? SomeId : x)]
            : null;
    }

    static string? UnknownCommand(IReadOnlyList<string> words)
    {
        Command command = CommandPage.Root;
        var next = 0;
        for (
            ;
            next < words.Count && command.Subcommands.FirstOrDefault(x => x.Name == words[next]) is { } below;
            next++
        )
            command = below;

        if (command is RootCommand && words is not ["--help" or "--version", ..])
            return "there is no such command.";

        return
            words
                .Skip(next)
                .Select(x => x.Split('=')[0])
                .FirstOrDefault(x =>
                    x.StartsWith("--", StringComparison.Ordinal)
                    && x.Length > 2
                    && x is not ("--help" or "--version")
                    && !command.Options.Any(y => y.Name == x || y.Aliases.Contains(x))
                )
                is { } option
            ? $"it has no option {option}."
            : null;
    }

    static string? UnknownSetting(string setting)
    {
        var parts = setting
            .Replace("__", ":", StringComparison.Ordinal)
            .Split(':', StringSplitOptions.RemoveEmptyEntries);
        var type = Sections.Single(x => x.Name == parts[0]).Options;
        foreach (var part in parts[1..])
        {
            var below = SettingsShape.FromType(type) switch
            {
                SettingsShape.Members members => members
                    .Properties.FirstOrDefault(x =>
                        SettingsShape.GetName(x).Equals(part, StringComparison.OrdinalIgnoreCase)
                    )
                    ?.PropertyType,
                SettingsShape.Entries entries => entries.ElementType,
                SettingsShape.Items items when part.All(char.IsAsciiDigit) => items.ElementType,
                _ => null,
            };
            if (below is null)
                return $"there is no {part}.";
            type = below;
        }

        return null;
    }

    static IEnumerable<string> Unreadable(IConfiguration settings) =>
        Sections.SelectMany(x => SettingsValidation.FindUnreadable(settings.GetSection(x.Name), x.Options));

    // What is a file of settings has to be one that Wake takes.
    static string? Problem(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            if (
                document.RootElement.ValueKind is not JsonValueKind.Object
                || !document.RootElement.EnumerateObject().Any(x => SettingsSection.Names.Contains(x.Name))
            )
                return null;

            using var text = new MemoryStream(Encoding.UTF8.GetBytes(json));
            return Unreadable(new ConfigurationBuilder().AddJsonStream(text).Build()).FirstOrDefault();
        }
        catch (JsonException wrong)
        {
            return wrong.Message;
        }
    }

    [GeneratedRegex(@"^(?:[a-z]+://|mailto:)")]
    private static partial Regex Elsewhere();

    [GeneratedRegex(@"(?:^|/)(?:services|shared|tests)/.*\.(?:cs|sql)$")]
    private static partial Regex Source();

    [GeneratedRegex(@"^[A-Za-z_]\w*=")]
    private static partial Regex Variable();

    [GeneratedRegex("^(?:[A-Z]+-)*ID$")]
    private static partial Regex SomeIdInWords();
}
