using System.Text.Json;
using Wake.Producing;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>The part of a look that is about releases, only where somebody waits for one.</summary>
sealed class ReleasePoll(
    WatchedRepository watched,
    RepositoryState state,
    RepositoryReader pages,
    GitHubObservation seen,
    Func<IReadOnlyList<EventMapping>, Task> publishAndSave
)
{
    const string List = "releases?per_page=100";

    public async Task PollReleases(CancellationToken cancel)
    {
        if (await pages.GetFirstPage(List, JsonValueKind.Array, cancel) is not GitHubResponse.Success list)
            return;

        if (state.ReleasesSince == default)
            state.ReleasesSince = list.ServerTime - Watches.LookBack;

        // A draft has a place in the list long before it is published, so its time tells and not its place.
        var published = list
            .Body.Items()
            .Where(x => x.Time("published_at") >= state.ReleasesSince && !x.Flag("draft") && x.Number("id") is not null)
            .ToList();
        List<EventMapping> found =
        [
            .. from release in published
            where
                !state.Releases.Contains(release.Number("id")!.Value)
                && release.Text("tag_name") is { } tag
                && watched.IsWatched(watched.Repository.Ref($"refs/tags/{tag}"))
            select GitHubEvents.Release(seen, release),
        ];

        state.Releases = [.. published.Select(x => x.Number("id")!.Value)];
        pages.SaveETag(List, list.ETag);
        await publishAndSave(found);
    }
}
