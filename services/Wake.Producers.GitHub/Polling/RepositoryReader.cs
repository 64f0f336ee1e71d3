using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>Reads one repository through its account: conditionally where it can, page after page where it
/// must.</summary>
sealed class RepositoryReader(
    GitHubRepository repository,
    RepositoryState state,
    GitHubClient client,
    TimeProvider time
)
{
    /// <summary>
    /// GitHub's replicas lag, its timestamps have whole seconds, and list pages are not one snapshot. An item may
    /// appear this much later than its timestamp says.
    /// </summary>
    public static readonly TimeSpan ReplicaLag = TimeSpan.FromMinutes(1);

    // Ten thousand of something is not read to its end: what is new comes first, or is asked for by date.
    const int MaxPages = 10;

    /// <summary>The time at GitHub, as its last answer told it; before the first one, the time here.</summary>
    public DateTimeOffset ServerTime { get; private set; } = time.GetUtcNow();

    /// <summary>Whether anything was there, and whether anything was not, or not for this account.</summary>
    public bool AnyFound { get; private set; }

    public bool AnyDenied { get; private set; }

    /// <summary>What is there; null when it is as it was. Its ETag is kept by the caller, after what it says has been
    /// taken in.</summary>
    public async Task<GitHubResponse> GetFirstPage(
        string path,
        JsonValueKind kind,
        CancellationToken cancel,
        bool ignoreETag = false
    )
    {
        var answer = await client.Get(
            $"{state.Path ?? $"repos/{repository.FullName}"}/{path}",
            repository.FullName,
            ignoreETag ? null : state.ETags.GetValueOrDefault(path),
            kind,
            cancel
        );

        AnyFound |= answer is GitHubResponse.Success or GitHubResponse.NotModified;
        AnyDenied |= answer is GitHubResponse.NotFound or GitHubResponse.Forbidden;
        switch (answer)
        {
            case GitHubResponse.Success found:
                ServerTime = found.ServerTime;
                if (!IsSameRepository(found.Path, path))
                    return new GitHubResponse.NotFound();
                break;
            case GitHubResponse.NotModified unchanged:
                ServerTime = unchanged.ServerTime;
                break;
        }

        return answer;
    }

    /// <summary>Asks for something to be done in it; false when this account may not, or it cannot be done.</summary>
    public Task<bool> Post(string path, CancellationToken cancel) =>
        client.Post($"{state.Path ?? $"repos/{repository.FullName}"}/{path}", repository.FullName, cancel);

    // A repository that was renamed is at its number, and everything in it where it was. One thing that is elsewhere
    // was moved into another repository, which is not the one that is watched.
    bool IsSameRepository(string found, string asked)
    {
        asked = $"/{Uri.UnescapeDataString(asked.Split('?')[0])}";
        if (!found.EndsWith(asked, StringComparison.Ordinal))
            return false;

        var home = found[..^asked.Length];
        if (home.Split('/') is not ["repositories", var number])
            return true;

        var ours = state.Id is not { } id || number == GitHubObservation.FormatNumber(id);
        state.Path = ours ? home : null;
        return ours;
    }

    /// <summary>The pages from this one on, as long as the last one leaves something to ask for.</summary>
    public async Task<IReadOnlyList<JsonElement>> ReadPages(
        GitHubResponse.Success first,
        string? property,
        CancellationToken cancel,
        Func<IReadOnlyList<JsonElement>, bool>? more = null
    )
    {
        List<JsonElement> all = [.. Items(first)];
        var page = first;
        for (var count = 1; page.Next is { } next && count < MaxPages && more?.Invoke(all) is not false; count++)
        {
            page =
                await client.Get(
                    next,
                    repository.FullName,
                    property is null ? JsonValueKind.Array : JsonValueKind.Object,
                    cancel
                ) as GitHubResponse.Success
                ?? throw new GitHubUnavailableException("A page is missing.");
            all.AddRange(Items(page));
        }

        return all;

        IEnumerable<JsonElement> Items(GitHubResponse.Success found) =>
            property is null ? found.Body.Items() : found.Body.Items(property);
    }

    /// <summary>Everything of a list that is not sorted by its changes; null when it is as it was.</summary>
    /// <param name="path">The list.</param>
    /// <param name="property">Where in the answer it is; null: the answer is the list.</param>
    /// <param name="ignoreETag">Read it though it may not have changed.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<(GitHubResponse Answer, IReadOnlyList<JsonElement>? Items)> ReadAll(
        string path,
        string? property,
        bool ignoreETag,
        CancellationToken cancel
    )
    {
        var answer = await GetFirstPage(
            path,
            property is null ? JsonValueKind.Array : JsonValueKind.Object,
            cancel,
            ignoreETag
        );
        if (answer is not GitHubResponse.Success found)
            return (answer, null);

        // An ETag speaks for one page; of a longer list it would hide what changes on the others.
        SaveETag(path, found.Next is null ? found.ETag : null);
        return (answer, await ReadPages(found, property, cancel));
    }

    public void SaveETag(string path, string? etag)
    {
        if (etag is null)
            state.ETags.Remove(path);
        else
            state.ETags[path] = etag;
    }
}
