using System.CommandLine;
using System.CommandLine.Parsing;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary>The options that say what a pause covers: one of them.</summary>
sealed class PauseScopeOptions
{
    readonly Option<bool> all = CommonOptions.Flag("--all", "Every session.");

    readonly (PauseScope Scope, Option<string?> Option)[] named =
    [
        (PauseScope.Session, Named("--session", "KEY", "The session of this key.")),
        (PauseScope.Route, Named("--route", "NAME", "The sessions whose keys are those that this route gives.")),
        (PauseScope.Profile, Named("--profile", "NAME", "The sessions of this profile.")),
        (PauseScope.Pool, Named("--pool", "NAME", "The sessions whose profiles have this pool.")),
        (PauseScope.Source, Named("--source", "S", "The events of this source, for all sessions.")),
        (
            PauseScope.Subject,
            Named("--subject", "GLOB", "The events about this subject, or related to it; * stands for anything.")
        ),
    ];

    /// <summary>Their names, for people.</summary>
    public string Names => $"{string.Join(", ", Options[..^1].Select(x => x.Name))} and {Options[^1].Name}";

    /// <summary>What a command that has them accepts.</summary>
    public Option[] Options => [all, .. named.Select(x => x.Option)];

    /// <summary>How many were given.</summary>
    public int Count(SymbolResult given) =>
        named.Count(x => given.GetValue(x.Option) is not null) + (given.GetValue(all) ? 1 : 0);

    /// <summary>What was given.</summary>
    public (PauseScope Scope, string? Name) Read(ParseResult given) =>
        named
            .Select(x => (x.Scope, Name: given.GetValue(x.Option)))
            .FirstOrDefault(x => x.Name is not null, (PauseScope.All, null));

    /// <summary>What a pause covers, in words.</summary>
    public static string Describe(PauseScope scope, string? name) =>
        scope is PauseScope.All ? "everything" : $"{Output.EnumWord(scope)} {name}";

    static Option<string?> Named(string name, string help, string description) =>
        new(name) { HelpName = help, Description = description };
}
