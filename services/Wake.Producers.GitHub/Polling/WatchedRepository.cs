using System.Globalization;
using System.IO.Enumeration;
using System.Text.RegularExpressions;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>
/// What is watched in one repository. Whoever else reads subjects compares them; only their own producer takes them
/// apart.
/// </summary>
/// <param name="Repository">The repository.</param>
/// <param name="Subjects">The subjects and patterns.</param>
sealed partial record WatchedRepository(GitHubRepository Repository, IReadOnlyList<string> Subjects)
{
    readonly List<string> patterns = [.. Subjects.Where(x => x.Contains('*'))];

    /// <summary>Issues and pull requests, by number.</summary>
    public IReadOnlySet<long> Numbers { get; } = Subjects.Select(NumberOf).OfType<long>().ToHashSet();

    /// <summary>Commits, by hash.</summary>
    public IReadOnlySet<string> Commits { get; } = Subjects.Select(CommitOf).OfType<string>().ToHashSet();

    /// <summary>Branches and tags, by their full names.</summary>
    public IReadOnlySet<string> Refs { get; } = Subjects.Select(x => PartOf(x, "ref")).OfType<string>().ToHashSet();

    /// <summary>Whether issues and pull requests nobody has named yet may be meant.</summary>
    public bool WatchesNumbersByPattern =>
        patterns.Exists(x => x.IndexOf('*') <= Repository.Subject.Length + 1 || x[Repository.Subject.Length] == '#');

    /// <summary>Since when each of the subjects is waited for, where that is known.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset> Since { get; init; } = new Dictionary<string, DateTimeOffset>();

    /// <summary>The subjects whose failed checks are run again before anybody is told.</summary>
    public IReadOnlyList<RerunRule> Reruns { get; init; } = [];

    /// <summary>By when checks are to have started.</summary>
    public IReadOnlyList<ExpectRule> Expects { get; init; } = [];

    /// <summary>Whether somebody waits for deployments in it.</summary>
    public bool Deployments { get; init; }

    /// <summary>Whether somebody waits for releases of it.</summary>
    public bool Releases { get; init; }

    /// <summary>Whether a subject in it is watched, by name or by a pattern.</summary>
    public bool IsWatched(string subject) =>
        Subjects.Contains(subject)
        || patterns.Exists(x => FileSystemName.MatchesSimpleExpression(x, subject, ignoreCase: false));

    public bool IsWatched(long number) =>
        Numbers.Contains(number) || (patterns.Count > 0 && IsWatched(Repository.Item(number)));

    /// <summary>The repositories that subjects are in. A pattern for more than one repository names none that could be
    /// asked.</summary>
    public static IEnumerable<WatchedRepository> FromSubjects(IEnumerable<WatchedSubject> watches) =>
        from watch in watches
        let match = Subject().Match(watch.Subject)
        where match.Success
        let host = match.Groups["host"] is { Success: true } other ? other.Value : GitHubRepository.Public
        group watch by new GitHubRepository(host, match.Groups["repository"].Value, Id: null) into one
        select new WatchedRepository(one.Key, [.. one.Select(x => x.Subject).Distinct().Order(StringComparer.Ordinal)])
        {
            Since = one.GroupBy(x => x.Subject).ToDictionary(x => x.Key, x => x.Min(y => y.Since)),
            Reruns =
            [
                .. one.Where(x => x.Rerun is not RerunFor.Nobody && x.MatchesType("github.ci.completed"))
                    .GroupBy(x => x.Subject)
                    .Select(x => new RerunRule(x.Key, x.Any(y => y.Rerun is RerunFor.Everybody))),
            ],
            Expects =
            [
                .. one.Where(x => x.ExpectWithin is not null && x.MatchesType("github.ci.missing"))
                    .GroupBy(x => (x.Subject, Within: x.ExpectWithin!.Value))
                    .Select(x => new ExpectRule(x.Key.Subject, x.Min(y => y.Since), x.Key.Within))
                    .OrderBy(x => x.Subject, StringComparer.Ordinal)
                    .ThenBy(x => x.Within),
            ],
            Deployments = one.Any(x =>
                x.MatchesType("github.deployment.completed")
                && (MayStartWith(x.Subject, $"{one.Key.Subject}#") || MayStartWith(x.Subject, $"{one.Key.Subject}@"))
            ),
            Releases = one.Any(x =>
                x.MatchesType("github.release.published") && MayStartWith(x.Subject, $"{one.Key.Subject}:refs/tags/")
            ),
        };

    /// <summary>Whether a subject is this one, or one that this pattern means.</summary>
    public static bool Matches(string pattern, string subject) =>
        pattern == subject
        || (pattern.Contains('*') && FileSystemName.MatchesSimpleExpression(pattern, subject, ignoreCase: false));

    /// <summary>The repositories that subjects are in, of which nothing more is known.</summary>
    public static IEnumerable<WatchedRepository> FromSubjects(IEnumerable<string> subjects) =>
        FromSubjects(subjects.Select(x => new WatchedSubject(x, Types: [], Since: DateTimeOffset.MaxValue)));

    /// <summary>The subject of the repository that a subject is in; null when it is in none.</summary>
    public static string? RepositorySubjectOf(string subject) =>
        FromSubjects([subject]).FirstOrDefault()?.Repository.Subject;

    /// <summary>The number of the issue or pull request that a subject names; null when it names none.</summary>
    public static long? NumberOf(string subject) =>
        PartOf(subject, "number") is { } number ? long.Parse(number, CultureInfo.InvariantCulture) : null;

    /// <summary>The hash of the commit that a subject names; null when it names none.</summary>
    public static string? CommitOf(string subject) => PartOf(subject, "commit");

    // A pattern may begin like this once its stars have been filled.
    static bool MayStartWith(string subject, string beginning) =>
        subject.StartsWith(beginning, StringComparison.Ordinal)
        || (
            subject.IndexOf('*') is >= 0 and var star && beginning.StartsWith(subject[..star], StringComparison.Ordinal)
        );

    static string? PartOf(string subject, string part) =>
        Subject().Match(subject).Groups[part] is { Success: true, Value: var value } ? value : null;

    [GeneratedRegex(
        @"\Agithub(?:@(?<host>[^#/*]+?))?:(?<repository>[a-z0-9_.-]+/[a-z0-9_.-]+)(?:#(?<number>[1-9][0-9]{0,17})|@(?<commit>[0-9a-f]{40})|:(?<ref>refs/[^*]+)|[#@:][^*]*\*.*)\z",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant,
        matchTimeoutMilliseconds: 1000
    )]
    private static partial Regex Subject();
}

/// <summary>Failed checks of these pull requests are run again first.</summary>
/// <param name="Subject">The subject; with a <c>*</c> in it a pattern.</param>
/// <param name="AnyAuthor">Whoever opened the pull request, rather than only the logins that sessions work as.</param>
sealed record RerunRule(string Subject, bool AnyAuthor);

/// <summary>Checks of these pull requests are to have started some time after a push.</summary>
/// <param name="Subject">The subject; with a <c>*</c> in it a pattern.</param>
/// <param name="Since">Since when that is expected.</param>
/// <param name="Within">How long after a push.</param>
sealed record ExpectRule(string Subject, DateTimeOffset Since, TimeSpan Within)
{
    /// <summary>When they are to have started on a commit that has been there since a time.</summary>
    public DateTimeOffset DeadlineOf(DateTimeOffset commitSince) =>
        (commitSince > Since ? commitSince : Since) + Within;

    public bool IsFor(string subject) => WatchedRepository.Matches(Subject, subject);
}
