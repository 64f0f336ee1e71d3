using System.Text.Json;
using Wake.Producing;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>The part of a look that is about what people write: one list for all conversations of a repository, one for
/// all of its code.</summary>
sealed class CommentPoll(
    WatchedRepository watched,
    RepositoryState state,
    RepositoryReader pages,
    GitHubObservation seen,
    Func<IReadOnlyList<EventMapping>, Task> publishAndSave
)
{
    const string Conversations = "issues/comments",
        Code = "pulls/comments";

    /// <summary>Whether this path is one of the lists, from some time on.</summary>
    public static bool IsCommentList(string path) =>
        path.StartsWith($"{Conversations}?", StringComparison.Ordinal)
        || path.StartsWith($"{Code}?", StringComparison.Ordinal);

    public async Task PollComments(CancellationToken cancel)
    {
        if (state.Pulls.Count + state.Issues.Count > 0 || watched.WatchesNumbersByPattern)
            state.CommentsSince = await PollList(
                Conversations,
                state.CommentsSince,
                "issue_url",
                GitHubEvents.IssueComment,
                cancel
            );
        if (state.Pulls.Count > 0 || watched.WatchesNumbersByPattern)
            state.ReviewCommentsSince = await PollList(
                Code,
                state.ReviewCommentsSince,
                "pull_request_url",
                GitHubEvents.ReviewComment,
                cancel
            );
        await publishAndSave([]);
    }

    async Task<DateTimeOffset> PollList(
        string list,
        DateTimeOffset since,
        string home,
        Func<GitHubObservation, JsonElement, EventMapping> map,
        CancellationToken cancel
    )
    {
        // Nothing before the first of the watches; and with a pattern nothing before now.
        var unnamed = since == default ? pages.ServerTime : since - RepositoryReader.ReplicaLag;
        if (since == default)
            since = state
                .Pulls.Values.Concat(state.Issues.Values)
                .Select(x => x.Since)
                .DefaultIfEmpty(pages.ServerTime)
                .Min();

        // One may show only after another that is newer, and may be on what was not watched then. Read twice it is the
        // same fact.
        var from = (since - Watches.LookBack).UtcDateTime;
        var path = $"{list}?sort=updated&direction=asc&per_page=100&since={from:yyyy-MM-dd'T'HH:mm:ss'Z'}";
        if (await pages.GetFirstPage(path, JsonValueKind.Array, cancel) is not GitHubResponse.Success found)
            return since;

        var comments = await pages.ReadPages(found, null, cancel);
        await publishAndSave([
            .. from comment in comments
            let number = GitHubEvents.LastNumber(comment.Text(home))
            where number is not null && watched.IsWatched(number.Value)
            let begun = Known(number.Value)?.Since
            where comment.Time("created_at") >= (begun - Watches.LookBack ?? unnamed)
            select map(seen with { Baseline = comment.Time("created_at") < begun }, comment),
        ]);

        var newest = comments.Select(x => x.Time("updated_at")).Append(since).Max()!.Value;
        pages.SaveETag(path, newest == since ? found.ETag : null);
        return newest;

        ItemState? Known(long number) =>
            state.Pulls.GetValueOrDefault(number) ?? state.Issues.GetValueOrDefault(number);
    }
}
