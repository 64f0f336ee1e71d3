using System.IO.Enumeration;

namespace Wake.Producers.GitHub;

/// <summary>Which checks must pass, and which do not matter. Names are compared as they are; a <c>*</c> stands for
/// anything.</summary>
/// <param name="Required">What must pass; empty when nobody knows, and then everything counts.</param>
/// <param name="Ignored">What is left out altogether.</param>
public sealed record CiRules(IReadOnlyList<string> Required, IReadOnlyList<string> Ignored)
{
    /// <summary>What must pass. Statuses of Wake's own come after a turn, which may wait for the checks: they are not
    /// among it, whoever requires them.</summary>
    public IReadOnlyList<string> Required
    {
        get;
        init => field = WithoutOwn(value);
    } = WithoutOwn(Required);

    /// <summary>Nothing is known.</summary>
    public static CiRules None { get; } = new([], []);

    /// <summary>How the names of the statuses begin with which Wake reports results.</summary>
    internal const string OwnPrefix = "wake/";

    /// <summary>Whether a status is one of Wake's own. They are no checks: each would be news for the session whose
    /// result it is.</summary>
    internal static bool IsOwn(string? context) => context?.StartsWith(OwnPrefix, StringComparison.Ordinal) is true;

    /// <summary>What must be there: a pattern names nothing that could be missed.</summary>
    internal IEnumerable<string> RequiredNames => Required.Where(x => !x.Contains('*') && !IsIgnored(x));

    internal bool IsIgnored(string? name) => Matches(Ignored, name);

    internal bool IsRequired(string name) => Required.Count == 0 || Matches(Required, name);

    internal bool SameAs(CiRules? others) =>
        others is not null && Required.SequenceEqual(others.Required) && Ignored.SequenceEqual(others.Ignored);

    static IReadOnlyList<string> WithoutOwn(IReadOnlyList<string> names) => [.. names.Where(x => !IsOwn(x))];

    static bool Matches(IReadOnlyList<string> patterns, string? name) =>
        name is not null
        && patterns.Any(x =>
            x == name || (x.Contains('*') && FileSystemName.MatchesSimpleExpression(x, name, ignoreCase: false))
        );
}

/// <summary>What its owner says of the checks of repositories. Environment:
/// <c>GitHub__Checks__0__Ignored__0=tide</c>.</summary>
public sealed class GitHubCheckOptions
{
    /// <summary>The repositories it is said of (<c>octo-org/*</c>); all by default.</summary>
    public IReadOnlyList<string> Repositories { get; init; } = [];

    /// <summary>The checks that must pass, with <c>*</c> for anything. None: what GitHub requires of the branch that is
    /// merged into.</summary>
    public IReadOnlyList<string> Required { get; init; } = [];

    /// <summary>The checks that do not count, with <c>*</c> for anything.</summary>
    public IReadOnlyList<string> Ignored { get; init; } = [];
}
