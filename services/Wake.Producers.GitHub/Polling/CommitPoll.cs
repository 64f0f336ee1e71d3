using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>
/// The part of a look that is about commits: the heads of watched pull requests, a fork's like any other, and commits
/// that are watched themselves. Their checks are read until all have ended and stayed ended, and again when a run
/// begins again.
/// </summary>
sealed class CommitPoll(
    WatchedRepository watched,
    RepositoryState state,
    RepositoryReader pages,
    GitHubObservation seen,
    JobLogs logs,
    Func<IReadOnlyList<EventMapping>, Task> publishAndSave,
    GitHubOptions options,
    ILogger log
)
{
    readonly RerunFirst reruns = new(watched, state, pages, options, log);

    const string RunList = "actions/runs?per_page=100";

    const string Actions = "github-actions";

    // How far a run is that ended badly and may run again before it is told of.
    const string Withheld = "withheld";

    // Of many commits without any end some are looked at each time: GitHub counts even what costs nothing.
    const int MaxPerPoll = 100;

    // A commit without checks gets them soon or never; those that have some may take long.
    static readonly TimeSpan NoChecksTimeout = TimeSpan.FromMinutes(3),
        StaleAfter = TimeSpan.FromHours(6);

    // Who protects a branch does not do it often, and what has not changed costs nothing.
    static readonly TimeSpan RequiredChecksTtl = TimeSpan.FromMinutes(10);

    // Poll only, nothing else tells of a status that comes late, or of a run again that is no longer among the newest.
    // What is as it was costs nothing then.
    static readonly TimeSpan RecheckAfter = TimeSpan.FromMinutes(5);

    const int MaxRechecks = 10;

    // What an account may not read today it may tomorrow, and asking costs each time.
    static readonly TimeSpan ForbiddenRetryAfter = TimeSpan.FromHours(1);

    /// <summary>How long checks are waited for, and which.</summary>
    /// <param name="Settle">How long all must have been over.</param>
    /// <param name="PendingAfter">How long the checks must be unchanged before the pending ones are reported.</param>
    /// <param name="ConfiguredRules">What the owner of the account says of them.</param>
    public sealed record CheckWaitPolicy(TimeSpan Settle, TimeSpan PendingAfter, CiRules ConfiguredRules);

    // At most three log excerpts per poll: each may take seconds and delays other repositories.
    int excerpts = 3;

    public async Task PollCommits(
        IReadOnlyCollection<string> requested,
        CheckWaitPolicy waitPolicy,
        CancellationToken cancel
    )
    {
        foreach (var sha in watched.Commits)
            state.Commits.TryAdd(sha, new(pages.ServerTime, Baseline: true));

        var pulls = state.Pulls.Where(x => IsFollowed(x.Value)).ToLookup(x => x.Value.Head!, x => x.Key);
        foreach (var sha in state.Commits.Keys.Where(x => !pulls.Contains(x) && !watched.Commits.Contains(x)).ToList())
            DropCommit(sha);

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
            var left = DeadlineOf(sha, pulls[sha]) - pages.ServerTime;
            if (left > TimeSpan.Zero && !(left >= state.NextDeadline))
                state.NextDeadline = left;
            if (
                left <= TimeSpan.Zero
                || requested.Contains(seen.Repository.Commit(sha))
                || HasUnreportedPulls(commit, pulls[sha])
            )
                state.Commits[sha] = commit with { Done = false };
        }

        await PollWorkflowRuns(pulls, cancel);

        var open = state.Commits.Where(x => !x.Value.Done).Select(x => x.Key).ToArray();
        Random.Shared.Shuffle(open);
        var again = state
            .Commits.Where(x => x.Value.Done && x.Value.LookedAt < pages.ServerTime - RecheckAfter)
            .OrderBy(x => x.Value.LookedAt)
            .Select(x => x.Key)
            .Take(MaxRechecks)
            .ToArray();
        foreach (var sha in open.Take(MaxPerPoll).Concat(again))
            await PollChecks(sha, [.. pulls[sha].Order()], waitPolicy, cancel);
    }

    // Who merges before the checks have ended is told of them nevertheless.
    bool IsFollowed(PullState pull) =>
        pull.Head is not null
        && (
            pull.ClosedAt is null
            || (state.HasPendingChecks(pull.Head) && pull.ClosedAt >= state.Commits[pull.Head].Since)
        );

    async Task PollWorkflowRuns(ILookup<string, long> pulls, CancellationToken cancel)
    {
        // That the list has not changed says nothing of a new head that nobody had looked for in it.
        var ignoreETag = state.Commits.Values.Any(x =>
            (x is { Baseline: false, Done: false } && x.MovedAt == default) || (state.RunsAreFew && x.Runs is null)
        );
        var answer = await pages.GetFirstPage(RunList, JsonValueKind.Object, cancel, ignoreETag);
        if (answer is GitHubResponse.Forbidden or GitHubResponse.NotFound)
            state.RunsAreFew = false;
        if (answer is not GitHubResponse.Success list)
            return;

        List<EventMapping> events = [];
        Dictionary<long, string> runs = [];
        foreach (var run in list.Body.Items("workflow_runs"))
        {
            if (
                run.Number("id") is not { } id
                || run.Text("head_sha") is not { } sha
                || !state.Commits.TryGetValue(sha, out var commit)
            )
                continue;

            WorkflowRun.AddOrigin(commit.Suites, run);
            runs[id] = $"{run.Number("run_attempt") ?? 1}/{run.Text("status")}";
            if (state.Runs.GetValueOrDefault(id) == runs[id])
                continue;

            state.Commits[sha] = commit with { Done = false };
            if (
                run.Text("status") == "completed"
                && JobLogs.HasFailed(run.Text("conclusion"))
                && RerunFirst.Holds(commit, id, run.Number("run_attempt") ?? 1)
                && reruns.Wants(sha, [.. pulls[sha]])
            )
            {
                runs[id] = Withheld;
                continue;
            }

            if (!commit.Baseline || run.Time("updated_at") >= commit.Since)
            {
                var ended = WithPullRequests(GitHubEvents.WorkflowRun(seen, run), pulls[sha]);
                events.Add(
                    JobLogs.IsFailure(run.Text("conclusion")) && excerpts-- > 0
                        ? await logs.AddExcerpt(ended, cancel)
                        : ended
                );
            }
        }

        state.Runs = runs;
        state.RunsAreFew = list.Next is null;
        if (state.RunsAreFew)
        {
            var all = list.Body.Items("workflow_runs").ToLookup(x => x.Text("head_sha"));
            foreach (var sha in state.Commits.Keys.ToList())
                RecordWorkflowRuns(sha, all[sha]);
        }

        pages.SaveETag(RunList, list.ETag);
        await publishAndSave(events);
    }

    async Task PollChecks(string sha, IReadOnlyList<long> pulls, CheckWaitPolicy waitPolicy, CancellationToken cancel)
    {
        var statusPath = $"commits/{sha}/status?per_page=100";
        var (answer, checks) = await ReadCheckRuns(sha, ignoreETag: false, cancel);
        var (status, statuses) = await pages.ReadAll(statusPath, "statuses", ignoreETag: false, cancel);
        if (answer is GitHubResponse.NotFound or GitHubResponse.Forbidden && status is GitHubResponse.NotFound)
        {
            // Forced away before we looked. The pull request tells its new head.
            DropCommit(sha);
            await publishAndSave([]);
            return;
        }

        await ReadWorkflowRuns(sha, cancel);
        var rules = await ResolveRules(pulls, waitPolicy.ConfiguredRules, cancel);
        var ignoreETag =
            checks is not null
            || statuses is not null
            || state.Commits[sha].RunsMoved
            || !rules.SameAs(state.Commits[sha].Rules);

        // One has changed and the other not: adding up takes both.
        if (ignoreETag && checks is null && answer is GitHubResponse.NotModified)
            (_, checks) = await ReadCheckRuns(sha, ignoreETag: true, cancel);
        if (ignoreETag && statuses is null && status is GitHubResponse.NotModified)
            (_, statuses) = await pages.ReadAll(statusPath, "statuses", ignoreETag: true, cancel);

        List<EventMapping> events = [];
        if (ignoreETag)
        {
            IReadOnlyList<JsonElement> others = [.. (statuses ?? []).Where(x => !CiRules.IsOwn(x.Text("context")))];
            var added = AggregateChecks(state.Commits[sha], checks ?? [], others, rules);
            if (added.Result is null || added.Result.Fingerprint != added.Said)
                events.AddRange(StatusEvents(sha, added, pulls, others));
            state.Commits[sha] = added;
        }

        if (DeadlineOf(sha, pulls) <= pages.ServerTime)
        {
            var late = state.Commits[sha];
            if (GitHubEvents.MissingChecks(seen, sha, late.Sum, rules, pulls, late.SaidOpen) is { } missing)
                events.Add(missing);
            state.Commits[sha] = late with { DeadlineSeen = true };
        }

        var commit = state.Commits[sha];
        if (ReportableRollup(commit, waitPolicy) is { } sum)
        {
            CiDetails? details = new();
            if (commit.Said != sum.Fingerprint)
            {
                details = await reruns.Decide(
                    sha,
                    sum,
                    pulls,
                    waitPolicy.PendingAfter,
                    () => publishAndSave(Taken()),
                    cancel
                );
                commit = state.Commits[sha];
            }

            if (details is null)
            {
                await publishAndSave(events);
                return;
            }

            if (commit.Said != sum.Fingerprint || HasUnreportedPulls(commit, pulls))
            {
                var excerpt =
                    commit.Failed is { } failed && excerpts-- > 0 ? await FetchLogExcerpt(failed, cancel) : null;
                events.Add(
                    GitHubEvents.Ci(
                        seen with
                        {
                            Baseline = commit.Baseline && commit.EndedAt < commit.Since,
                        },
                        sha,
                        JobLogs.TellsOfLostRunner(excerpt) ? sum.WithLostRunner(commit.Failed!.Name) : sum,
                        pulls,
                        Of(details with { Excerpt = excerpt }, pulls)
                    )
                );
            }

            // What was withheld for this is told now.
            if (state.Runs.ContainsValue(Withheld))
                state.ETags.Remove(RunList);

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
            && pages.ServerTime - commit.MovedAt
                > (
                    commit.Empty ? NoChecksTimeout
                    : waitPolicy.PendingAfter > StaleAfter / 2 ? waitPolicy.PendingAfter * 2
                    : StaleAfter
                )
        )
            commit = commit with { Done = true };

        state.Commits[sha] = commit.Done ? commit with { LookedAt = pages.ServerTime } : commit;
        await publishAndSave(events);

        IReadOnlyList<EventMapping> Taken()
        {
            EventMapping[] before = [.. events];
            events.Clear();
            return before;
        }
    }

    /// <summary>By when its checks are to have started; null when nobody says so, or that is over.</summary>
    DateTimeOffset? DeadlineOf(string sha, IEnumerable<long> pulls)
    {
        if (watched.Expects is [] || state.Commits[sha] is not { DeadlineSeen: false } commit)
            return null;

        // What has started before a merge is told nevertheless. For what has not nobody waits any more but who has
        // named the commit itself.
        var named = seen.Repository.Commit(sha);
        var subjects = pulls
            .Where(x => state.Pulls.GetValueOrDefault(x) is { ClosedAt: null })
            .Select(seen.Repository.Item)
            .ToList();
        return watched
            .Expects.Where(x =>
                x.Subject == named || subjects.Exists(x.IsFor) || (subjects.Count > 0 && x.IsFor(named))
            )
            .Select(x => (DateTimeOffset?)x.DeadlineOf(commit.Since))
            .Min();
    }

    CiDetails Of(CiDetails details, IReadOnlyList<long> pulls) =>
        pulls.Select(x => state.Pulls.GetValueOrDefault(x)).OfType<PullState>().FirstOrDefault() is { } first
            ? details with
            {
                Author = first.Author,
                Branch = first.Branch,
                Own = pulls.Any(x => RerunFirst.IsOwn(state, options, x)),
            }
            : details;

    /// <summary>
    /// What there is to tell by now: everything, once it has been over for a while; or, when nothing has moved for
    /// long, what has ended and what has not. That somebody must approve is told as soon as all else has ended.
    /// </summary>
    CiRollup.Finished? ReportableRollup(CommitState commit, CheckWaitPolicy waitPolicy) =>
        commit switch
        {
            { Result: { } result } => pages.ServerTime - commit.EndedAt >= waitPolicy.Settle ? result : null,
            { SoFar: { Open.Count: > 0 } soFar } => pages.ServerTime - commit.StandsSince
            >= (soFar.WaitsForApproval ? waitPolicy.Settle : waitPolicy.PendingAfter)
                ? soFar
                : null,
            _ => null,
        };

    /// <summary>
    /// What must pass: as the owner says, else as GitHub requires it of the branches that these are to be merged into.
    /// Anybody who can read a repository can read the rules of its branches, and what protects one in short.
    /// </summary>
    async Task<CiRules> ResolveRules(IReadOnlyList<long> pulls, CiRules said, CancellationToken cancel)
    {
        if (said.Required.Count > 0)
            return said;

        // What is required are jobs, and without check runs their names are not known.
        List<string> required = [];
        if (state.ChecksForbiddenUntil > pages.ServerTime)
            return said;

        foreach (var branch in pulls.Select(x => state.Pulls[x].Base).OfType<string>().Distinct())
        {
            if (
                state.Required.GetValueOrDefault(branch) is not { } known
                || known.ReadAt < pages.ServerTime - RequiredChecksTtl
            )
                state.Required[branch] = known = await ReadRequiredChecks(branch, cancel);
            required.AddRange(known.Checks.Concat(known.ByRule));
        }

        return said with
        {
            Required = [.. required.Distinct().Order(StringComparer.Ordinal)],
        };
    }

    async Task<RequiredChecksState> ReadRequiredChecks(string branch, CancellationToken cancel)
    {
        var known = state.Required.GetValueOrDefault(branch) ?? new(default, [], []);
        var answer = await pages.GetFirstPage(ProtectionOf(branch), JsonValueKind.Object, cancel);
        if (answer is GitHubResponse.Success found)
        {
            pages.SaveETag(ProtectionOf(branch), found.ETag);
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
        else if (answer is not GitHubResponse.NotModified)
            known = known with { Checks = [] };

        var (ruled, items) = await pages.ReadAll(RulesOf(branch), null, ignoreETag: false, cancel);
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
        else if (ruled is not GitHubResponse.NotModified)
            known = known with { ByRule = [] };

        // What may not be read today is asked for less.
        return known with
        {
            ReadAt =
                pages.ServerTime
                + (
                    answer is GitHubResponse.NotFound or GitHubResponse.Forbidden
                        ? ForbiddenRetryAfter - RequiredChecksTtl
                        : TimeSpan.Zero
                ),
        };
    }

    /// <summary>Reads the runs of workflows on a commit: one that waits for its turn has no check yet.</summary>
    async Task ReadWorkflowRuns(string sha, CancellationToken cancel)
    {
        if (state.RunsAreFew || state.RunsForbiddenUntil > pages.ServerTime)
            return;

        var (answer, runs) = await pages.ReadAll(
            RunsOf(sha),
            "workflow_runs",
            ignoreETag: state.Commits[sha].Runs is null,
            cancel
        );
        if (answer is GitHubResponse.Forbidden or GitHubResponse.NotFound)
            state.RunsForbiddenUntil = pages.ServerTime + ForbiddenRetryAfter;
        if (runs is not null)
            RecordWorkflowRuns(sha, runs);
    }

    void RecordWorkflowRuns(string sha, IEnumerable<JsonElement> runs)
    {
        var all = runs.ToList();
        var (commit, now) = (state.Commits[sha], all.Select(WorkflowRun.Parse).OfType<WorkflowRun>().ToList());
        all.ForEach(x => WorkflowRun.AddOrigin(commit.Suites, x));
        if (commit.Runs?.SequenceEqual(now) is not true)
            state.Commits[sha] = commit with { Runs = now, RunsMoved = true };
    }

    static bool HasUnreportedPulls(CommitState commit, IEnumerable<long> pulls) =>
        commit.SaidOf is { } reported && pulls.Except(reported).Any();

    static string ProtectionOf(string branch) => $"branches/{Uri.EscapeDataString(branch)}";

    static string RulesOf(string branch) => $"rules/branches/{Uri.EscapeDataString(branch)}?per_page=100";

    static string RunsOf(string sha) => $"actions/runs?head_sha={sha}&per_page=100";

    CommitState AggregateChecks(
        CommitState commit,
        IReadOnlyList<JsonElement> checks,
        IReadOnlyList<JsonElement> statuses,
        CiRules rules
    )
    {
        var runs = commit.Runs ?? [];
        var rollup = CiRollup.Aggregate(checks, statuses, commit.Suites, runs, rules);
        var (result, soFar) = (rollup as CiRollup.Finished, (rollup as CiRollup.Unfinished)?.SoFar);
        if (
            result is not null
            && commit.SaidOpen.Count > 0
            && !result.Failed.Intersect(commit.SaidOpen).Any()
            && CiRollup.Aggregate(
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
                && rollup.Sum.Failed.Contains(x.Text("name"))
            )
            .OrderBy(x => x.Time("completed_at"))
            .FirstOrDefault();
        var alone = runs.FirstOrDefault(x =>
            checks.Count == 0 && JobLogs.IsFailure(x.Conclusion) && rollup.Sum.Failed.Contains(x.Name)
        );
        var ended = checks
            .Select(x => x.Time("completed_at"))
            .Concat(statuses.Select(x => x.Time("updated_at") ?? x.Time("created_at")))
            .Concat(runs.Select(x => x.IsCompleted ? x.UpdatedAt : null))
            .Max();
        return commit with
        {
            Rules = rules,
            RunsMoved = false,
            Result = result,
            SoFar = soFar,
            StandsSince = (soFar?.Open ?? []).Select(x => x.Since).Append(ended).Max() ?? commit.Since,
            Failed =
                failed.Number("id") is { } id ? new(id, Attempt: null) { Name = failed.Text("name") }
                : alone is not null ? new(alone.Id, alone.Attempt) { Name = alone.Name }
                : null,
            EndedAt = ended ?? commit.Since,
            MovedAt =
                commit.MovedAt == default || checks.Count + statuses.Count + runs.Count > 0
                    ? pages.ServerTime
                    : commit.MovedAt,
            Empty = checks.Count + statuses.Count == 0 && (soFar is null or { Total: 0, Open.Count: 0 }),
            Done = false,
        };
    }

    Task<string?> FetchLogExcerpt(FailedCheck failed, CancellationToken cancel) =>
        failed.Attempt is { } attempt
            ? logs.ReadRunExcerpt(seen.Repository, failed.Id, attempt, cancel)
            : logs.ReadJobExcerpt(seen.Repository, failed.Id, cancel);

    IEnumerable<EventMapping> StatusEvents(
        string sha,
        CommitState commit,
        IReadOnlyList<long> pulls,
        IReadOnlyList<JsonElement> statuses
    ) =>
        from status in statuses
        where !commit.Baseline || status.Time("created_at") >= commit.Since
        select WithPullRequests(GitHubEvents.Status(seen, sha, status), pulls);

    async Task<(GitHubResponse Answer, IReadOnlyList<JsonElement>? Items)> ReadCheckRuns(
        string sha,
        bool ignoreETag,
        CancellationToken cancel
    )
    {
        if (state.ChecksForbiddenUntil <= pages.ServerTime)
        {
            var read = await pages.ReadAll(
                $"commits/{sha}/check-runs?filter=latest&per_page=100",
                "check_runs",
                ignoreETag,
                cancel
            );
            if (read.Answer is not GitHubResponse.Forbidden)
                return read;
            state.ChecksForbiddenUntil = pages.ServerTime + ForbiddenRetryAfter;
        }

        // Fine-grained personal tokens may not read check runs, and there is nothing one could grant them for it. The
        // runs say as much.
        return (new GitHubResponse.Forbidden(), null);
    }

    void DropCommit(string sha)
    {
        state.Commits.Remove(sha);
        foreach (var path in state.ETags.Keys.Where(x => x.Contains(sha, StringComparison.Ordinal)).ToList())
            state.ETags.Remove(path);
    }

    // GitHub itself names no pull requests of forks.
    EventMapping WithPullRequests(EventMapping mapped, IEnumerable<long> pulls) =>
        mapped.WithRelated(pulls.Select(seen.Repository.Item));
}
