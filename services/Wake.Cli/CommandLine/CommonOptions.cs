using System.CommandLine;
using System.CommandLine.Parsing;
using Wake.Standalone;

namespace Wake.Cli;

/// <summary>Options that several commands have.</summary>
static class CommonOptions
{
    /// <summary>The data folder of a standalone Wake.</summary>
    public static Option<string?> Data { get; } = FolderOption("--data", "--data-folder");

    /// <summary>The same where <c>--data</c> means something else.</summary>
    public static Option<string?> DataFolder { get; } = FolderOption("--data-folder");

    /// <summary>For whom to write.</summary>
    public static Option<string> Output { get; } =
        new Option<string>("--output")
        {
            HelpName = "human|json",
            Description =
                "human for people (the default); json for programs: the API's own answer on standard output, and "
                + "nothing else.",
        }.AcceptOnlyFromAmong("human", "json");

    /// <summary>A flag, which takes no word after it, not even true or false.</summary>
    public static Option<bool> Flag(string name, string description) =>
        new(name) { Description = description, Arity = ArgumentArity.Zero };

    /// <summary>Where a page of a list begins.</summary>
    public static Option<string?> Cursor() =>
        new("--cursor")
        {
            HelpName = "CURSOR",
            Description = "The next page of the same list: what the command that printed the page before has named.",
        };

    /// <summary>The folder meant: the option's, else <c>WAKE_DATA</c>, else the default one.</summary>
    public static DataFolder ResolveFolder(string? option) =>
        new(option ?? (Environment.GetEnvironmentVariable("WAKE_DATA") is { Length: > 0 } named ? named : null));

    static Option<string?> FolderOption(string name, params string[] aliases)
    {
        var option = new Option<string?>(name, aliases)
        {
            HelpName = "DIR",
            Description = "The data folder of the Wake that is meant. Default: WAKE_DATA, else the user's own.",
        };
        option.Validators.Add(NotEmpty);
        return option;
    }

    static void NotEmpty(OptionResult option)
    {
        if (option.Tokens is [{ Value: "" }])
            option.AddError($"{option.Option.Name} names no folder.");
    }
}
