using Wake.Contracts;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>
/// Runs failed jobs again before anybody is told of them. The failure is withheld meanwhile, in what is kept of the
/// repository: whatever is killed, it is told after <see cref="GitHubOptions.PendingAfter"/> at the latest.
/// </summary>
/// <param name="watched">What is watched in the repository.</param>
/// <param name="state">What was seen last.</param>
/// <param name="pages">Who asks.</param>
/// <param name="options">Which logins sessions work as.</param>
/// <param name="log">The log.</param>
sealed class RerunFirst(
    WatchedRepository watched,
    RepositoryState state,
    RepositoryReader pages,
    GitHubOptions options,
    ILogger log
)
{
    // Names of checks are made up by whoever writes workflows.
    const int MaxCounted = 200;

    /// <summary>Whether a failure of this commit is to be run again first.</summary>
    public bool Wants(string sha, IReadOnlyCollection<long> pulls) => Wants(watched, state, options, sha, pulls);

    /// <inheritdoc cref="Wants(string, IReadOnlyCollection{long})" />
    public static bool Wants(
        WatchedRepository watched,
        RepositoryState state,
        GitHubOptions options,
        string sha,
        IReadOnlyCollection<long> pulls
    ) =>
        watched.Reruns.Count > 0
        && pulls.Any(x =>
            watched.Reruns.Any(rule =>
                (rule.AnyAuthor || IsOwn(state, options, x))
                && (
                    WatchedRepository.Matches(rule.Subject, watched.Repository.Item(x))
                    || WatchedRepository.Matches(rule.Subject, watched.Repository.Commit(sha))
                )
            )
        );

    /// <summary>Whether the author of a pull request is one of the logins that sessions work as.</summary>
    public static bool IsOwn(RepositoryState state, GitHubOptions options, long pull) =>
        options.IsOwn(state.Pulls.GetValueOrDefault(pull)?.Author);

    /// <summary>
    /// Whether what a run of a workflow came to is kept back: the sum of all checks has not been told, is withheld
    /// itself, or was green once the run had run again.
    /// </summary>
    public static bool Holds(CommitState commit, long run, long attempt) =>
        commit.Rerun is { } rerun
            ? rerun.Runs.TryGetValue(run, out var at)
                && (rerun.Outcome is null ? at == attempt : rerun.Outcome is RerunOutcome.Passed && at >= attempt)
            : !commit.Done && (commit.Said is null || IsOfNextSum(commit, run));

    /// <summary>Whether it tells of a run that has failed.</summary>
    public static bool IsFailedRun(ExternalEventObserved observed) =>
        observed is { Type: "github.workflow_run.completed", Data: { } data }
        && JobLogs.HasFailed(data.Text("conclusion"));

    /// <summary>
    /// Whether what a delivery says of a run is kept back: it has failed and may run again first, or is an attempt
    /// before the one that has passed. Deliveries come in any order.
    /// </summary>
    public static bool Withholds(
        WatchedRepository watched,
        RepositoryState state,
        GitHubOptions options,
        string sha,
        IReadOnlyCollection<long> pulls,
        ExternalEventObserved observed
    ) =>
        IsFailedRun(observed)
        && observed.Data is { } data
        && data.Number("runId") is { } run
        && state.Commits.TryGetValue(sha, out var commit)
        && Holds(commit, run, data.Number("attempt") ?? 1)
        && Wants(watched, state, options, sha, pulls);

    /// <summary>What is to be told of a sum that stands; null when it is withheld. Starts the rerun.</summary>
    /// <param name="sha">The commit.</param>
    /// <param name="sum">What its checks add up to.</param>
    /// <param name="pulls">The pull requests whose head it is.</param>
    /// <param name="startWithin">How long a rerun may take to begin.</param>
    /// <param name="save">Keeps the state.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<CiDetails?> Decide(
        string sha,
        CiRollup.Finished sum,
        IReadOnlyCollection<long> pulls,
        TimeSpan startWithin,
        Func<Task> save,
        CancellationToken cancel
    )
    {
        var commit = state.Commits[sha];
        var (rerun, failing) = (commit.Rerun, sum.Failed.Count > 0);
        if (rerun is { Outcome: null })
        {
            if (commit.Result is null)
                return new() { RerunOutcome = RerunOutcome.Unfinished, FailedBefore = rerun.Failed };
            if (HasEnded(commit, rerun, sum))
            {
                Count(rerun, sum);
                return Conclude(failing ? RerunOutcome.Failed : RerunOutcome.Passed);
            }

            return pages.ServerTime - rerun.AskedAt < startWithin ? null : Conclude(RerunOutcome.NotStarted);
        }

        if (
            !failing
            || commit.Result is null
            || (commit.Baseline && commit.EndedAt < commit.Since)
            || !Wants(sha, pulls)
            || sum.Failed.Intersect(rerun?.Spent ?? []).Any()
        )
            return new();

        // Of what is no job of GitHub Actions the sum stays red, whatever the jobs come to.
        var runs = sum.Failures.Select(x => x.Run).Distinct().ToList();
        if (runs.Contains(null))
            return new() { RerunOutcome = RerunOutcome.Refused };

        var attempts = (commit.Runs ?? []).ToDictionary(x => x.Id, x => x.Attempt);
        state.Commits[sha] = commit with
        {
            Rerun = new(
                pages.ServerTime,
                sum.Fingerprint,
                runs.ToDictionary(x => x!.Value, x => attempts.GetValueOrDefault(x!.Value, 1)),
                sum.Failed,
                [.. (rerun?.Spent ?? []).Union(sum.Failed)],
                Outcome: null
            ),

            // The same checks may have been told as pending before they failed.
            Said = null,
        };

        // Kept first: who dies in between does not ask again, and tells the failure when the rerun does not begin.
        await save();
        List<long> refused = [];
        foreach (var run in runs)
        {
            if (!await pages.Post($"actions/runs/{run}/rerun-failed-jobs", cancel))
                refused.Add(run!.Value);
        }

        log.LogInformation(
            "The failed jobs of {Count} runs on {Sha} of {Repository} are run again; {Refused} refused.",
            runs.Count,
            sha,
            watched.Repository.Subject,
            refused.Count
        );
        rerun = state.Commits[sha].Rerun!;
        if (refused.Count < runs.Count)
        {
            state.Commits[sha] = state.Commits[sha] with
            {
                Rerun = rerun with { Runs = rerun.Runs.ExceptBy(refused, x => x.Key).ToDictionary() },
            };
            return null;
        }

        return Conclude(RerunOutcome.Refused);

        CiDetails Conclude(RerunOutcome outcome)
        {
            state.Commits[sha] = state.Commits[sha] with { Rerun = rerun with { Outcome = outcome } };
            return new()
            {
                RerunOutcome = outcome,
                FailedBefore = rerun.Failed,
                Flaky =
                    outcome is RerunOutcome.Passed
                        ?
                        [
                            .. rerun
                                .Failed.Where(state.Reruns.ContainsKey)
                                .Select(x => (x, state.Reruns[x].Times, state.Reruns[x].Passed)),
                        ]
                        : [],
            };
        }
    }

    // What was pending may have been told, and what became of the run since then not.
    static bool IsOfNextSum(CommitState commit, long run) =>
        commit.Runs?.Any(x => x.Id == run && !x.IsCompleted) is true || commit.Said != commit.Sum?.Fingerprint;

    // Where no runs are shown, the checks tell it.
    static bool HasEnded(CommitState commit, CommitRerun rerun, CiRollup.Finished sum) =>
        sum.Fingerprint != rerun.Fingerprint
        && rerun.Runs.All(x =>
            commit.Runs is not { Count: > 0 } runs || runs.Any(y => y.Id == x.Key && y.Attempt > x.Value)
        );

    void Count(CommitRerun rerun, CiRollup.Finished sum)
    {
        foreach (var name in rerun.Failed)
        {
            var known = state.Reruns.GetValueOrDefault(name) ?? new(0, 0, default);
            state.Reruns[name] = new(
                known.Times + 1,
                known.Passed + (sum.Failed.Contains(name) ? 0 : 1),
                pages.ServerTime
            );
        }

        foreach (var (name, _) in state.Reruns.OrderByDescending(x => x.Value.LastAt).Skip(MaxCounted).ToList())
            state.Reruns.Remove(name);
    }
}
