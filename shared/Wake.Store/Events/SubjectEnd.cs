namespace Wake.Store;

/// <summary>
/// Which events say that their subject is over (a pull request, an issue, a branch), and which that it is taken up
/// again.
/// </summary>
public static class SubjectEnd
{
    static readonly HashSet<string> Ends =
    [
        "github.pull_request.merged",
        "github.pull_request.closed",
        "github.issue.closed",
        "github.ref.deleted",
        "gitlab.merge_request.merged",
        "gitlab.merge_request.closed",
        "gitlab.issue.closed",
        "gitlab.ref.deleted",
        "forgejo.pull_request.merged",
        "forgejo.pull_request.closed",
        "forgejo.issue.closed",
        "forgejo.ref.deleted",
        "gitea.pull_request.merged",
        "gitea.pull_request.closed",
        "gitea.issue.closed",
        "gitea.ref.deleted",
    ];

    static readonly HashSet<string> Reopenings =
    [
        "github.pull_request.reopened",
        "github.issue.reopened",
        "gitlab.merge_request.reopened",
        "gitlab.issue.reopened",
        "forgejo.pull_request.reopened",
        "forgejo.issue.reopened",
        "gitea.pull_request.reopened",
        "gitea.issue.reopened",
    ];

    /// <summary>Types of the events after which a subject is over.</summary>
    public static IReadOnlyCollection<string> Types => Ends;

    /// <summary>Types of the events that take it up again.</summary>
    internal static IReadOnlyCollection<string> ReopeningTypes => Reopenings;

    /// <summary>Whether an event of this type ends its subject; false: it takes it up again; null: neither.</summary>
    internal static bool? Find(string type) =>
        Ends.Contains(type) ? true
        : Reopenings.Contains(type) ? false
        : null;
}
