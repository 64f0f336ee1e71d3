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
/// <param name="keep">Hands events over, then keeps the state.</param>
/// <param name="time">The clock.</param>
/// <param name="log">The log.</param>
sealed class RepositoryLook(
    WatchedRepository watched,
    RepositoryState state,
    GitHubClient client,
    JobLogs logs,
    Func<IReadOnlyList<Mapped>, Task> keep,
    TimeProvider time,
    ILogger log
)
{
    const string PullList = "pulls?state=all&sort=updated&direction=desc&per_page=100";

    const string IssueList = "issues?state=all&sort=updated&direction=desc&per_page=100";

    // Up to so many pull requests are asked for one by one: a busy repository changes its list all the time.
    const int Few = 3;

    // What runs on older ones has ended long ago.
    const int MostPast = 10;

    readonly Pages pages = new(watched.Repository, state, client, time);

    GitHubSighting Seen => GitHubSighting.Poll(watched.Repository with { Id = state.Id });

    /// <summary>Whether nothing was shown to this account at all of what it asked for.</summary>
    public bool IsBlind => pages is { Saw: false, Missed: true };

    /// <summary>Looks.</summary>
    /// <param name="rung">The subjects that a webhook has said moved.</param>
    /// <param name="patience">How long checks are waited for, and which.</param>
    /// <param name="cancel">Ends it.</param>
    public async Task Run(IReadOnlyCollection<string> rung, CommitLook.Patience patience, CancellationToken cancel)
    {
        Forget();
        await MeetNumbers(cancel);
        if (state.Pulls.Count > 0 || watched.ByPattern)
            await LookAtPulls(cancel);
        if (state.Issues.Count > 0 || watched.ByPattern)
            await LookAtIssues(cancel);
        await LookAtLateReviews(cancel);
        await new CommentLook(watched, state, pages, Seen, keep).Run(cancel);
        await LookAtRefs(cancel);
        await new CommitLook(watched, state, pages, Seen, logs, keep).Run(rung, patience, cancel);
        if (watched.Deployments)
            await new DeploymentLook(watched, state, pages, Seen, keep).Run(cancel);
        if (watched.Releases)
            await new ReleaseLook(watched, state, pages, Seen, keep).Run(cancel);
    }

    // A number is known again only by a new first look, which publishes nothing that was there before it.
    void Forget()
    {
        foreach (var number in state.Pulls.Keys.Concat(state.Issues.Keys).Where(x => !watched.Means(x)).ToList())
        {
            state.Pulls.Remove(number);
            state.Issues.Remove(number);
        }

        foreach (var path in state.ETags.Keys.Where(IsGone).ToList())
            state.ETags.Remove(path);
    }

    // Nothing will be asked for there any more.
    bool IsGone(string path) =>
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
    async Task MeetNumbers(CancellationToken cancel)
    {
        var unknown = watched
            .Numbers.Where(x => !state.Pulls.ContainsKey(x) && !state.Issues.ContainsKey(x))
            .ToHashSet();
        if (
            unknown.Count > Few
            && await pages.First(PullList, JsonValueKind.Array, cancel, anew: true) is GitHubAnswer.Found list
        )
        {
            var listed = await pages.From(
                list,
                null,
                cancel,
                all => unknown.Except(all.Select(x => x.Number("number") ?? 0)).Any()
            );
            List<Mapped> found = [];
            foreach (var pull in listed.Where(x => unknown.Remove(x.Number("number") ?? 0)))
                found.AddRange(Meet(pull, list.At));
            await keep(found);
        }

        foreach (var number in unknown)
        {
            var name = watched.Repository.Item(number);
            var missing = state.Missing.GetValueOrDefault(name);
            if (missing?.LookAt > time.GetUtcNow())
                continue;

            if (
                await pages.First($"pulls/{number}", JsonValueKind.Object, cancel, anew: true)
                is GitHubAnswer.Found pull
            )
                await keep([.. Meet(pull.Body, pull.At)]);
            else if (
                await pages.First($"issues/{number}", JsonValueKind.Object, cancel, anew: true)
                is GitHubAnswer.Found issue
            )
                await keep([.. MeetIssue(issue.Body, issue.At)]);
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
                await keep([]);
                continue;
            }

            state.Missing.Remove(name);
        }
    }

    IEnumerable<Mapped> Meet(JsonElement pull, DateTimeOffset at)
    {
        state.Id ??= pull.Number("base", "repo", "id");
        var (number, updated) = (pull.Number("number")!.Value, pull.Time("updated_at") ?? at);
        var since = Since(number, updated, at);

        // The reviews that came with that change have not been read.
        var known = Known(pull, since, updated) with
        {
            ReadAt = updated < since - Watches.LookBack ? pages.At : default,
        };
        state.Pulls[number] = known;
        if (known is { ClosedAt: null, Head: { } head })
            state.Commits.TryAdd(head, new(at, Baseline: true));
        yield return GitHubEvents.Pull(Seen with { Baseline = true }, pull);
    }

    IEnumerable<Mapped> MeetIssue(JsonElement issue, DateTimeOffset at)
    {
        var (number, updated) = (issue.Number("number")!.Value, issue.Time("updated_at") ?? at);
        state.Issues[number] = new(Since(number, updated, at), updated, ClosedAt(issue));
        yield return GitHubEvents.Issue(Seen with { Baseline = true }, issue);
    }

    // What is written on a thing is news since it is watched, however late its first look is. The list of comments may
    // have been read past that, without looking for these.
    DateTimeOffset Since(long number, DateTimeOffset updated, DateTimeOffset at)
    {
        var since =
            watched.Since.TryGetValue(watched.Repository.Item(number), out var begun) && begun < at ? begun : at;
        if (updated >= since - Watches.LookBack)
        {
            foreach (var path in state.ETags.Keys.Where(CommentLook.Lists).ToList())
                state.ETags.Remove(path);
        }

        return since;
    }

    async Task LookAtPulls(CancellationToken cancel)
    {
        if (!watched.ByPattern && state.Pulls.Count <= Few)
        {
            foreach (var number in state.Pulls.Keys.ToList())
            {
                if (await pages.First($"pulls/{number}", JsonValueKind.Object, cancel) is not GitHubAnswer.Found found)
                    continue;

                var one = await Changed([found.Body], cancel);
                pages.Remember($"pulls/{number}", found.ETag);
                await keep(one);
            }

            return;
        }

        if (await pages.First(PullList, JsonValueKind.Array, cancel) is not GitHubAnswer.Found list)
            return;

        var pulls = await pages.From(list, null, cancel, all => all[^1].Time("updated_at") > Old(state.PullsUntil));
        var events = await Changed(pulls, cancel);
        state.PullsUntil = Newest(pulls, state.PullsUntil, list.At);
        foreach (
            var (number, _) in state
                .Pulls.Where(x => IsOver(x.Key, x.Value, state.PullsUntil) && !state.IsOpen(x.Value.Head))
                .ToList()
        )
            state.Pulls.Remove(number);
        pages.Remember(PullList, list.ETag);
        await keep(events);
    }

    async Task<List<Mapped>> Changed(IReadOnlyList<JsonElement> pulls, CancellationToken cancel)
    {
        List<Mapped> events = [];
        var (old, newest) = (Old(state.PullsUntil), Newest(pulls, default, pages.At));
        foreach (var pull in pulls)
        {
            if (
                pull.Number("number") is not { } number
                || !watched.Means(number)
                || pull.Time("updated_at") is not { } updated
            )
                continue;

            state.Id ??= pull.Number("base", "repo", "id");
            var (head, closedAt) = (pull.Text("head", "sha"), ClosedAt(pull));
            if (!state.Pulls.TryGetValue(number, out var known))
            {
                // One that a pattern means and nobody has named. Before the first list there is nothing it could be new
                // against.
                if (old is null && updated > newest - Pages.Lag)
                    state.Pulls[number] = Known(pull, pages.At, updated);
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

            if (closedAt is not null && closedAt != known.ClosedAt)
                events.Add(GitHubEvents.Pull(Seen, pull));
            if (head != known.Head && known.Head is not null)
                events.Add(GitHubEvents.PullHead(Seen, pull));
            events.AddRange(await Reviews(number, known.Since, () => Task.FromResult(pull), cancel));

            state.Pulls[number] = Known(pull, known.Since, updated) with
            {
                Past = known.Head is { } past && past != head ? [past, .. known.Past.Take(MostPast - 1)] : known.Past,
            };
            if (closedAt is null && head is not null)
                state.Commits.TryAdd(head, new(pages.At, Baseline: false));
        }

        return events;
    }

    PullState Known(JsonElement pull, DateTimeOffset since, DateTimeOffset updated) =>
        new(since, updated, ClosedAt(pull), pull.Text("head", "sha"))
        {
            MergedAs = pull.Has("merged_at") ? pull.Text("merge_commit_sha") : null,
            ReadAt = pages.At,
            Base = pull.Text("base", "ref"),
        };

    /// <summary>A review that came in the same second as a change that was seen already moves no time by which it could
    /// be noticed.</summary>
    async Task LookAtLateReviews(CancellationToken cancel)
    {
        foreach (var (number, pull) in state.Pulls.Where(x => x.Value.ReadAt < x.Value.UpdatedAt + Pages.Lag).ToList())
        {
            var found = await Reviews(number, pull.Since, () => One(number, cancel), cancel);
            state.Pulls[number] = pull with { ReadAt = pages.At };
            await keep([.. found]);
        }
    }

    async Task<JsonElement> One(long number, CancellationToken cancel) =>
        await pages.First($"pulls/{number}", JsonValueKind.Object, cancel, anew: true) is GitHubAnswer.Found found
            ? found.Body
            : default;

    async Task<IReadOnlyList<Mapped>> Reviews(
        long number,
        DateTimeOffset since,
        Func<Task<JsonElement>> whole,
        CancellationToken cancel
    )
    {
        var (_, reviews) = await pages.All($"pulls/{number}/reviews?per_page=100", null, anew: false, cancel);
        if (reviews?.Where(x => x.Time("submitted_at") >= since - Watches.LookBack).ToList() is not { Count: > 0 } news)
            return [];

        var pull = await whole();
        return
        [
            .. news.Select(x =>
                GitHubEvents.Review(Seen with { Baseline = x.Time("submitted_at") < since }, number, x, pull)
            ),
        ];
    }

    async Task LookAtIssues(CancellationToken cancel)
    {
        if (await pages.First(IssueList, JsonValueKind.Array, cancel) is not GitHubAnswer.Found list)
            return;

        var old = Old(state.IssuesUntil);
        var issues = await pages.From(list, null, cancel, all => all[^1].Time("updated_at") > old);
        var newest = Newest(issues, state.IssuesUntil, list.At);
        List<Mapped> events = [];
        foreach (var issue in issues.Where(x => !x.Has("pull_request")))
        {
            if (
                issue.Number("number") is not { } number
                || !watched.Means(number)
                || issue.Time("updated_at") is not { } updated
            )
                continue;

            var closedAt = ClosedAt(issue);
            if (!state.Issues.TryGetValue(number, out var known))
            {
                if (old is null && updated > newest - Pages.Lag)
                    state.Issues[number] = new(list.At, updated, closedAt);
                if (old is null || updated <= old)
                    continue;
                known = new(old.Value, default, closedAt <= old ? closedAt : null);
            }

            if (updated < known.UpdatedAt || (updated == known.UpdatedAt && known.ClosedAt == closedAt))
                continue;

            if (closedAt is not null && closedAt != known.ClosedAt)
                events.Add(GitHubEvents.Issue(Seen, issue));
            state.Issues[number] = known with { UpdatedAt = updated, ClosedAt = closedAt };
        }

        state.IssuesUntil = newest;
        foreach (var (number, _) in state.Issues.Where(x => IsOver(x.Key, x.Value, newest)).ToList())
            state.Issues.Remove(number);
        pages.Remember(IssueList, list.ETag);
        await keep(events);
    }

    async Task LookAtRefs(CancellationToken cancel)
    {
        foreach (var name in watched.Refs)
        {
            var path = $"git/ref/{string.Join('/', name["refs/".Length..].Split('/').Select(Uri.EscapeDataString))}";
            var answer = await pages.First(path, JsonValueKind.Object, cancel);
            var known = state.Refs.GetValueOrDefault(name);
            if (answer is GitHubAnswer.Missing)
                state.Refs[name] = known ?? new(Sha: null, Before: null);
            if (answer is not GitHubAnswer.Found found || found.Body.Text("object", "sha") is not { } sha)
                continue;

            // Where it was before, a copy that lags behind still shows it. Who has really put it back there has said so
            // once already.
            var moved = sha != known?.Sha && sha != known?.Before;
            if (moved)
                state.Refs[name] = new(sha, known?.Sha);
            pages.Remember(path, found.ETag);
            await keep(moved && known is not null ? [GitHubEvents.Ref(Seen, found.Body)] : []);
        }
    }

    // What a pattern means is forgotten once it is closed and too old to be taken for new.
    bool IsOver(long number, ItemState item, DateTimeOffset until) =>
        item.ClosedAt is not null && item.UpdatedAt <= until - Pages.Lag && !watched.Numbers.Contains(number);

    static DateTimeOffset? Old(DateTimeOffset until) => until == default ? null : until - Pages.Lag;

    static DateTimeOffset? ClosedAt(JsonElement item) =>
        item.Text("state") == "closed" || item.Has("merged_at")
            ? item.Time("closed_at") ?? item.Time("merged_at") ?? item.Time("updated_at") ?? DateTimeOffset.MinValue
            : null;

    static DateTimeOffset Newest(IReadOnlyList<JsonElement> items, DateTimeOffset known, DateTimeOffset at) =>
        items.Select(x => x.Time("updated_at")).Append(known).Max() is { } newest && newest != default ? newest : at;
}
