using System.Text.Json;

namespace Wake.Producers.GitHub;

/// <summary>
/// What was last seen of a repository. Kept as JSON in one row, so that what was seen and the ETag it was seen with
/// change together.
/// </summary>
sealed class RepositoryState
{
    /// <summary>The path of the repository in the API, once it has been renamed.</summary>
    public string? Path { get; set; }

    public long? Id { get; set; }

    public Dictionary<string, string> ETags { get; set; } = [];

    /// <summary>The newest change of a pull request that the list of them has shown.</summary>
    public DateTimeOffset PullsUntil { get; set; }

    public DateTimeOffset IssuesUntil { get; set; }

    public DateTimeOffset CommentsSince { get; set; }

    public DateTimeOffset ReviewCommentsSince { get; set; }

    public Dictionary<long, PullState> Pulls { get; set; } = [];

    public Dictionary<long, ItemState> Issues { get; set; } = [];

    /// <summary>Commits whose checks are added up, by their hash.</summary>
    public Dictionary<string, CommitState> Commits { get; set; } = [];

    /// <summary>Branches and tags that are watched, and the commit each was at.</summary>
    public Dictionary<string, RefState> Refs { get; set; } = [];

    /// <summary>Whether the first page of runs has all there are, so that no commit need be asked for its
    /// own.</summary>
    public bool RunsAreFew { get; set; }

    /// <summary>The newest runs of workflows on those commits, and how far each was.</summary>
    public Dictionary<long, string> Runs { get; set; } = [];

    /// <summary>When deployments were looked at first.</summary>
    public DateTimeOffset DeploymentsSince { get; set; }

    /// <summary>The deployments of the last time, by id.</summary>
    public Dictionary<long, DeploymentState> Deployments { get; set; } = [];

    public DateTimeOffset ReleasesSince { get; set; }

    /// <summary>The releases that were there.</summary>
    public HashSet<long> Releases { get; set; } = [];

    /// <summary>Until when check runs are not asked for, because this account may not read them.</summary>
    public DateTimeOffset ChecksForbiddenUntil { get; set; }

    /// <summary>Until when workflow runs are not asked for, because this account may not read them, or there are
    /// none.</summary>
    public DateTimeOffset RunsForbiddenUntil { get; set; }

    /// <summary>Until when nothing is asked by GraphQL of many pull requests at once, because there was no
    /// answer.</summary>
    public DateTimeOffset QueryFailedUntil { get; set; }

    /// <summary>How often checks that had failed were run again on the same commit, by their names.</summary>
    public Dictionary<string, CheckReruns> Reruns { get; set; } = [];

    /// <summary>What must pass before something is merged into a branch, by the branch's name.</summary>
    public Dictionary<string, RequiredChecksState> Required { get; set; } = [];

    /// <summary>What is watched and cannot be found.</summary>
    public Dictionary<string, NotFoundState> Missing { get; set; } = [];

    /// <summary>When something was last different from before.</summary>
    public DateTimeOffset ChangedAt { get; set; }

    /// <summary>When to look earlier than usual at whether something can be merged; of this look only.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public TimeSpan? NextMergeStateLook { get; set; }

    /// <summary>How long until checks are to have started; of this look only.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public TimeSpan? NextDeadline { get; set; }

    /// <summary>The account that has looked last.</summary>
    public string? Account { get; set; }

    /// <summary>Another account looks: what could not be seen was said to the one before, and the ETags are its
    /// own.</summary>
    public void UseAccount(string account)
    {
        if (Account is not null && Account != account)
        {
            (ChecksForbiddenUntil, RunsForbiddenUntil, RunsAreFew) = (default, default, false);
            Missing.Clear();
            Required.Clear();
            ETags.Clear();
        }

        Account = account;
    }

    /// <summary>Whether what the checks of a commit add up to is still to be told.</summary>
    public bool HasPendingChecks(string? sha) =>
        sha is not null && Commits.TryGetValue(sha, out var commit) && !commit.Done;

    public static RepositoryState FromJson(string json) => JsonSerializer.Deserialize<RepositoryState>(json) ?? new();

    public string ToJson() => JsonSerializer.Serialize(this);
}

/// <summary>A thing with a number. What was said on it before <paramref name="Since"/> is no news.</summary>
/// <param name="Since">When the first watch of it was made, or, of what only a pattern means, when it was first looked
/// at.</param>
/// <param name="UpdatedAt">When it was last different.</param>
/// <param name="ClosedAt">When it was closed, which tells one closing from the next; null while it is open.</param>
record ItemState(DateTimeOffset Since, DateTimeOffset UpdatedAt, DateTimeOffset? ClosedAt);

