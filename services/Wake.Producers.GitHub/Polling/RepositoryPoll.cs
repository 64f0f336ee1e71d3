using System.Globalization;
using System.Text.Json;
using Wake.Producing;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>
/// One look at a repository: a few conditional requests, however many of its pull requests are watched, and more only
/// for what has moved. After each step its events are handed over and only then what was seen is kept.
/// </summary>
/// <param name="watched">What is watched in it.</param>
/// <param name="state">What was seen last. Changed; worthless once a step has failed.</param>
/// <param name="client">Who asks.</param>
/// <param name="logs">Tells why a job has failed.</param>
/// <param name="mergeStatePolicy">How long a merge state must stand, and where it is kept.</param>
/// <param name="publishAndSave">Publishes events, then saves the state.</param>
/// <param name="options">Which logins sessions work as.</param>
/// <param name="time">The clock.</param>
/// <param name="log">The log.</param>
sealed class RepositoryPoll(
    WatchedRepository watched,
    RepositoryState state,
    GitHubClient client,
    JobLogs logs,
    MergeStatePoll.Policy mergeStatePolicy,
    Func<IReadOnlyList<EventMapping>, Task> publishAndSave,
    GitHubOptions options,
    TimeProvider time,
    ILogger log
)
{
    const string PullList = "pulls?state=all&sort=updated&direction=desc&per_page=100";

    const string IssueList = "issues?state=all&sort=updated&direction=desc&per_page=100";

    // Up to so many pull requests are asked for one by one: a busy repository changes its list all the time.
    const int MaxIndividualPolls = 3;

    // What runs on older ones has ended long ago.
    const int MaxPastHeads = 10;

    readonly RepositoryReader pages = new(watched.Repository, state, client, time);
    MergeStatePoll? mergeStatePoll;

    MergeStatePoll MergeStatePoll =>
        mergeStatePoll ??= new(watched, state, pages, Observed, client, mergeStatePolicy, publishAndSave);

    GitHubObservation Observed => GitHubObservation.Poll(watched.Repository with { Id = state.Id });

    /// <summary>Whether nothing was shown to this account at all of what it asked for.</summary>
    public bool HasNoAccess => pages is { AnyFound: false, AnyDenied: true };

    /// <summary>Looks.</summary>
    /// <param name="requested">The subjects that a webhook has said moved.</param>
    /// <param name="waitPolicy">How long checks are waited for, and which.</param>
    /// <param name="cancel">Ends it.</param>
    public async Task PollRepository(
        IReadOnlyCollection<string> requested,
        CommitPoll.CheckWaitPolicy waitPolicy,
        CancellationToken cancel
    )
    {
        DropUnwatched();
        await PollFirstSeen(cancel);
        if (state.Pulls.Count > 0 || watched.WatchesNumbersByPattern)
            await PollPulls(cancel);
        if (state.Issues.Count > 0 || watched.WatchesNumbersByPattern)
            await PollIssues(cancel);
        await PollLateReviews(cancel);
        await new CommentPoll(watched, state, pages, Observed, publishAndSave).PollComments(cancel);
        await PollRefs(cancel);
        await new CommitPoll(watched, state, pages, Observed, logs, publishAndSave, options, log).PollCommits(
            requested,
            waitPolicy,
            cancel
        );
        await MergeStatePoll.PollMergeStates(requested, cancel);
        if (watched.Deployments)
            await new DeploymentPoll(watched, state, pages, Observed, publishAndSave).PollDeployments(cancel);
        if (watched.Releases)
            await new ReleasePoll(watched, state, pages, Observed, publishAndSave).PollReleases(cancel);
    }

    // A number is known again only by a new first look, which publishes nothing that was there before it.
    void DropUnwatched()
    {
        foreach (var number in state.Pulls.Keys.Concat(state.Issues.Keys).Where(x => !watched.IsWatched(x)).ToList())
        {
            state.Pulls.Remove(number);
            state.Issues.Remove(number);
        }

        foreach (var path in state.ETags.Keys.Where(IsUnwatchedPath).ToList())
            state.ETags.Remove(path);
    }

    // Nothing will be asked for there any more.
    bool IsUnwatchedPath(string path) =>
        path.Split('/', '?') is [var kind, var id, ..]
        && long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
        && kind switch
        {
            "pulls" => !state.Pulls.ContainsKey(number),
            "deployments" => !state.Deployments.ContainsKey(number),
            _ => false,
        };

    /// <summary>
    /// The first look at what is newly watched. What has ended by then may have ended while the watch was on its way,
    /// so it is said; the same key makes it one fact with whatever said it before.
    /// </summary>
    async Task PollFirstSeen(CancellationToken cancel)
    {
        var unknown = watched
            .Numbers.Where(x => !state.Pulls.ContainsKey(x) && !state.Issues.ContainsKey(x))
            .ToHashSet();
        if (
            unknown.Count > MaxIndividualPolls
            && await pages.GetFirstPage(PullList, JsonValueKind.Array, cancel, ignoreETag: true)
                is GitHubResponse.Success list
        )
        {
            var listed = await pages.ReadPages(
                list,
                null,
                cancel,
                all => unknown.Except(all.Select(x => x.Number("number") ?? 0)).Any()
            );
            List<EventMapping> found = [];
            foreach (var pull in listed.Where(x => unknown.Remove(x.Number("number") ?? 0)))
                found.AddRange(FirstSeenPull(pull, list.ServerTime));
            await publishAndSave(found);
        }

        foreach (var number in unknown)
        {
            var name = watched.Repository.Item(number);
            var missing = state.Missing.GetValueOrDefault(name);
            if (missing?.LookAt > time.GetUtcNow())
                continue;

            if (
                await pages.GetFirstPage($"pulls/{number}", JsonValueKind.Object, cancel, ignoreETag: true)
                is GitHubResponse.Success pull
            )
                await publishAndSave([.. FirstSeenPull(pull.Body, pull.ServerTime)]);
            else if (
                await pages.GetFirstPage($"issues/{number}", JsonValueKind.Object, cancel, ignoreETag: true)
                is GitHubResponse.Success issue
            )
                await publishAndSave([.. FirstSeenIssue(issue.Body, issue.ServerTime)]);
            else
            {
                // Not there, or not for us. Nothing follows from that, least of all that it was closed.
                var times = (missing?.Times ?? 0) + 1;
                if (times == 2)
                    log.LogWarning("{Subject} is watched and cannot be found, or this account may not see it.", name);
                state.Missing[name] = new(
                    times,
                    time.GetUtcNow() + TimeSpan.FromMinutes(Math.Min(60, Math.Pow(2, times)))
                );
                await publishAndSave([]);
                continue;
            }

            state.Missing.Remove(name);
        }
    }

    IEnumerable<EventMapping> FirstSeenPull(JsonElement pull, DateTimeOffset at)
    {
        state.Id ??= pull.Number("base", "repo", "id");
        var (number, updated) = (pull.Number("number")!.Value, pull.Time("updated_at") ?? at);
        var since = Since(number, updated, at);

        // The reviews that came with that change have not been read.
        var known = ToPullState(pull, since, updated) with
        {
            ReadAt = updated < since - Watches.LookBack ? pages.ServerTime : default,
        };
        state.Pulls[number] = known;
        MergeStatePoll.Begin(number);
        if (known is { ClosedAt: null, Head: { } head })
            state.Commits.TryAdd(head, new(at, Baseline: true));
        yield return GitHubEvents.Pull(Observed with { Baseline = true }, pull);
    }

    IEnumerable<EventMapping> FirstSeenIssue(JsonElement issue, DateTimeOffset at)
    {
        var (number, updated) = (issue.Number("number")!.Value, issue.Time("updated_at") ?? at);
        state.Issues[number] = new(Since(number, updated, at), updated, ClosedAt(issue));
        yield return GitHubEvents.Issue(Observed with { Baseline = true }, issue);
    }

    // What is written on a thing is news since it is watched, however late its first look is. The list of comments may
    // have been read past that, without looking for these.
    DateTimeOffset Since(long number, DateTimeOffset updated, DateTimeOffset at)
    {
        var since =
            watched.Since.TryGetValue(watched.Repository.Item(number), out var begun) && begun < at ? begun : at;
        if (updated >= since - Watches.LookBack)
        {
            foreach (var path in state.ETags.Keys.Where(CommentPoll.IsCommentList).ToList())
                state.ETags.Remove(path);
        }

        return since;
    }

    async Task PollPulls(CancellationToken cancel)
    {
        if (!watched.WatchesNumbersByPattern && state.Pulls.Count <= MaxIndividualPolls)
        {
            foreach (var number in state.Pulls.Keys.ToList())
            {
                var answer = await pages.GetFirstPage($"pulls/{number}", JsonValueKind.Object, cancel);
                if (answer is GitHubResponse.NotModified)
                    await MergeStatePoll.Confirm(number, cancel);
                if (answer is not GitHubResponse.Success found)
                    continue;

                await MergeStatePoll.Observe(found.Body, cancel);
                var one = await ChangedPulls([found.Body], cancel);
                pages.SaveETag($"pulls/{number}", found.ETag);
                await publishAndSave(one);
            }

            return;
        }

        if (await pages.GetFirstPage(PullList, JsonValueKind.Array, cancel) is not GitHubResponse.Success list)
            return;

        var pulls = await pages.ReadPages(
            list,
            null,
            cancel,
            all => all[^1].Time("updated_at") > Old(state.PullsUntil)
        );
        var events = await ChangedPulls(pulls, cancel);
        state.PullsUntil = Newest(pulls, state.PullsUntil, list.ServerTime);
        foreach (
            var (number, _) in state
                .Pulls.Where(x =>
                    IsClosedAndOld(x.Key, x.Value, state.PullsUntil) && !state.HasPendingChecks(x.Value.Head)
                )
                .ToList()
        )
            state.Pulls.Remove(number);
        pages.SaveETag(PullList, list.ETag);
        await publishAndSave(events);
    }

    async Task<List<EventMapping>> ChangedPulls(IReadOnlyList<JsonElement> pulls, CancellationToken cancel)
    {
        List<EventMapping> events = [];
        var (old, newest) = (Old(state.PullsUntil), Newest(pulls, default, pages.ServerTime));
        foreach (var pull in pulls)
        {
            if (pull.Has("merged_at") && pull.Time("updated_at") > old)
                MergeStatePoll.BranchMoved(pull.Text("base", "ref"));
            if (
                pull.Number("number") is not { } number
                || !watched.IsWatched(number)
                || pull.Time("updated_at") is not { } updated
            )
                continue;

            state.Id ??= pull.Number("base", "repo", "id");
            var (head, closedAt) = (pull.Text("head", "sha"), ClosedAt(pull));
            if (!state.Pulls.TryGetValue(number, out var known))
            {
                // One that a pattern means and nobody has named. Before the first list there is nothing it could be new
                // against.
                if (old is null && updated > newest - RepositoryReader.ReplicaLag)
                    state.Pulls[number] = ToPullState(pull, pages.ServerTime, updated);
                if (old is null || updated <= old)
                    continue;
                known = new(old.Value, default, closedAt <= old ? closedAt : null, head);
            }

            // An answer older than the last one is of a copy that lags behind. Two changes may share a second.
            if (
                updated < known.UpdatedAt
                || (updated == known.UpdatedAt && known.Head == head && known.ClosedAt == closedAt)
            )
                continue;

            MergeStatePoll.MayHaveMoved(number);
            if (closedAt is not null && closedAt != known.ClosedAt)
                events.Add(GitHubEvents.Pull(Observed, pull));
            if (closedAt is null && known.ClosedAt is { } wasClosed)
            {
                var at = await FindReopening(number, wasClosed, cancel);
                events.Add(GitHubPullRequestEvents.Reopened(Observed, pull, at));
            }

            if (head != known.Head && known.Head is not null)
                events.Add(GitHubEvents.PullHead(Observed, pull));
            events.AddRange(await NewReviews(number, known.Since, () => Task.FromResult(pull), cancel));

            state.Pulls[number] = ToPullState(pull, known.Since, updated) with
            {
                Past =
                    known.Head is { } past && past != head ? [past, .. known.Past.Take(MaxPastHeads - 1)] : known.Past,
            };
            if (closedAt is null && head is not null)
                state.Commits.TryAdd(head, new(pages.ServerTime, Baseline: false));
        }

        return events;
    }

    // When it was reopened, which a delivery has as the time of the change. What was written since has moved that, and
    // would be another key.
    async Task<string?> FindReopening(long number, DateTimeOffset closedAt, CancellationToken cancel) =>
        await pages.GetFirstPage($"issues/{number}/events?per_page=100", JsonValueKind.Array, cancel, ignoreETag: true)
            is GitHubResponse.Success first
            ? (await pages.ReadPages(first, null, cancel))
                .LastOrDefault(x => x.Text("event") == "reopened" && x.Time("created_at") >= closedAt)
                .TimeForKey("created_at")
            : null;

    PullState ToPullState(JsonElement pull, DateTimeOffset since, DateTimeOffset updated) =>
        new(since, updated, ClosedAt(pull), pull.Text("head", "sha"))
        {
            MergedAs = pull.Has("merged_at") ? pull.Text("merge_commit_sha") : null,
            ReadAt = pages.ServerTime,
            Base = pull.Text("base", "ref"),
            Author = pull.Text("user", "login"),
            Branch = pull.Text("head", "ref"),
        };

    /// <summary>A review that came in the same second as a change that was seen already moves no time by which it could
    /// be noticed.</summary>
    async Task PollLateReviews(CancellationToken cancel)
    {
        foreach (
            var (number, pull) in state
                .Pulls.Where(x => x.Value.ReadAt < x.Value.UpdatedAt + RepositoryReader.ReplicaLag)
                .ToList()
        )
        {
            var found = await NewReviews(number, pull.Since, () => GetPull(number, cancel), cancel);
            state.Pulls[number] = pull with { ReadAt = pages.ServerTime };
            await publishAndSave([.. found]);
        }
    }

    async Task<JsonElement> GetPull(long number, CancellationToken cancel) =>
        await pages.GetFirstPage($"pulls/{number}", JsonValueKind.Object, cancel, ignoreETag: true)
            is GitHubResponse.Success found
            ? found.Body
            : default;

    async Task<IReadOnlyList<EventMapping>> NewReviews(
        long number,
        DateTimeOffset since,
        Func<Task<JsonElement>> whole,
        CancellationToken cancel
    )
    {
        var (_, reviews) = await pages.ReadAll($"pulls/{number}/reviews?per_page=100", null, ignoreETag: false, cancel);
        if (reviews?.Where(x => x.Time("submitted_at") >= since - Watches.LookBack).ToList() is not { Count: > 0 } news)
            return [];

        var pull = await whole();
        return
        [
            .. news.Select(x =>
                GitHubEvents.Review(Observed with { Baseline = x.Time("submitted_at") < since }, number, x, pull)
            ),
        ];
    }

    async Task PollIssues(CancellationToken cancel)
    {
        if (await pages.GetFirstPage(IssueList, JsonValueKind.Array, cancel) is not GitHubResponse.Success list)
            return;

        var old = Old(state.IssuesUntil);
        var issues = await pages.ReadPages(list, null, cancel, all => all[^1].Time("updated_at") > old);
        var newest = Newest(issues, state.IssuesUntil, list.ServerTime);
        List<EventMapping> events = [];
        foreach (var issue in issues.Where(x => !x.Has("pull_request")))
        {
            if (
                issue.Number("number") is not { } number
                || !watched.IsWatched(number)
                || issue.Time("updated_at") is not { } updated
            )
                continue;

            var closedAt = ClosedAt(issue);
            if (!state.Issues.TryGetValue(number, out var known))
            {
                if (old is null && updated > newest - RepositoryReader.ReplicaLag)
                    state.Issues[number] = new(list.ServerTime, updated, closedAt);
                if (old is null || updated <= old)
                    continue;
                known = new(old.Value, default, closedAt <= old ? closedAt : null);
            }

            if (updated < known.UpdatedAt || (updated == known.UpdatedAt && known.ClosedAt == closedAt))
                continue;

            if (closedAt is not null && closedAt != known.ClosedAt)
                events.Add(GitHubEvents.Issue(Observed, issue));
            if (closedAt is null && known.ClosedAt is { } wasClosed)
                events.Add(GitHubIssueEvents.Reopened(Observed, issue, await FindReopening(number, wasClosed, cancel)));
            state.Issues[number] = known with { UpdatedAt = updated, ClosedAt = closedAt };
        }

        state.IssuesUntil = newest;
        foreach (var (number, _) in state.Issues.Where(x => IsClosedAndOld(x.Key, x.Value, newest)).ToList())
            state.Issues.Remove(number);
        pages.SaveETag(IssueList, list.ETag);
        await publishAndSave(events);
    }

    async Task PollRefs(CancellationToken cancel)
    {
        foreach (var name in watched.Refs)
        {
            var path = $"git/ref/{string.Join('/', name["refs/".Length..].Split('/').Select(Uri.EscapeDataString))}";
            var answer = await pages.GetFirstPage(path, JsonValueKind.Object, cancel);
            var known = state.Refs.GetValueOrDefault(name);
            if (answer is GitHubResponse.NotFound)
                state.Refs[name] = known ?? new(Sha: null, Before: null);
            if (answer is not GitHubResponse.Success found || found.Body.Text("object", "sha") is not { } sha)
                continue;

            // Where it was before, a copy that lags behind still shows it. Who has really put it back there has said so
            // once already.
            var moved = sha != known?.Sha && sha != known?.Before;
            if (moved)
                state.Refs[name] = new(sha, known?.Sha);
            pages.SaveETag(path, found.ETag);
            await publishAndSave(moved && known is not null ? [GitHubEvents.Ref(Observed, found.Body)] : []);
        }
    }

    // What a pattern means is forgotten once it is closed and too old to be taken for new.
    bool IsClosedAndOld(long number, ItemState item, DateTimeOffset until) =>
        item.ClosedAt is not null
        && item.UpdatedAt <= until - RepositoryReader.ReplicaLag
        && !watched.Numbers.Contains(number);

    static DateTimeOffset? Old(DateTimeOffset until) => until == default ? null : until - RepositoryReader.ReplicaLag;

    static DateTimeOffset? ClosedAt(JsonElement item) =>
        item.Text("state") == "closed" || item.Has("merged_at")
            ? item.Time("closed_at") ?? item.Time("merged_at") ?? item.Time("updated_at") ?? DateTimeOffset.MinValue
            : null;

    static DateTimeOffset Newest(IReadOnlyList<JsonElement> items, DateTimeOffset known, DateTimeOffset at) =>
        items.Select(x => x.Time("updated_at")).Append(known).Max() is { } newest && newest != default ? newest : at;
}
