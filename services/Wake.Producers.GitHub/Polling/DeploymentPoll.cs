using System.Text.Json;
using Wake.Producing;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>
/// The part of a look that is about deployments: of commits that are watched, of the heads of watched pull requests,
/// and of what those have become by a merge. Only where somebody waits for deployments.
/// </summary>
sealed class DeploymentPoll(
    WatchedRepository watched,
    RepositoryState state,
    RepositoryReader pages,
    GitHubObservation seen,
    Func<IReadOnlyList<EventMapping>, Task> publishAndSave
)
{
    const string List = "deployments?per_page=100";

    // One that has no end by then gets none.
    static readonly TimeSpan GiveUpAfter = TimeSpan.FromDays(1);

    const int MaxPerPoll = 20;

    public async Task PollDeployments(CancellationToken cancel)
    {
        if (await pages.GetFirstPage(List, JsonValueKind.Array, cancel) is GitHubResponse.Success list)
        {
            if (state.DeploymentsSince == default)
                state.DeploymentsSince = list.ServerTime;

            // On a busy day others push it off the page before it has ended.
            var listed = list
                .Body.Items()
                .Where(x => x.Time("created_at") > list.ServerTime - GiveUpAfter)
                .Select(ToState)
                .OfType<DeploymentState>();
            state.Deployments = listed
                .Concat(state.Deployments.Values.Where(x => IsAwaited(x, list.ServerTime)))
                .DistinctBy(x => x.Id)
                .ToDictionary(x => x.Id);
            pages.SaveETag(List, list.ETag);
            await publishAndSave([]);
        }

        // Also those that nobody waits for are known: the merge that makes one interesting may be seen after it.
        var open = state.Deployments.Values.Where(x => IsAwaited(x, pages.ServerTime)).ToArray();
        Random.Shared.Shuffle(open);
        foreach (var deployment in open.Take(MaxPerPoll))
            await PollStatuses(deployment, cancel);
    }

    async Task PollStatuses(DeploymentState deployment, CancellationToken cancel)
    {
        var path = $"deployments/{deployment.Id}/statuses?per_page=100";
        var (_, statuses) = await pages.ReadAll(path, null, ignoreETag: false, cancel);
        if (statuses is null)
            return;

        // As far back as a new watch looks. What was over before it is no news then.
        var since = Since(deployment.Sha)!.Value;
        var whole = JsonSerializer.SerializeToElement(
            new
            {
                id = deployment.Id,
                sha = deployment.Sha,
                @ref = deployment.Ref,
                environment = deployment.Environment,
            }
        );
        List<EventMapping> found =
        [
            .. from status in statuses
            where status.Time("created_at") >= since - Watches.LookBack
            select GitHubEvents
                .Deployment(seen with { Baseline = status.Time("created_at") < since }, whole, status)
                .WithRelated(Pulls(deployment.Sha).Select(x => seen.Repository.Item(x.Key))),
        ];

        if (statuses.Any(x => x.Text("state")?.ToLowerInvariant() is "success" or "failure" or "error" or "inactive"))
        {
            state.Deployments[deployment.Id] = deployment with { Done = true };
            pages.SaveETag(path, null);
        }

        await publishAndSave(found);
    }

    DeploymentState? ToState(JsonElement deployment)
    {
        if (
            deployment.Number("id") is not { } id
            || deployment.Text("sha") is not { } sha
            || deployment.Time("created_at") is not { } created
        )
            return null;

        var updated = deployment.Time("updated_at") ?? created;
        return state.Deployments.TryGetValue(id, out var known) && known.UpdatedAt >= updated
            ? known
            : new(id, sha, deployment.Text("ref"), deployment.Text("environment"), created, updated, Done: false);
    }

    bool IsAwaited(DeploymentState deployment, DateTimeOffset at) =>
        !deployment.Done && deployment.CreatedAt > at - GiveUpAfter && Since(deployment.Sha) is not null;

    IEnumerable<KeyValuePair<long, PullState>> Pulls(string sha) =>
        state.Pulls.Where(x => x.Value.Head == sha || x.Value.MergedAs == sha);

    // Since when somebody waits for what becomes of a commit; null when nobody does.
    DateTimeOffset? Since(string sha) =>
        Pulls(sha)
            .Select(x => (DateTimeOffset?)x.Value.Since)
            .Append(
                watched.Commits.Contains(sha) ? state.Commits.GetValueOrDefault(sha)?.Since
                : watched.IsWatched(watched.Repository.Commit(sha)) ? state.DeploymentsSince
                : null
            )
            .Min();
}
