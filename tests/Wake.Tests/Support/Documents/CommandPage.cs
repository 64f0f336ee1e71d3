using System.CommandLine;
using System.CommandLine.Help;
using System.Globalization;
using Wake.Cli;

namespace Wake.Tests.Support;

/// <summary>The commands as a page, made from the commands themselves. <c>docs/cli.md</c> is what comes out.</summary>
static class CommandPage
{
    /// <summary>The commands, made once: what is shared between them may be added to a tree by one at a time.</summary>
    public static RootCommand Root { get; } = CommandTree.Make();

    public static string Text()
    {
        List<string> page =
        [
            "<!-- Made from the commands. To write it anew: WAKE_WRITE_CONTRACTS=1 tests/run --filter "
                + "ContractDocuments -->",
            "",
            "# CLI reference",
            "",
            .. MarkdownText.Wrapped(MarkdownText.Plain(Root.Description!)),
            "",
            .. Prose(WakeCommand.Common),
            "`wake --version` says which version it is.",
            "",
            "| Command | Does |",
            "| --- | --- |",
            .. All(Root)
                .Select(x => (Name: Output.NameOf(x), Does: MarkdownText.Plain(Summary(x))))
                .Select(x => $"| [`{x.Name}`](#{x.Name.Replace(' ', '-')}) | {x.Does} |"),
        ];
        foreach (var command in All(Root))
            page.AddRange(Section(command));
        return string.Join('\n', page) + "\n";
    }

    static IEnumerable<Command> All(Command command) => command.Subcommands.SelectMany(x => All(x).Prepend(x));

    // The first sentence; the whole of it stands in the command's own section.
    static string Summary(Command command)
    {
        var whole = command.Description!;
        return whole.IndexOf(". ", StringComparison.Ordinal) is > 0 and var end ? whole[..(end + 1)] : whole;
    }

    static List<string> Section(Command command)
    {
        var options = command.Options.Where(x => x is not (HelpOption or VersionOption) && !x.Hidden).ToList();
        List<string> section =
        [
            "",
            $"## {Output.NameOf(command)}",
            "",
            .. MarkdownText.Wrapped(MarkdownText.Plain(command.Description!)),
            "",
            "```text",
            Usage(command, options),
            "```",
            "",
        ];

        foreach (var argument in command.Arguments)
            section.AddRange(Entry(argument.Name, argument.Description));
        foreach (var option in options)
            section.AddRange(Entry(Spelt(option), Described(option)));
        if (command.Arguments.Count + options.Count > 0)
            section.Add("");

        section.AddRange(Prose((command as WakeCommand)?.More ?? ""));
        return section[^1].Length == 0 ? section[..^1] : section;
    }

    static string Usage(Command command, List<Option> options) =>
        string.Join(
            ' ',
            [
                Output.NameOf(command),
                .. command.Arguments.Select(x => x.Arity.MinimumNumberOfValues == 0 ? $"[{x.Name}]" : x.Name),
                .. options.Where(x => x.Required).Select(Spelt),
                .. options.TrueForAll(x => x.Required) ? Array.Empty<string>() : ["[options]"],
                .. command.Subcommands.Count == 0
                    ? Array.Empty<string>()
                    : [$"[{string.Join('|', command.Subcommands.Select(x => x.Name))}]"],
            ]
        );

    // A flag may be followed by true or false, which nobody writes.
    static string Spelt(Option option) =>
        option.Arity.MaximumNumberOfValues == 0 || option.ValueType == typeof(bool)
            ? option.Name
            : $"{option.Name} {option.HelpName ?? "VALUE"}";

    static string Described(Option option)
    {
        List<string> said = [];
        if (option.Required)
            said.Add("Required.");
        if (option.Description is { } description)
            said.Add(description);
        if (option.HasDefaultValue && option.GetDefaultValue() is { } standard and not false)
            said.Add($"Default: {Convert.ToString(standard, CultureInfo.InvariantCulture)}.");
        if (option.Aliases.Count > 0)
            said.Add($"Also: {string.Join(", ", option.Aliases.Select(x => $"`{x}`"))}.");
        return string.Join(' ', said);
    }

    static List<string> Entry(string name, string? description) =>
        MarkdownText.Wrapped($"`{name}`: {MarkdownText.Plain(description ?? "")}".TrimEnd(), "- ", "  ");

    // Paragraphs as they are, and examples, which are indented, as code. Each ends with an empty line.
    static List<string> Prose(string more)
    {
        List<string> lines = [];
        foreach (var paragraph in more.ReplaceLineEndings("\n").Split("\n\n", StringSplitOptions.RemoveEmptyEntries))
        {
            var rows = paragraph.Trim('\n').Split('\n');
            if (rows[0] is "Example:" or "Examples:")
            {
                lines.AddRange([
                    "```",
                    .. rows[1..].Select(x => x.StartsWith("  ", StringComparison.Ordinal) ? x[2..] : x),
                ]);
                lines.AddRange(["```", ""]);
                continue;
            }

            lines.AddRange([
                .. MarkdownText.Wrapped(MarkdownText.Plain(string.Join(' ', rows.Select(x => x.Trim())))),
                "",
            ]);
        }

        return lines;
    }
}