/// <summary>A pull request, and the commit its branch is at.</summary>
sealed record PullState(DateTimeOffset Since, DateTimeOffset UpdatedAt, DateTimeOffset? ClosedAt, string? Head)
    : ItemState(Since, UpdatedAt, ClosedAt)
{
    /// <summary>The commit it became in its target branch, which is what gets deployed; null before that, and where the
    /// API does not tell.</summary>
    public string? MergedAs { get; init; }

    /// <summary>When its reviews were read last.</summary>
    public DateTimeOffset ReadAt { get; init; }

    /// <summary>The branch it is to be merged into.</summary>
    public string? Base { get; init; }

    /// <summary>Who opened it, and the branch its commits are on.</summary>
    public string? Author { get; init; }

    public string? Branch { get; init; }

    /// <summary>The commits its branch was at before, the last first.</summary>
    public IReadOnlyList<string> Past { get; init; } = [];
}

/// <summary>The commit a branch or tag is at, and the one it was at before; none when it was not there.</summary>
sealed record RefState(string? Sha, string? Before);

/// <summary>The checks of a commit.</summary>
/// <param name="Since">When it was first looked at.</param>
/// <param name="Baseline">Whether it was the commit when the watch began: what had ended by then is no news.</param>
sealed record CommitState(DateTimeOffset Since, bool Baseline)
{
    /// <summary>What its check suites came of, where a run has told: the workflow, and what started it.</summary>
    public Dictionary<long, string> Suites { get; init; } = [];

    /// <summary>What they add up to, and when the last of them ended; null while something runs.</summary>
    public CiRollup.Finished? Result { get; init; }

    public DateTimeOffset EndedAt { get; init; }

    /// <summary>The runs of workflows on it; null before they were read.</summary>
    public IReadOnlyList<WorkflowRun>? Runs { get; init; }

    /// <summary>They are not as they were when all was added up.</summary>
    public bool RunsMoved { get; init; }

    /// <summary>By which rules they were added up.</summary>
    public CiRules? Rules { get; init; }

    /// <summary>What they add up to so far, where something has not ended that is waited for; and when anything of it
    /// last moved.</summary>
    public CiRollup.Finished? SoFar { get; init; }

    public DateTimeOffset StandsSince { get; init; }

    /// <summary>What they add up to, ended or not; null before they were read.</summary>
    internal CiRollup.Finished? Sum => Result ?? SoFar;

    /// <summary>What failed first, of what has a log.</summary>
    public FailedCheck? Failed { get; init; }

    /// <summary>It has no checks at all yet.</summary>
    public bool Empty { get; init; }

    /// <summary>When something was last different: what stands still for long is looked at no more.</summary>
    public DateTimeOffset MovedAt { get; init; }

    /// <summary>The fingerprint of the result that was published last.</summary>
    public string? Said { get; init; }

    /// <summary>What had not ended when it was published.</summary>
    public IReadOnlyList<string> SaidOpen { get; init; } = [];

    /// <summary>The pull requests it was published for; null before that.</summary>
    public IReadOnlyList<long>? SaidOf { get; init; }

    /// <summary>What was done about its failure before anybody is told of it; null when nothing was.</summary>
    public CommitRerun? Rerun { get; init; }

    /// <summary>The time by which its checks are to have started is over, and it was told what has not.</summary>
    public bool DeadlineSeen { get; init; }

    /// <summary>Nothing more is expected until a run begins again.</summary>
    public bool Done { get; init; }

    /// <summary>When one that is done was looked at last: something may be added that no run tells of.</summary>
    public DateTimeOffset LookedAt { get; init; }
}

/// <summary>What must pass, and when GitHub was asked for it last.</summary>
sealed record RequiredChecksState(DateTimeOffset ReadAt, IReadOnlyList<string> Checks, IReadOnlyList<string> ByRule);

/// <summary>A deployment; done once it has ended, until it is different again.</summary>
sealed record DeploymentState(
    long Id,
    string Sha,
    string? Ref,
    string? Environment,
    DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt,
    bool Done
);

/// <summary>A job that failed; with an attempt, a run of which the job is not known.</summary>
sealed record FailedCheck(long Id, long? Attempt)
{
    /// <summary>Its name; null where an older version has kept it.</summary>
    public string? Name { get; init; }
}

/// <summary>How often something was not there, and when to look again.</summary>
sealed record NotFoundState(int Times, DateTimeOffset LookAt);

/// <summary>That the failed jobs of a commit are run again. A check is run again once on a commit.</summary>
/// <param name="AskedAt">When that was asked for.</param>
/// <param name="Fingerprint">Of the failure that is withheld for it.</param>
/// <param name="Runs">The runs that are to begin again, and the attempt each was at.</param>
/// <param name="Failed">The checks that had failed.</param>
/// <param name="Spent">All checks that were run again on this commit.</param>
/// <param name="Outcome">What it came to; null while that is open.</param>
sealed record CommitRerun(
    DateTimeOffset AskedAt,
    string Fingerprint,
    IReadOnlyDictionary<long, long> Runs,
    IReadOnlyList<string> Failed,
    IReadOnlyList<string> Spent,
    RerunOutcome? Outcome
);

/// <summary>How often a check was run again after it had failed, and how often it passed then.</summary>
sealed record CheckReruns(int Times, int Passed, DateTimeOffset LastAt);
