using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>
/// One look at a repository: a few conditional requests, however many of its pull requests are watched, and more only for what
/// has moved. After each step its events are handed over and only then what was seen is kept.
/// </summary>
/// <param name="watched">What is watched in it.</param>
/// <param name="state">What was seen last. Changed; worthless once a step has failed.</param>
/// <param name="client">Who asks.</param>
/// <param name="keep">Hands events over, then keeps the state.</param>
/// <param name="time">The clock.</param>
/// <param name="log">The log.</param>
sealed class RepositoryLook(
    WatchedRepository watched, RepositoryState state, GitHubClient client, Func<IReadOnlyList<Mapped>, Task> keep, TimeProvider time,
    ILogger log)
{
    const string PullList = "pulls?state=all&sort=updated&direction=desc&per_page=100";

    const string IssueList = "issues?state=all&sort=updated&direction=desc&per_page=100";

    // Up to so many pull requests are asked for one by one: a busy repository changes its list all the time.
    const int Few = 3;

    readonly Pages pages = new(watched.Repository, state, client);

    GitHubSighting Seen => GitHubSighting.Poll(watched.Repository with { Id = state.Id });

    /// <summary>Looks.</summary>
    /// <param name="rung">The subjects that a webhook has said moved.</param>
    /// <param name="settle">How long checks must have been over.</param>
    /// <param name="cancel">Ends it.</param>
    public async Task Run(IReadOnlyCollection<string> rung, TimeSpan settle, CancellationToken cancel)
    {
        Forget();
        await MeetNumbers(cancel);
        if (state.Pulls.Count > 0 || watched.ByPattern)
            await LookAtPulls(cancel);
        if (state.Issues.Count > 0 || watched.ByPattern)
            await LookAtIssues(cancel);
        await LookAtComments(cancel);
        await LookAtRefs(cancel);
        await new CommitLook(watched, state, pages, Seen, keep).Run(rung, settle, cancel);
    }

    // A number is known again only by a new first look, which publishes nothing that was there before it.
    void Forget()
    {
        foreach (var number in state.Pulls.Keys.Concat(state.Issues.Keys).Where(x => !watched.Means(x)).ToList())
        {
            state.Pulls.Remove(number);
            state.Issues.Remove(number);
        }
    }

    /// <summary>
    /// The first look at what is newly watched. What has ended by then may have ended while the watch was on its way, so it is
    /// said; the same key makes it one fact with whatever said it before.
    /// </summary>
    async Task MeetNumbers(CancellationToken cancel)
    {
        var unknown = watched.Numbers.Where(x => !state.Pulls.ContainsKey(x) && !state.Issues.ContainsKey(x)).ToHashSet();
        if (unknown.Count > Few && await pages.First(PullList, JsonValueKind.Array, cancel, anew: true) is GitHubAnswer.Found list)
        {
            var listed = await pages.From(list, null, cancel, all => unknown.Except(all.Select(x => x.Number("number") ?? 0)).Any());
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

            if (await pages.First($"pulls/{number}", JsonValueKind.Object, cancel, anew: true) is GitHubAnswer.Found pull)
                await keep([.. Meet(pull.Body, pull.At)]);
            else if (await pages.First($"issues/{number}", JsonValueKind.Object, cancel, anew: true) is GitHubAnswer.Found issue)
                await keep([.. MeetIssue(issue.Body, issue.At)]);
            else
            {
                // Not there, or not for us. Nothing follows from that, least of all that it was closed.
                var times = (missing?.Times ?? 0) + 1;
                if (times == 2)
                    log.LogWarning("{Subject} is watched and cannot be found, or this account may not see it.", name);
                state.Missing[name] = new(times, time.GetUtcNow() + TimeSpan.FromMinutes(Math.Min(60, Math.Pow(2, times))));
                await keep([]);
                continue;
            }

            state.Missing.Remove(name);
        }
    }

    IEnumerable<Mapped> Meet(JsonElement pull, DateTimeOffset at)
    {
        state.Id ??= pull.Number("base", "repo", "id");
        var closed = IsClosed(pull);
        var head = pull.Text("head", "sha");
        state.Pulls[pull.Number("number")!.Value] = new(at, pull.Time("updated_at") ?? at, closed, head);
        if (!closed && head is not null)
            state.Commits.TryAdd(head, new(at, Baseline: true));
        yield return GitHubEvents.Pull(Seen with { Baseline = true }, pull);
    }

    IEnumerable<Mapped> MeetIssue(JsonElement issue, DateTimeOffset at)
    {
        state.Issues[issue.Number("number")!.Value] = new(at, issue.Time("updated_at") ?? at, IsClosed(issue));
        yield return GitHubEvents.Issue(Seen with { Baseline = true }, issue);
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

        var pulls = await pages.From(list, null, cancel, all => state.PullsUntil != default && all[^1].Time("updated_at") > state.PullsUntil);
        var events = await Changed(pulls, cancel);
        state.PullsUntil = Newest(pulls, state.PullsUntil, list.At);
        pages.Remember(PullList, list.ETag);
        await keep(events);
    }

    async Task<List<Mapped>> Changed(IReadOnlyList<JsonElement> pulls, CancellationToken cancel)
    {
        List<Mapped> events = [];
        foreach (var pull in pulls)
        {
            if (pull.Number("number") is not { } number || !watched.Means(number) || pull.Time("updated_at") is not { } updated)
                continue;

            state.Id ??= pull.Number("base", "repo", "id");
            var head = pull.Text("head", "sha");
            if (!state.Pulls.TryGetValue(number, out var known))
            {
                // One that a pattern means and nobody has named. Before the first list there is nothing it could be new against.
                if (state.PullsUntil == default || updated <= state.PullsUntil)
                    continue;
                known = new(state.PullsUntil, default, pull.Time("closed_at") < state.PullsUntil, head);
            }

            // An answer older than the last one: GitHub has several copies, and they do not agree at every moment. Two changes
            // may share a second.
            var closed = IsClosed(pull);
            if (updated < known.UpdatedAt || (updated == known.UpdatedAt && known.Head == head && known.Closed == closed))
                continue;

            if (closed && !known.Closed)
                events.Add(GitHubEvents.Pull(Seen, pull));
            if (head != known.Head && known.Head is not null)
                events.Add(GitHubEvents.PullHead(Seen, pull));
            events.AddRange(await Reviews(number, known.Since, pull, cancel));

            state.Pulls[number] = new(known.Since, updated, closed, head);
            if (!closed && head is not null)
                state.Commits.TryAdd(head, new(pages.At, Baseline: false));
        }

        return events;
    }

    async Task<IEnumerable<Mapped>> Reviews(long number, DateTimeOffset since, JsonElement pull, CancellationToken cancel)
    {
        var (_, reviews) = await pages.All($"pulls/{number}/reviews?per_page=100", null, anew: false, cancel);
        return (reviews ?? []).Where(x => x.Time("submitted_at") >= since).Select(x => GitHubEvents.Review(Seen, number, x, pull));
    }

    async Task LookAtIssues(CancellationToken cancel)
    {
        if (await pages.First(IssueList, JsonValueKind.Array, cancel) is not GitHubAnswer.Found list)
            return;

        var issues = await pages.From(list, null, cancel, all => state.IssuesSince != default && all[^1].Time("updated_at") > state.IssuesSince);
        List<Mapped> events = [];
        foreach (var issue in issues.Where(x => !x.Has("pull_request")))
        {
            if (issue.Number("number") is not { } number || !watched.Means(number) || issue.Time("updated_at") is not { } updated)
                continue;

            if (!state.Issues.TryGetValue(number, out var known))
            {
                if (state.IssuesSince == default || updated <= state.IssuesSince)
                    continue;
                known = new(state.IssuesSince, default, issue.Time("closed_at") < state.IssuesSince);
            }

            if (updated < known.UpdatedAt || (updated == known.UpdatedAt && known.Closed == IsClosed(issue)))
                continue;

            if (IsClosed(issue) && !known.Closed)
                events.Add(GitHubEvents.Issue(Seen, issue));
            state.Issues[number] = known with { UpdatedAt = updated, Closed = IsClosed(issue) };
        }

        state.IssuesSince = Newest(issues, state.IssuesSince, list.At);
        pages.Remember(IssueList, list.ETag);
        await keep(events);
    }

    async Task LookAtComments(CancellationToken cancel)
    {
        if (state.Pulls.Count + state.Issues.Count > 0 || watched.ByPattern)
            state.CommentsSince = await Comments("issues/comments", state.CommentsSince, "issue_url", GitHubEvents.IssueComment, cancel);
        if (state.Pulls.Count > 0 || watched.ByPattern)
            state.ReviewCommentsSince = await Comments("pulls/comments", state.ReviewCommentsSince, "pull_request_url", GitHubEvents.ReviewComment, cancel);
        await keep([]);
    }

    async Task<DateTimeOffset> Comments(
        string list, DateTimeOffset since, string home, Func<GitHubSighting, JsonElement, Mapped> map, CancellationToken cancel)
    {
        // Nothing before the first of the watches; and with a pattern nothing before now.
        if (since == default)
            since = state.Pulls.Values.Concat(state.Issues.Values).Select(x => x.Since).DefaultIfEmpty(pages.At).Min();

        var path = $"{list}?sort=updated&direction=asc&per_page=100&since={since.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}";
        if (await pages.First(path, JsonValueKind.Array, cancel) is not GitHubAnswer.Found first)
            return since;

        var comments = await pages.From(first, null, cancel);
        await keep([.. from comment in comments
                       let number = GitHubEvents.LastNumber(comment.Text(home))
                       where number is not null && watched.Means(number.Value) && comment.Time("created_at") >= Since(number.Value)
                       select map(Seen, comment)]);

        var newest = comments.Select(x => x.Time("updated_at")).Max() ?? since;
        pages.Remember(path, newest == since ? first.ETag : null);
        return newest;

        DateTimeOffset Since(long number) => state.Pulls.TryGetValue(number, out var pull) ? pull.Since
            : state.Issues.TryGetValue(number, out var issue) ? issue.Since : since;
    }

    async Task LookAtRefs(CancellationToken cancel)
    {
        foreach (var name in watched.Refs)
        {
            var path = $"git/ref/{string.Join('/', name["refs/".Length..].Split('/').Select(Uri.EscapeDataString))}";
            if (await pages.First(path, JsonValueKind.Object, cancel) is not GitHubAnswer.Found found || found.Body.Text("object", "sha") is not { } sha)
                continue;

            var moved = state.Refs.TryGetValue(name, out var before) && before != sha;
            state.Refs[name] = sha;
            pages.Remember(path, found.ETag);
            await keep(moved ? [GitHubEvents.Ref(Seen, found.Body)] : []);
        }
    }

    static bool IsClosed(JsonElement item) => item.Text("state") == "closed" || item.Has("merged_at");

    static DateTimeOffset Newest(IReadOnlyList<JsonElement> items, DateTimeOffset known, DateTimeOffset at) =>
        items.Select(x => x.Time("updated_at")).Append(known).Max() is { } newest && newest != default ? newest : at;
}
