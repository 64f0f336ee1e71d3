using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>
/// The part of a look that is about commits: the heads of watched pull requests, a fork's like any other, and commits that are
/// watched themselves. Their checks are read until all have ended and stayed ended, and again when a run begins again.
/// </summary>
sealed class CommitLook(
    WatchedRepository watched, RepositoryState state, Pages pages, GitHubSighting seen, JobLogs logs,
    Func<IReadOnlyList<Mapped>, Task> keep)
{
    const string RunList = "actions/runs?per_page=100";

    const string Actions = "github-actions";

    // Of many commits without any end some are looked at each time: GitHub counts even what costs nothing.
    const int MostAtOnce = 100;

    // A commit without checks gets them soon or never; those that have some may take long.
    static readonly TimeSpan NoChecksFor = TimeSpan.FromMinutes(3), NoMoveFor = TimeSpan.FromHours(6);

    // Poll only, nothing else tells of a status that comes late, or of a run again that is no longer among the newest. What is as it
    // was costs nothing then.
    static readonly TimeSpan AgainAfter = TimeSpan.FromMinutes(5);

    const int MostAgain = 10;

    // What an account may not read today it may tomorrow, and asking costs each time.
    static readonly TimeSpan ForbiddenFor = TimeSpan.FromHours(1);

    // Each takes seconds at worst, and somebody else waits for the next look.
    int excerpts = 3;

    public async Task Run(IReadOnlyCollection<string> rung, TimeSpan settle, CancellationToken cancel)
    {
        foreach (var sha in watched.Commits)
            state.Commits.TryAdd(sha, new(pages.At, Baseline: true));

        var pulls = state.Pulls.Where(x => IsFollowed(x.Value)).ToLookup(x => x.Value.Head!, x => x.Key);
        foreach (var sha in state.Commits.Keys.Where(x => !pulls.Contains(x) && !watched.Commits.Contains(x)).ToList())
            Forget(sha);

        if (state.Commits.Count == 0)
            return;

        // One that was told of may have become the head of another pull request.
        foreach (var (sha, commit) in state.Commits.ToList())
        {
            if (rung.Contains(seen.Repository.Commit(sha)) || IsNews(commit, pulls[sha]))
                state.Commits[sha] = commit with { Done = false };
        }

        await LookAtRuns(pulls, cancel);

        var open = state.Commits.Where(x => !x.Value.Done).Select(x => x.Key).ToArray();
        Random.Shared.Shuffle(open);
        var again = state.Commits.Where(x => x.Value.Done && x.Value.LookedAt < pages.At - AgainAfter)
            .OrderBy(x => x.Value.LookedAt).Select(x => x.Key).Take(MostAgain).ToArray();
        foreach (var sha in open.Take(MostAtOnce).Concat(again))
            await LookAtChecks(sha, [.. pulls[sha].Order()], settle, cancel);
    }

    // Who merges before the checks have ended is told of them nevertheless.
    bool IsFollowed(PullState pull) => pull.Head is not null
        && (pull.ClosedAt is null || (state.IsOpen(pull.Head) && pull.ClosedAt >= state.Commits[pull.Head].Since));

    async Task LookAtRuns(ILookup<string, long> pulls, CancellationToken cancel)
    {
        // That the list has not changed says nothing of a new head that nobody had looked for in it.
        var anew = state.Commits.Values.Any(x => x is { Baseline: false, Done: false } && x.MovedAt == default);
        if (await pages.First(RunList, JsonValueKind.Object, cancel, anew) is not GitHubAnswer.Found list)
            return;

        List<Mapped> events = [];
        Dictionary<long, string> runs = [];
        foreach (var run in list.Body.Items("workflow_runs"))
        {
            if (run.Number("id") is not { } id || run.Text("head_sha") is not { } sha || !state.Commits.TryGetValue(sha, out var commit))
                continue;

            Know(sha, run);
            runs[id] = $"{run.Number("run_attempt") ?? 1}/{run.Text("status")}";
            if (state.Runs.GetValueOrDefault(id) == runs[id])
                continue;

            state.Commits[sha] = commit with { Done = false };
            if (!commit.Baseline || run.Time("updated_at") >= commit.Since)
            {
                var ended = Related(GitHubEvents.WorkflowRun(seen, run), pulls[sha]);
                events.Add(JobLogs.IsFailure(run.Text("conclusion")) && excerpts-- > 0 ? await logs.Add(ended, cancel) : ended);
            }
        }

        state.Runs = runs;
        pages.Remember(RunList, list.ETag);
        await keep(events);
    }

    async Task LookAtChecks(string sha, IReadOnlyList<long> pulls, TimeSpan settle, CancellationToken cancel)
    {
        var statusPath = $"commits/{sha}/status?per_page=100";
        var (answer, checks) = await Checks(sha, anew: false, cancel);
        var (status, statuses) = await pages.All(statusPath, "statuses", anew: false, cancel);
        if (answer is GitHubAnswer.Missing && status is GitHubAnswer.Missing)
        {
            // Forced away before we looked. The pull request tells its new head.
            Forget(sha);
            await keep([]);
            return;
        }

        // One has changed and the other not: adding up takes both.
        if (checks is null && statuses is not null && answer is GitHubAnswer.Unchanged)
            (_, checks) = await Checks(sha, anew: true, cancel);
        if (statuses is null && checks is not null && status is GitHubAnswer.Unchanged)
            (_, statuses) = await pages.All(statusPath, "statuses", anew: true, cancel);

        var commit = state.Commits[sha];
        List<Mapped> events = [];
        if (checks is not null || statuses is not null)
        {
            await TellApart(sha, checks ?? [], cancel);
            commit = Added(commit, checks ?? [], statuses ?? []);
            if (commit.Result is null || commit.Result.Fingerprint != commit.Said)
                events.AddRange(Statuses(sha, commit, pulls, statuses ?? []));
        }

        if (commit.Result is { } result && pages.At - commit.EndedAt >= settle)
        {
            if (commit.Said != result.Fingerprint || IsNews(commit, pulls))
            {
                var excerpt = commit.Failed is { } failed && excerpts-- > 0 ? await Excerpt(failed, cancel) : null;
                events.Add(GitHubEvents.Ci(seen with { Baseline = commit.Baseline && commit.EndedAt < commit.Since }, sha, result, pulls, excerpt));
            }

            commit = commit with { Done = true, Said = result.Fingerprint, SaidOf = pulls };
        }
        else if (commit.Result is null && pages.At - commit.MovedAt > (commit.Empty ? NoChecksFor : NoMoveFor))
            commit = commit with { Done = true };

        state.Commits[sha] = commit.Done ? commit with { LookedAt = pages.At } : commit;
        await keep(events);
    }

    // Of two jobs with one name it matters which runs they are of, and the list of runs shows the newest only.
    async Task TellApart(string sha, IReadOnlyList<JsonElement> checks, CancellationToken cancel)
    {
        var suites = checks.Where(x => x.Text("app", "slug") == Actions).GroupBy(x => x.Text("name"), x => x.Number("check_suite", "id"))
            .Where(x => x.Distinct().Count() > 1).SelectMany(x => x).OfType<long>();
        if (suites.All(state.Commits[sha].Suites.ContainsKey)
            || await pages.First(RunsOf(sha), JsonValueKind.Object, cancel, anew: true) is not GitHubAnswer.Found found)
            return;

        foreach (var run in await pages.From(found, "workflow_runs", cancel))
            Know(sha, run);
    }

    void Know(string sha, JsonElement run)
    {
        if (run.Number("check_suite_id") is { } suite && run.Number("workflow_id") is { } workflow)
            state.Commits[sha].Suites[suite] = $"{workflow}/{run.Text("event")}";
    }

    static bool IsNews(CommitState commit, IEnumerable<long> pulls) => commit.SaidOf is { } told && pulls.Except(told).Any();

    static string RunsOf(string sha) => $"actions/runs?head_sha={sha}&per_page=100";

    CommitState Added(CommitState commit, IReadOnlyList<JsonElement> checks, IReadOnlyList<JsonElement> statuses)
    {
        var result = CiRollup.Of(checks, statuses, commit.Suites) as CiRollup.Finished;
        var failed = checks.Where(x => JobLogs.IsFailure(x.Text("conclusion")) && x.Text("app", "slug") == Actions && result?.Failed.Contains(x.Text("name")) is true)
            .OrderBy(x => x.Time("completed_at")).FirstOrDefault();
        return commit with
        {
            Result = result,
            Failed = failed.Number("id") is { } id ? new(id, failed.Number("run_attempt")) : null,
            EndedAt = checks.Select(x => x.Time("completed_at")).Concat(statuses.Select(x => x.Time("updated_at") ?? x.Time("created_at"))).Max() ?? commit.Since,
            MovedAt = commit.MovedAt == default || checks.Count + statuses.Count > 0 ? pages.At : commit.MovedAt,
            Empty = checks.Count + statuses.Count == 0,
            Done = false,
        };
    }

    Task<string?> Excerpt(FailedCheck failed, CancellationToken cancel) => failed.Attempt is { } attempt
        ? logs.OfRun(seen.Repository, failed.Id, attempt, cancel) : logs.OfJob(seen.Repository, failed.Id, cancel);

    IEnumerable<Mapped> Statuses(string sha, CommitState commit, IReadOnlyList<long> pulls, IReadOnlyList<JsonElement> statuses) =>
        from status in statuses
        where !commit.Baseline || status.Time("created_at") >= commit.Since
        select Related(GitHubEvents.Status(seen, sha, status), pulls);

    async Task<(GitHubAnswer Answer, IReadOnlyList<JsonElement>? Items)> Checks(string sha, bool anew, CancellationToken cancel)
    {
        if (state.ChecksForbiddenUntil <= pages.At)
        {
            var read = await pages.All($"commits/{sha}/check-runs?filter=latest&per_page=100", "check_runs", anew, cancel);
            if (read.Answer is not GitHubAnswer.Forbidden)
                return read;
            state.ChecksForbiddenUntil = pages.At + ForbiddenFor;
        }

        // Fine-grained personal tokens may not read check runs, and there is nothing one could grant them for it.
        var (answer, runs) = await pages.All(RunsOf(sha), "workflow_runs", anew, cancel);
        foreach (var run in runs ?? [])
            Know(sha, run);
        return (answer, runs?.Select(x => JsonSerializer.SerializeToElement(new
        {
            id = x.Number("id"),
            name = x.Text("name"),
            status = x.Text("status"),
            conclusion = x.Text("conclusion"),
            completed_at = x.Text("updated_at"),
            run_attempt = x.Number("run_attempt") ?? 1,
            app = new { slug = Actions },
            check_suite = new { id = x.Number("check_suite_id") },
        })).ToList());
    }

    void Forget(string sha)
    {
        state.Commits.Remove(sha);
        foreach (var path in state.ETags.Keys.Where(x => x.Contains(sha, StringComparison.Ordinal)).ToList())
            state.ETags.Remove(path);
    }

    // GitHub itself names no pull requests of forks.
    Mapped Related(Mapped mapped, IEnumerable<long> pulls) => mapped.Concerns(pulls.Select(seen.Repository.Item));
}
