using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>
/// The part of a look that is about commits: the heads of watched pull requests, a fork's like any other, and commits
/// that are watched themselves. Their checks are read until all have ended and stayed ended, and again when a run
/// begins again.
/// </summary>
sealed class CommitLook(
    WatchedRepository watched,
    RepositoryState state,
    Pages pages,
    GitHubSighting seen,
    JobLogs logs,
    Func<IReadOnlyList<Mapped>, Task> keep
)
{
    const string RunList = "actions/runs?per_page=100";

    const string Actions = "github-actions";

    // Of many commits without any end some are looked at each time: GitHub counts even what costs nothing.
    const int MostAtOnce = 100;

    // A commit without checks gets them soon or never; those that have some may take long.
    static readonly TimeSpan NoChecksFor = TimeSpan.FromMinutes(3),
        NoMoveFor = TimeSpan.FromHours(6);

    // Who protects a branch does not do it often, and what has not changed costs nothing.
    static readonly TimeSpan RequiredFor = TimeSpan.FromMinutes(10);

    // Poll only, nothing else tells of a status that comes late, or of a run again that is no longer among the newest.
    // What is as it was costs nothing then.
    static readonly TimeSpan AgainAfter = TimeSpan.FromMinutes(5);

    const int MostAgain = 10;

    // What an account may not read today it may tomorrow, and asking costs each time.
    static readonly TimeSpan ForbiddenFor = TimeSpan.FromHours(1);

    /// <summary>How long checks are waited for, and which.</summary>
    /// <param name="Settle">How long all must have been over.</param>
    /// <param name="Pending">How long nothing must have moved before it is told what has not ended.</param>
    /// <param name="Said">What the owner of the account says of them.</param>
    public sealed record Patience(TimeSpan Settle, TimeSpan Pending, CiRules Said);

    // Each takes seconds at worst, and somebody else waits for the next look.
    int excerpts = 3;

    public async Task Run(IReadOnlyCollection<string> rung, Patience patience, CancellationToken cancel)
    {
        foreach (var sha in watched.Commits)
            state.Commits.TryAdd(sha, new(pages.At, Baseline: true));

        var pulls = state.Pulls.Where(x => IsFollowed(x.Value)).ToLookup(x => x.Value.Head!, x => x.Key);
        foreach (var sha in state.Commits.Keys.Where(x => !pulls.Contains(x) && !watched.Commits.Contains(x)).ToList())
            Forget(sha);

        foreach (
            var branch in state.Required.Keys.Except(state.Pulls.Values.Select(x => x.Base)).OfType<string>().ToList()
        )
        {
            state.Required.Remove(branch);
            state.ETags.Remove(ProtectionOf(branch));
            state.ETags.Remove(RulesOf(branch));
        }

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
        var again = state
            .Commits.Where(x => x.Value.Done && x.Value.LookedAt < pages.At - AgainAfter)
            .OrderBy(x => x.Value.LookedAt)
            .Select(x => x.Key)
            .Take(MostAgain)
            .ToArray();
        foreach (var sha in open.Take(MostAtOnce).Concat(again))
            await LookAtChecks(sha, [.. pulls[sha].Order()], patience, cancel);
    }

    // Who merges before the checks have ended is told of them nevertheless.
    bool IsFollowed(PullState pull) =>
        pull.Head is not null
        && (pull.ClosedAt is null || (state.IsOpen(pull.Head) && pull.ClosedAt >= state.Commits[pull.Head].Since));

    async Task LookAtRuns(ILookup<string, long> pulls, CancellationToken cancel)
    {
        // That the list has not changed says nothing of a new head that nobody had looked for in it.
        var anew = state.Commits.Values.Any(x =>
            (x is { Baseline: false, Done: false } && x.MovedAt == default) || (state.RunsAreFew && x.Runs is null)
        );
        var answer = await pages.First(RunList, JsonValueKind.Object, cancel, anew);
        if (answer is GitHubAnswer.Forbidden or GitHubAnswer.Missing)
            state.RunsAreFew = false;
        if (answer is not GitHubAnswer.Found list)
            return;

        List<Mapped> events = [];
        Dictionary<long, string> runs = [];
        foreach (var run in list.Body.Items("workflow_runs"))
        {
            if (
                run.Number("id") is not { } id
                || run.Text("head_sha") is not { } sha
                || !state.Commits.TryGetValue(sha, out var commit)
            )
                continue;

            Know(sha, run);
            runs[id] = $"{run.Number("run_attempt") ?? 1}/{run.Text("status")}";
            if (state.Runs.GetValueOrDefault(id) == runs[id])
                continue;

            state.Commits[sha] = commit with { Done = false };
            if (!commit.Baseline || run.Time("updated_at") >= commit.Since)
            {
                var ended = Related(GitHubEvents.WorkflowRun(seen, run), pulls[sha]);
                events.Add(
                    JobLogs.IsFailure(run.Text("conclusion")) && excerpts-- > 0 ? await logs.Add(ended, cancel) : ended
                );
            }
        }

        state.Runs = runs;
        state.RunsAreFew = list.Next is null;
        if (state.RunsAreFew)
        {
            var all = list.Body.Items("workflow_runs").ToLookup(x => x.Text("head_sha"));
            foreach (var sha in state.Commits.Keys.ToList())
                Ran(sha, all[sha]);
        }

        pages.Remember(RunList, list.ETag);
        await keep(events);
    }

    async Task LookAtChecks(string sha, IReadOnlyList<long> pulls, Patience patience, CancellationToken cancel)
    {
        var statusPath = $"commits/{sha}/status?per_page=100";
        var (answer, checks) = await Checks(sha, anew: false, cancel);
        var (status, statuses) = await pages.All(statusPath, "statuses", anew: false, cancel);
        if (answer is GitHubAnswer.Missing or GitHubAnswer.Forbidden && status is GitHubAnswer.Missing)
        {
            // Forced away before we looked. The pull request tells its new head.
            Forget(sha);
            await keep([]);
            return;
        }

        await ReadRuns(sha, cancel);
        var rules = await Rules(pulls, patience.Said, cancel);
        var anew =
            checks is not null
            || statuses is not null
            || state.Commits[sha].RunsMoved
            || !rules.AreThose(state.Commits[sha].Rules);

        // One has changed and the other not: adding up takes both.
        if (anew && checks is null && answer is GitHubAnswer.Unchanged)
            (_, checks) = await Checks(sha, anew: true, cancel);
        if (anew && statuses is null && status is GitHubAnswer.Unchanged)
            (_, statuses) = await pages.All(statusPath, "statuses", anew: true, cancel);

        List<Mapped> events = [];
        if (anew)
        {
            var added = Added(state.Commits[sha], checks ?? [], statuses ?? [], rules);
            if (added.Result is null || added.Result.Fingerprint != added.Said)
                events.AddRange(Statuses(sha, added, pulls, statuses ?? []));
            state.Commits[sha] = added;
        }

        var commit = state.Commits[sha];
        if (Sum(commit, patience) is { } sum)
        {
            if (commit.Said != sum.Fingerprint || IsNews(commit, pulls))
            {
                var excerpt = commit.Failed is { } failed && excerpts-- > 0 ? await Excerpt(failed, cancel) : null;
                events.Add(
                    GitHubEvents.Ci(
                        seen with
                        {
                            Baseline = commit.Baseline && commit.EndedAt < commit.Since,
                        },
                        sha,
                        sum,
                        pulls,
                        excerpt
                    )
                );
            }

            commit = commit with
            {
                Done = commit.Result is not null,
                Said = sum.Fingerprint,
                SaidOf = pulls,
                SaidOpen = [.. sum.Open.Select(x => x.Name)],
            };
        }

        if (
            commit.Result is null
            && pages.At - commit.MovedAt
                > (
                    commit.Empty ? NoChecksFor
                    : patience.Pending > NoMoveFor / 2 ? patience.Pending * 2
                    : NoMoveFor
                )
        )
            commit = commit with { Done = true };

        state.Commits[sha] = commit.Done ? commit with { LookedAt = pages.At } : commit;
        await keep(events);
    }

    /// <summary>
    /// What there is to tell by now: everything, once it has been over for a while; or, when nothing has moved for
    /// long, what has ended and what has not. That somebody must approve is told as soon as all else has ended.
    /// </summary>
    CiRollup.Finished? Sum(CommitState commit, Patience patience) =>
        commit switch
        {
            { Result: { } result } => pages.At - commit.EndedAt >= patience.Settle ? result : null,
            { SoFar: { Open.Count: > 0 } soFar } => pages.At - commit.StandsSince
            >= (soFar.WaitsForApproval ? patience.Settle : patience.Pending)
                ? soFar
                : null,
            _ => null,
        };

    /// <summary>
    /// What must pass: as the owner says, else as GitHub requires it of the branches that these are to be merged into.
    /// Anybody who can read a repository can read the rules of its branches, and what protects one in short.
    /// </summary>
    async Task<CiRules> Rules(IReadOnlyList<long> pulls, CiRules said, CancellationToken cancel)
    {
        if (said.Required.Count > 0)
            return said;

        // What is required are jobs, and without check runs their names are not known.
        List<string> required = [];
        if (state.ChecksForbiddenUntil > pages.At)
            return said;

        foreach (var branch in pulls.Select(x => state.Pulls[x].Base).OfType<string>().Distinct())
        {
            if (state.Required.GetValueOrDefault(branch) is not { } known || known.ReadAt < pages.At - RequiredFor)
                state.Required[branch] = known = await Required(branch, cancel);
            required.AddRange(known.Checks.Concat(known.ByRule));
        }

        return said with
        {
            Required = [.. required.Distinct().Order(StringComparer.Ordinal)],
        };
    }

    async Task<RequiredState> Required(string branch, CancellationToken cancel)
    {
        var known = state.Required.GetValueOrDefault(branch) ?? new(default, [], []);
        var answer = await pages.First(ProtectionOf(branch), JsonValueKind.Object, cancel);
        if (answer is GitHubAnswer.Found found)
        {
            pages.Remember(ProtectionOf(branch), found.ETag);
            var checks = found.Body.At("protection", "required_status_checks");
            known = known with
            {
                Checks =
                    checks.Text("enforcement_level") == "off"
                        ? []
                        :
                        [
                            .. checks
                                .Items("contexts")
                                .Select(x => x.Text())
                                .Concat(checks.Items("checks").Select(x => x.Text("context")))
                                .OfType<string>()
                                .Distinct(),
                        ],
            };
        }
        else if (answer is not GitHubAnswer.Unchanged)
            known = known with { Checks = [] };

        var (ruled, items) = await pages.All(RulesOf(branch), null, anew: false, cancel);
        if (items is not null)
        {
            known = known with
            {
                ByRule =
                [
                    .. items
                        .Where(x => x.Text("type") == "required_status_checks")
                        .SelectMany(x => x.Items("parameters", "required_status_checks"))
                        .Select(x => x.Text("context"))
                        .OfType<string>()
                        .Distinct(),
                ],
            };
        }
        else if (ruled is not GitHubAnswer.Unchanged)
            known = known with { ByRule = [] };

        // What may not be read today is asked for less.
        return known with
        {
            ReadAt =
                pages.At
                + (
                    answer is GitHubAnswer.Missing or GitHubAnswer.Forbidden
                        ? ForbiddenFor - RequiredFor
                        : TimeSpan.Zero
                ),
        };
    }

    /// <summary>Reads the runs of workflows on a commit: one that waits for its turn has no check yet.</summary>
    async Task ReadRuns(string sha, CancellationToken cancel)
    {
        if (state.RunsAreFew || state.RunsForbiddenUntil > pages.At)
            return;

        var (answer, runs) = await pages.All(
            RunsOf(sha),
            "workflow_runs",
            anew: state.Commits[sha].Runs is null,
            cancel
        );
        if (answer is GitHubAnswer.Forbidden or GitHubAnswer.Missing)
            state.RunsForbiddenUntil = pages.At + ForbiddenFor;
        if (runs is not null)
            Ran(sha, runs);
    }

    void Ran(string sha, IEnumerable<JsonElement> runs)
    {
        var all = runs.ToList();
        all.ForEach(x => Know(sha, x));
        var (commit, now) = (state.Commits[sha], all.Select(WorkflowRun.Of).OfType<WorkflowRun>().ToList());
        if (commit.Runs?.SequenceEqual(now) is not true)
            state.Commits[sha] = commit with { Runs = now, RunsMoved = true };
    }

    void Know(string sha, JsonElement run)
    {
        if (run.Number("check_suite_id") is { } suite && run.Number("workflow_id") is { } workflow)
            state.Commits[sha].Suites[suite] = $"{workflow}/{run.Text("event")}";
    }

    static bool IsNews(CommitState commit, IEnumerable<long> pulls) =>
        commit.SaidOf is { } told && pulls.Except(told).Any();

    static string ProtectionOf(string branch) => $"branches/{Uri.EscapeDataString(branch)}";

    static string RulesOf(string branch) => $"rules/branches/{Uri.EscapeDataString(branch)}?per_page=100";

    static string RunsOf(string sha) => $"actions/runs?head_sha={sha}&per_page=100";

    CommitState Added(
        CommitState commit,
        IReadOnlyList<JsonElement> checks,
        IReadOnlyList<JsonElement> statuses,
        CiRules rules
    )
    {
        var runs = commit.Runs ?? [];
        var rollup = CiRollup.Of(checks, statuses, commit.Suites, runs, rules);
        var (result, soFar) = (rollup as CiRollup.Finished, (rollup as CiRollup.Unfinished)?.SoFar);
        if (
            result is not null
            && commit.SaidOpen.Count > 0
            && !result.Failed.Intersect(commit.SaidOpen).Any()
            && CiRollup.Of(
                checks,
                statuses,
                commit.Suites,
                runs,
                rules with
                {
                    Ignored = [.. rules.Ignored, .. commit.SaidOpen],
                }
            )
                is CiRollup.Finished { Fingerprint: var before }
            && before == commit.Said
        )
        {
            // What nobody waited for has passed: whoever was told of the rest knows as much as before.
            commit = commit with
            {
                Said = result.Fingerprint,
                SaidOpen = [.. commit.SaidOpen.Intersect(result.Open.Select(x => x.Name))],
            };
        }

        var failed = checks
            .Where(x =>
                JobLogs.IsFailure(x.Text("conclusion"))
                && x.Text("app", "slug") == Actions
                && (result ?? soFar)!.Failed.Contains(x.Text("name"))
            )
            .OrderBy(x => x.Time("completed_at"))
            .FirstOrDefault();
        var alone = runs.FirstOrDefault(x =>
            checks.Count == 0 && JobLogs.IsFailure(x.Conclusion) && (result ?? soFar)!.Failed.Contains(x.Name)
        );
        var ended = checks
            .Select(x => x.Time("completed_at"))
            .Concat(statuses.Select(x => x.Time("updated_at") ?? x.Time("created_at")))
            .Concat(runs.Select(x => x.IsOver ? x.UpdatedAt : null))
            .Max();
        return commit with
        {
            Rules = rules,
            RunsMoved = false,
            Result = result,
            SoFar = soFar,
            StandsSince = (soFar?.Open ?? []).Select(x => x.Since).Append(ended).Max() ?? commit.Since,
            Failed =
                failed.Number("id") is { } id ? new(id, Attempt: null)
                : alone is not null ? new(alone.Id, alone.Attempt)
                : null,
            EndedAt = ended ?? commit.Since,
            MovedAt =
                commit.MovedAt == default || checks.Count + statuses.Count + runs.Count > 0 ? pages.At : commit.MovedAt,
            Empty = checks.Count + statuses.Count == 0 && (soFar is null or { Total: 0, Open.Count: 0 }),
            Done = false,
        };
    }

    Task<string?> Excerpt(FailedCheck failed, CancellationToken cancel) =>
        failed.Attempt is { } attempt
            ? logs.OfRun(seen.Repository, failed.Id, attempt, cancel)
            : logs.OfJob(seen.Repository, failed.Id, cancel);

    IEnumerable<Mapped> Statuses(
        string sha,
        CommitState commit,
        IReadOnlyList<long> pulls,
        IReadOnlyList<JsonElement> statuses
    ) =>
        from status in statuses
        where !commit.Baseline || status.Time("created_at") >= commit.Since
        select Related(GitHubEvents.Status(seen, sha, status), pulls);

    async Task<(GitHubAnswer Answer, IReadOnlyList<JsonElement>? Items)> Checks(
        string sha,
        bool anew,
        CancellationToken cancel
    )
    {
        if (state.ChecksForbiddenUntil <= pages.At)
        {
            var read = await pages.All(
                $"commits/{sha}/check-runs?filter=latest&per_page=100",
                "check_runs",
                anew,
                cancel
            );
            if (read.Answer is not GitHubAnswer.Forbidden)
                return read;
            state.ChecksForbiddenUntil = pages.At + ForbiddenFor;
        }

        // Fine-grained personal tokens may not read check runs, and there is nothing one could grant them for it. The
        // runs say as much.
        return (new GitHubAnswer.Forbidden("asked before"), null);
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
