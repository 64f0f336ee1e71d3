using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Producing;
using Wake.ServiceDefaults;

namespace Wake.Producers.GitHub;

/// <summary>
/// What a delivery about a commit does not say and the poller knows: the watched pull requests that it belongs to, a
/// fork's among them, and what the log of a failed run says. Of commits nobody waits for, nothing is looked up.
/// </summary>
sealed class DeliveryEnricher(
    GitHubCursors cursors,
    JobLogs logs,
    IOptions<GitHubOptions> options,
    ILogger<DeliveryEnricher> log
)
{
    // A delivery must be answered soon, and is good without this.
    static readonly TimeSpan LookupTimeout = TimeSpan.FromSeconds(1);

    static readonly string[] CommitEventTypes =
    [
        "github.workflow_run.completed",
        "github.workflow_run.action_required",
        "github.check_suite.completed",
        "github.status.completed",
        "github.deployment.completed",
    ];

    public async Task<EventMapping> Enrich(EventMapping mapped, CancellationToken cancel)
    {
        if (
            mapped.Events is not [var observed]
            || !CommitEventTypes.Contains(observed.Type)
            || WatchedRepository.FromSubjects([observed.Subject]).FirstOrDefault() is not { } home
        )
            return mapped;

        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(LookupTimeout);
        try
        {
            var (pulls, watched, left) = await cursors.FindCommit(
                home.Repository.Subject,
                home.Commits.First(),
                bound.Token
            );
            if (pulls is [] && !watched)
                return mapped.AmbientIfOutdated(left);
            if (await IsWithheld(home, observed, pulls, bound.Token))
                return EventMapping.Ignore("withheld until it has run again").WithRepoll(mapped.RepollSubject);

            return await logs.AddExcerpt(mapped.WithRelated(pulls.Select(home.Repository.Item)), cancel);
        }
        catch (Exception failed)
            when (PostgresErrors.IsFailure(failed)
                || (failed is OperationCanceledException && !cancel.IsCancellationRequested)
            )
        {
            log.LogWarning("Nothing was looked up for a delivery: {Reason}", failed.Message);
            return mapped;
        }
    }

    // A failed run that may run again first. The poller, which is rung, tells of it with the sum of all checks.
    async Task<bool> IsWithheld(
        WatchedRepository home,
        ExternalEventObserved observed,
        long[] pulls,
        CancellationToken cancel
    ) =>
        RerunFirst.IsFailedRun(observed)
        && await cursors.FindReruns(home.Repository.Subject, cancel) is var (watched, state)
        && RerunFirst.Withholds(watched, state, options.Value, home.Commits.First(), pulls, observed);
}
