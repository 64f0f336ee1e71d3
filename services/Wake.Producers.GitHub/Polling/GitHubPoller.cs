using Microsoft.Extensions.Options;
using Wake.Producing;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>
/// Asks GitHub what became of the things that sessions watch. Webhooks are faster; this one misses nothing, and needs
/// no address that GitHub could reach.
/// </summary>
sealed class GitHubPoller(
    IOptions<GitHubOptions> options,
    WatchedSubjects subjects,
    GitHubCursors cursors,
    GitHubClients clients,
    IEventPublisher publisher,
    JobLogs logs,
    MergeStateStore mergeStates,
    RepollRequests repollRequests,
    OwnComments ownComments,
    AccountReporter reporter,
    TimeProvider time,
    ILogger<GitHubPoller> log
) : BackgroundService
{
    // A repository that has not changed for that long is looked at less.
    static readonly TimeSpan IdleAfter = TimeSpan.FromHours(1);

    // How long an account without access leaves a repository to other accounts. Access may be granted later.
    static readonly TimeSpan NoAccessRetryAfter = TimeSpan.FromHours(1);

    readonly GitHubOptions settings = options.Value;
    readonly Dictionary<string, string> identities = options.Value.Accounts.ToDictionary(
        x => x.Key,
        x => x.Value.Identity(x.Key)
    );
    volatile Dictionary<string, string[]> repositoriesByAccount = [];
    IReadOnlyList<WatchedSubject>? lastSubjects;
    IReadOnlyList<WatchedRepository> watched = [];

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(
            settings
                .Accounts.Keys.Select(x => Repeat($"Polling with the account {x}", y => PollNext(x, y), stoppingToken))
                .Append(Repeat("Reading what is watched", RefreshWatched, stoppingToken))
        );

    // Nothing is kept of a pass that failed, so nothing is lost.
    Task Repeat(string what, Func<CancellationToken, Task<bool>> once, CancellationToken cancel) =>
        BackgroundLoop.Run(
            log,
            what,
            async x => await once(x) ? TimeSpan.Zero : settings.WatchRefreshInterval,
            settings.WatchRefreshInterval,
            time,
            cancel
        );

    async Task<bool> RefreshWatched(CancellationToken cancel)
    {
        var all = await subjects.FindByPrefix("github", cancel);
        if (!ReferenceEquals(all, lastSubjects))
        {
            watched = [.. WatchedRepository.FromSubjects(all)];
            lastSubjects = all;
            if (settings.OwnLogins is [] && watched.Any(x => x.Reruns.Any(y => !y.AnyAuthor)))
                log.LogWarning(
                    "A route has Ci for pull requests of sessions, and GitHub__OwnLogins is empty: nothing is rerun, "
                        + "and no attempt is counted."
                );
        }

        var readers = (
            from one in watched
            from account in clients.AccountsOf(one.Repository)
            select (one.Repository.Subject, Account: account)
        ).ToList();
        await cursors.SyncWatched(watched, readers.ToLookup(x => x.Subject, x => identities[x.Account]), cancel);
        repositoriesByAccount = readers
            .GroupBy(x => x.Account, x => x.Subject)
            .ToDictionary(x => x.Key, x => x.ToArray());

        if (repollRequests.Drain() is { Count: > 0 } requested)
            await cursors.RequestRepoll(requested, cancel);
        return false;
    }

    /// <summary>Looks at one repository that is due. False when none is.</summary>
    async Task<bool> PollNext(string account, CancellationToken cancel)
    {
        if (
            !repositoriesByAccount.TryGetValue(account, out var mine)
            || await cursors.ClaimDue(identities[account], mine, cancel) is not { } due
        )
            return false;

        var (subject, client) = (due.Watched.Repository.Subject, clients.ClientOf(account));
        var (rings, wait, unable) = (-1L, settings.PollInterval, TimeSpan.Zero);
        due.State.UseAccount(identities[account]);
        try
        {
            var kept = due.State.ToJson();
            var waitPolicy = new CommitPoll.CheckWaitPolicy(
                settings.Settle,
                settings.PendingAfter,
                settings.Rules(due.Watched.Repository)
            );
            var poll = new RepositoryPoll(
                due.Watched,
                due.State,
                client,
                logs,
                new(mergeStates, settings.MergeStateSettle),
                PublishAndSave,
                settings,
                time,
                log
            );
            await poll.PollRepository(due.RequestedSubjects, waitPolicy, cancel);
            unable = poll.HasNoAccess ? NoAccessRetryAfter : TimeSpan.Zero;
            (rings, wait) = (
                due.LastRequest,
                NextPollDelay(due.State, client.RateLimitOf(due.Watched.Repository.FullName))
            );

            async Task PublishAndSave(IReadOnlyList<EventMapping> found)
            {
                List<EventMapping> told = [];
                foreach (var one in found)
                    told.Add(await ownComments.Drop(one, cancel));

                // Handed over first: what is kept and was never handed over would be lost.
                if (
                    told.Select(settings.ReviewBots.Apply)
                        .SelectMany(x => SelfAuthoredFilter.MakeAmbient(x, settings.OwnLogins).Events)
                        .ToList() is
                    { Count: > 0 } events
                )
                {
                    due.State.ChangedAt = time.GetUtcNow();
                    await publisher.Publish(events, cancel);
                }

                if (due.State.ToJson() is var now && now != kept)
                    await cursors.SaveState(subject, kept = now, RelatedSubjects(due), cancel);
            }
        }
        catch (GitHubUnavailableException unavailable)
        {
            log.LogWarning("Polling {Repository} was interrupted: {Reason}", subject, unavailable.Message);
            if (unavailable.RetryAt is { } until && until - time.GetUtcNow() is var pause && pause > wait)
                wait = unable = pause;
        }
        finally
        {
            // Also when we are told to stop: somebody else can go on at once.
            await cursors.Release(subject, rings, wait, identities[account], unable, CancellationToken.None);
        }

        await reporter.Note(account, client.RateLimitOf(due.Watched.Repository.FullName), cancel);
        return true;
    }

    static IEnumerable<string> RelatedSubjects(GitHubCursors.DueRepository due) =>
        due
            .State.Commits.Keys.Select(due.Watched.Repository.Commit)
            .Concat(due.State.Pulls.Keys.Concat(due.State.Issues.Keys).Select(due.Watched.Repository.Item))
            .Concat(
                due.State.Pulls.Values.Where(x => x is { ClosedAt: null, Base: not null })
                    .Select(x => due.Watched.Repository.Ref($"refs/heads/{x.Base}"))
                    .Distinct()
            );

    TimeSpan NextPollDelay(RepositoryState state, GitHubRateLimit? budget)
    {
        var open = state.Commits.Values.Where(x => !x.Done).ToList();
        var wait =
            open.Exists(x => x.Result is not null) && settings.Settle < settings.PollInterval / 2 ? settings.Settle
            : open.Count > 0 ? settings.PollInterval / 2
            : time.GetUtcNow() - state.ChangedAt > IdleAfter && state.ChangedAt != default ? settings.PollInterval * 5
            : settings.PollInterval;
        if (state.NextMergeStateLook < wait)
            wait = state.NextMergeStateLook.Value;

        // Once, and not before: the wait is shortened by chance below.
        if (state.NextDeadline * 1.2 + TimeSpan.FromSeconds(1) is { } due && due < wait)
            wait = due;

        // Never all at the same moment, and the slower the less is left.
        return wait
            * (budget?.SlowdownFactor(settings.Reserve, time.GetUtcNow()) ?? 1)
            * (0.9 + Random.Shared.NextDouble() / 5);
    }
}
