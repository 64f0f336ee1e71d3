using System.Globalization;
using System.IO.Enumeration;
using System.Text.RegularExpressions;

namespace Wake.Producers.GitHub;

/// <summary>
/// What is watched in one repository. Whoever else reads subjects compares them; only their own producer takes them apart.
/// </summary>
/// <param name="Repository">The repository.</param>
/// <param name="Subjects">The subjects and patterns.</param>
sealed partial record WatchedRepository(GitHubRepository Repository, IReadOnlyList<string> Subjects)
{
    readonly List<string> patterns = [.. Subjects.Where(x => x.Contains('*'))];

    /// <summary>Issues and pull requests, by number.</summary>
    public IReadOnlySet<long> Numbers { get; } = Subjects.Select(NumberOf).OfType<long>().ToHashSet();

    /// <summary>Commits, by hash.</summary>
    public IReadOnlySet<string> Commits { get; } = Named(Subjects, "commit");

    /// <summary>Branches and tags, by their full names.</summary>
    public IReadOnlySet<string> Refs { get; } = Named(Subjects, "ref");

    /// <summary>Whether issues and pull requests nobody has named yet may be meant.</summary>
    public bool ByPattern => patterns.Exists(x => x.IndexOf('*') <= Repository.Subject.Length + 1 || x[Repository.Subject.Length] == '#');

    public bool Means(long number) => Numbers.Contains(number)
        || (patterns.Count > 0 && Repository.Item(number) is var item
            && patterns.Exists(x => FileSystemName.MatchesSimpleExpression(x, item, ignoreCase: false)));

    /// <summary>The repositories that subjects are in. A pattern for more than one repository names none that could be asked.</summary>
    public static IEnumerable<WatchedRepository> Of(IEnumerable<string> subjects) =>
        from subject in subjects
        let match = Subject().Match(subject)
        where match.Success
        let host = match.Groups["host"] is { Success: true } other ? other.Value : GitHubRepository.Public
        group subject by new GitHubRepository(host, match.Groups["repository"].Value, Id: null) into one
        select new WatchedRepository(one.Key, [.. one.Order(StringComparer.Ordinal)]);

    /// <summary>The subject of the repository that a subject is in; null when it is in none.</summary>
    public static string? HomeOf(string subject) => Of([subject]).FirstOrDefault()?.Repository.Subject;

    static long? NumberOf(string subject) =>
        long.TryParse(Subject().Match(subject).Groups["number"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number : null;

    static HashSet<string> Named(IEnumerable<string> subjects, string part) =>
        [.. subjects.Where(x => !x.Contains('*')).Select(x => Subject().Match(x).Groups[part]).Where(x => x.Success).Select(x => x.Value)];

    [GeneratedRegex(
        @"\Agithub(?:@(?<host>[^#/*]+?))?:(?<repository>[a-z0-9_.-]+/[a-z0-9_.-]+)(?:#(?<number>[1-9][0-9]{0,17})|@(?<commit>[0-9a-f]{40})|:(?<ref>refs/[^*]+)|[#@:]?[^*]*\*.*)\z",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Subject();
}
