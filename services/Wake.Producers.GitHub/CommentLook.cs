using System.Text.Json;
using Wake.Producing;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>The part of a look that is about what people write: one list for all conversations of a repository, one for
/// all of its code.</summary>
sealed class CommentLook(
    WatchedRepository watched,
    RepositoryState state,
    Pages pages,
    GitHubSighting seen,
    Func<IReadOnlyList<Mapped>, Task> keep
)
{
    const string Conversations = "issues/comments",
        Code = "pulls/comments";

    /// <summary>Whether this path is one of the lists, from some time on.</summary>
    public static bool Lists(string path) =>
        path.StartsWith($"{Conversations}?", StringComparison.Ordinal)
        || path.StartsWith($"{Code}?", StringComparison.Ordinal);

    public async Task Run(CancellationToken cancel)
    {
        if (state.Pulls.Count + state.Issues.Count > 0 || watched.ByPattern)
            state.CommentsSince = await Read(
                Conversations,
                state.CommentsSince,
                "issue_url",
                GitHubEvents.IssueComment,
                cancel
            );
        if (state.Pulls.Count > 0 || watched.ByPattern)
            state.ReviewCommentsSince = await Read(
                Code,
                state.ReviewCommentsSince,
                "pull_request_url",
                GitHubEvents.ReviewComment,
                cancel
            );
        await keep([]);
    }

    async Task<DateTimeOffset> Read(
        string list,
        DateTimeOffset since,
        string home,
        Func<GitHubSighting, JsonElement, Mapped> map,
        CancellationToken cancel
    )
    {
        // Nothing before the first of the watches; and with a pattern nothing before now.
        var unnamed = since == default ? pages.At : since - Pages.Lag;
        if (since == default)
            since = state.Pulls.Values.Concat(state.Issues.Values).Select(x => x.Since).DefaultIfEmpty(pages.At).Min();

        // One may show only after another that is newer, and may be on what was not watched then. Read twice it is the
        // same fact.
        var path =
            $"{list}?sort=updated&direction=asc&per_page=100&since={(since - Watches.LookBack).UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}";
        if (await pages.First(path, JsonValueKind.Array, cancel) is not GitHubAnswer.Found found)
            return since;

        var comments = await pages.From(found, null, cancel);
        await keep([
            .. from comment in comments
            let number = GitHubEvents.LastNumber(comment.Text(home))
            where number is not null && watched.Means(number.Value)
            let begun = Known(number.Value)?.Since
            where comment.Time("created_at") >= (begun - Watches.LookBack ?? unnamed)
            select map(seen with { Baseline = comment.Time("created_at") < begun }, comment),
        ]);

        var newest = comments.Select(x => x.Time("updated_at")).Append(since).Max()!.Value;
        pages.Remember(path, newest == since ? found.ETag : null);
        return newest;

        ItemState? Known(long number) =>
            state.Pulls.GetValueOrDefault(number) ?? state.Issues.GetValueOrDefault(number);
    }
}
