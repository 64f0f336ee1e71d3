using Microsoft.Extensions.Options;
using Npgsql;
using Wake.Producing;
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
    Doorbell bell,
    TimeProvider time,
    ILogger<GitHubPoller> log
) : BackgroundService
{
    // A repository that has not changed for that long is looked at less.
    static readonly TimeSpan IdleAfter = TimeSpan.FromHours(1);

    // To whom nothing of a repository is shown it may be shown later, and another account may see it now.
    static readonly TimeSpan BlindFor = TimeSpan.FromHours(1);

    readonly GitHubOptions settings = options.Value;
    readonly Dictionary<string, string> identities = options.Value.Accounts.ToDictionary(
        x => x.Key,
        x => x.Value.Identity(x.Key)
    );
    volatile Dictionary<string, string[]> shares = [];
    IReadOnlyList<WatchedSubject>? noticed;
    IReadOnlyList<WatchedRepository> watched = [];

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(
            settings
                .Accounts.Keys.Select(x =>
                    Repeat($"looking with the account {x}", () => Look(x, stoppingToken), stoppingToken)
                )
                .Append(Repeat("seeing what is watched", () => Notice(stoppingToken), stoppingToken))
        );

    async Task Repeat(string what, Func<Task<bool>> once, CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            var more = false;
            try
            {
                more = await once();
            }
            catch (OperationCanceledException) when (cancel.IsCancellationRequested)
            {
                return;
            }
            catch (NpgsqlException failed)
            {
                // The database restarts, or the store's tables are not there yet. Nothing was kept, so nothing is lost.
                log.LogWarning("Not {What}: {Reason}", what, failed.Message);
            }
            catch (Exception failed)
            {
                log.LogError(failed, "Not {What}.", what);
            }

            if (!more)
                await Task.Delay(settings.LookEvery, time, cancel)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    async Task<bool> Notice(CancellationToken cancel)
    {
        var all = await subjects.Beginning("github", cancel);
        if (!ReferenceEquals(all, noticed))
        {
            watched = [.. WatchedRepository.Of(all)];
            noticed = all;
        }

        var readers = (
            from one in watched
            from account in clients.AccountsOf(one.Repository)
            select (one.Repository.Subject, Account: account)
        ).ToList();
        await cursors.Watch(watched, readers.ToLookup(x => x.Subject, x => identities[x.Account]), cancel);
        shares = readers.GroupBy(x => x.Account, x => x.Subject).ToDictionary(x => x.Key, x => x.ToArray());

        if (bell.Heard() is { Count: > 0 } heard)
            await cursors.Ring(heard, cancel);
        return false;
    }

    /// <summary>Looks at one repository that is due. False when none is.</summary>
    async Task<bool> Look(string account, CancellationToken cancel)
    {
        if (
            !shares.TryGetValue(account, out var mine)
            || await cursors.Take(identities[account], mine, cancel) is not { } due
        )
            return false;

        var (subject, client) = (due.Watched.Repository.Subject, clients.Of(account));
        var (rings, wait, unable) = (-1L, settings.PollEvery, TimeSpan.Zero);
        due.State.SeenBy(identities[account]);
        try
        {
            var kept = due.State.Write();
            var patience = new CommitLook.Patience(
                settings.Settle,
                settings.PendingAfter,
                settings.Rules(due.Watched.Repository)
            );
            var look = new RepositoryLook(due.Watched, due.State, client, logs, Keep, time, log);
            await look.Run(due.Rung, patience, cancel);
            unable = look.IsBlind ? BlindFor : TimeSpan.Zero;
            (rings, wait) = (due.Rings, Wait(due.State, client.Budget(due.Watched.Repository.FullName)));

            async Task Keep(IReadOnlyList<Mapped> found)
            {
                // Handed over first: what is kept and was never handed over would be lost.
                if (
                    found.SelectMany(x => SelfAuthoredFilter.MakeAmbient(x, settings.OwnLogins).Events).ToList() is
                    { Count: > 0 } events
                )
                {
                    due.State.ChangedAt = time.GetUtcNow();
                    await publisher.Publish(events, cancel);
                }

                if (due.State.Write() is var now && now != kept)
                    await cursors.Keep(subject, kept = now, Also(due), cancel);
            }
        }
        catch (GitHubUnavailableException unavailable)
        {
            log.LogWarning("{Repository} was not looked at to the end: {Reason}", subject, unavailable.Message);
            if (unavailable.Until is { } until && until - time.GetUtcNow() is var pause && pause > wait)
                wait = unable = pause;
        }
        finally
        {
            // Also when we are told to stop: somebody else can go on at once.
            await cursors.Release(subject, rings, wait, identities[account], unable, CancellationToken.None);
        }

        return true;
    }

    static IEnumerable<string> Also(GitHubCursors.Due due) =>
        due
            .State.Commits.Keys.Select(due.Watched.Repository.Commit)
            .Concat(due.State.Pulls.Keys.Concat(due.State.Issues.Keys).Select(due.Watched.Repository.Item));

    TimeSpan Wait(RepositoryState state, GitHubBudget? budget)
    {
        var open = state.Commits.Values.Where(x => !x.Done).ToList();
        var wait =
            open.Exists(x => x.Result is not null) && settings.Settle < settings.PollEvery / 2 ? settings.Settle
            : open.Count > 0 ? settings.PollEvery / 2
            : time.GetUtcNow() - state.ChangedAt > IdleAfter && state.ChangedAt != default ? settings.PollEvery * 5
            : settings.PollEvery;

        // Never all at the same moment, and the slower the less is left.
        return wait
            * (budget?.Stretch(settings.Reserve, time.GetUtcNow()) ?? 1)
            * (0.9 + Random.Shared.NextDouble() / 5);
    }
}
