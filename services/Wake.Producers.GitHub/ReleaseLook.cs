using System.Text.Json;
using Wake.Producing;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>The part of a look that is about releases, only where somebody waits for one.</summary>
sealed class ReleaseLook(
    WatchedRepository watched,
    RepositoryState state,
    Pages pages,
    GitHubSighting seen,
    Func<IReadOnlyList<Mapped>, Task> keep
)
{
    const string List = "releases?per_page=100";

    public async Task Run(CancellationToken cancel)
    {
        if (await pages.First(List, JsonValueKind.Array, cancel) is not GitHubAnswer.Found list)
            return;

        if (state.ReleasesSince == default)
            state.ReleasesSince = list.At - Watches.LookBack;

        // A draft has a place in the list long before it is published, so its time tells and not its place.
        var published = list
            .Body.Items()
            .Where(x => x.Time("published_at") >= state.ReleasesSince && !x.Flag("draft") && x.Number("id") is not null)
            .ToList();
        List<Mapped> found =
        [
            .. from release in published
            where
                !state.Releases.Contains(release.Number("id")!.Value)
                && release.Text("tag_name") is { } tag
                && watched.Means(watched.Repository.Ref($"refs/tags/{tag}"))
            select GitHubEvents.Release(seen, release),
        ];

        state.Releases = [.. published.Select(x => x.Number("id")!.Value)];
        pages.Remember(List, list.ETag);
        await keep(found);
    }
}
