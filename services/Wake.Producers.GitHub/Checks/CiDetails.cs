using Wake.Producing;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>What an event about CI says beside what the checks add up to.</summary>
public sealed record CiDetails
{
    /// <summary>What the log of the first failed job says around its error.</summary>
    public string? Excerpt { get; init; }

    /// <summary>Who opened the pull request, and the branch its commits are on; null when nobody has said.</summary>
    public string? Author { get; init; }

    /// <inheritdoc cref="Author" />
    public string? Branch { get; init; }

    /// <summary>Whether its author is one of the logins that sessions work as.</summary>
    public bool Own { get; init; }

    /// <summary>What became of running the failed jobs again before anybody was told.</summary>
    internal RerunOutcome? RerunOutcome { get; init; }

    /// <summary>What had failed before it ran again.</summary>
    internal IReadOnlyList<string> FailedBefore { get; init; } = [];

    /// <summary>The checks that failed and then passed, with how often they were run again and passed.</summary>
    internal IReadOnlyList<(string Name, int Reruns, int Passed)> Flaky { get; init; } = [];

    internal string? Rerun => RerunOutcome?.ToCamelCase();

    internal string RerunSummary =>
        RerunOutcome switch
        {
            GitHub.RerunOutcome.Failed => "; it was rerun and failed again",
            GitHub.RerunOutcome.Refused => "; it could not be rerun",
            GitHub.RerunOutcome.NotStarted => "; it was to be rerun, and that has not begun",
            GitHub.RerunOutcome.Unfinished => $"; this is the rerun after {ListNames(FailedBefore)} failed",
            GitHub.RerunOutcome.Passed when Flaky is [var one] =>
                $"; {ListNames([one.Name])} failed first and passed when it was rerun: flaky, {one.Passed} of its "
                    + $"{one.Reruns} reruns passed",
            GitHub.RerunOutcome.Passed =>
                $"; {ListNames(FailedBefore)} failed first and passed when they were rerun: flaky",
            _ => "",
        };

    /// <summary>Enough to know what to look for; the data has all of them.</summary>
    internal static string ListNames(IReadOnlyCollection<string> checks) =>
        string.Join(", ", checks.Take(5).Select(x => EventText.TruncateToLine(x, EventText.MaxTitleLength)))
        + (checks.Count > 5 ? $" and {checks.Count - 5} more" : "");
}

/// <summary>What became of running the failed jobs of a commit again.</summary>
enum RerunOutcome
{
    /// <summary>All checks were green then.</summary>
    Passed,

    /// <summary>Something failed again.</summary>
    Failed,

    /// <summary>The account may not, or what failed is no job of GitHub Actions.</summary>
    Refused,

    /// <summary>GitHub has not begun it in time.</summary>
    NotStarted,

    /// <summary>It has begun and not ended in time.</summary>
    Unfinished,
}
