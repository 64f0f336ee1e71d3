using System.Text.Json;
using Microsoft.Extensions.Options;
using Wake.Producing;
using Wake.ServiceDefaults;

namespace Wake.Producers.GitHub;

/// <summary>
/// Redelivers webhook deliveries that failed while the endpoint was down; GitHub does not retry by itself. The poller
/// sees most of the same facts later; some only a webhook reports.
/// </summary>
sealed class MissedDeliveryRecovery(
    IOptions<GitHubOptions> options,
    GitHubClients clients,
    GitHubCursors cursors,
    AccountReporter reporter,
    IHostApplicationLifetime host,
    TimeProvider time,
    ILogger<MissedDeliveryRecovery> log
) : BackgroundService
{
    // GitHub keeps them that long.
    static readonly TimeSpan DeliveryRetention = TimeSpan.FromDays(3);

    // A longer list is read on at the next turn: the rest of the hour's requests is for others.
    const int MaxPages = 30;

    // Often enough for a door that was shut for some minutes; a page of deliveries costs one request.
    readonly TimeSpan interval = options.Value.PollInterval * 10;

    // Lists that are not read to their end, by hook: where to go on, down to when, and what is accounted for then.
    readonly Dictionary<string, (Uri? Next, DateTimeOffset Since, DateTimeOffset? Newest)> unfinishedLists = [];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // What is asked for comes within seconds, so the door must be open by then.
        var opened = new TaskCompletionSource();
        using var started = host.ApplicationStarted.Register(opened.SetResult);
        await opened.Task.WaitAsync(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        // Whoever has just started may have been missed; of those that run, one at a time looks.
        var turn = TimeSpan.Zero;
        await BackgroundLoop.Run(log, "Looking for missed deliveries", RedeliverAll, interval, time, stoppingToken);

        async Task<TimeSpan> RedeliverAll(CancellationToken cancel)
        {
            foreach (var (name, account) in options.Value.Accounts)
            {
                foreach (var hook in account.Hooks)
                    await Redeliver(name, hook.Trim('/'), turn, cancel);
            }

            turn = interval * 0.9;
            return interval;
        }
    }

    async Task Redeliver(string account, string hook, TimeSpan turn, CancellationToken cancel)
    {
        try
        {
            // The same hook is the same whoever asks; only an App's own is called alike for all of them.
            var owner = options.Value.Accounts[account];
            var name = $"{owner.Host.ToLowerInvariant()}/{(RepositoryOf(hook) is null ? $"{owner.AppId}/" : "")}{hook}";
            if (await cursors.ClaimHook(name, $"{account}/{hook}", DeliveryRetention, turn, cancel) is not { } until)
                return;

            // What was asked for within the lag and has come is known by its OK.
            var (client, repository) = (clients.ClientOf(account), RepositoryOf(hook));
            var (next, since, newest) = unfinishedLists.TryGetValue(name, out var rest)
                ? rest
                : (null, until - RepositoryReader.ReplicaLag, null);
            if (await ListDeliveries(client, hook, next, repository, since, cancel) is not var (deliveries, more))
            {
                unfinishedLists.Remove(name);
                log.LogWarning(
                    "The deliveries of {Hook} cannot be listed: it needs the rights of an administrator of it.",
                    hook
                );
                return;
            }

            // The status of the list's own filter leaves out those that nobody answered, and an older failure may have
            // come through since.
            var lost = deliveries
                .GroupBy(x => x.Text("guid"))
                .Where(x => !x.Any(y => y.Text("status") == "OK"))
                .Select(x => x.MaxBy(y => y.Number("id")))
                .Where(x => !IsRejected(x))
                .Select(x => x.Number("id"))
                .OfType<long>()
                .ToList();
            var recovered = 0;
            foreach (var id in lost)
            {
                if (await client.Post($"{hook}/deliveries/{id}/attempts", repository, cancel))
                    recovered++;
            }

            newest ??= deliveries.Max(x => x.Time("delivered_at"));
            if (more is not null)
                unfinishedLists[name] = (more, since, newest);
            else
            {
                if (newest is not null)
                    await cursors.SaveHookProgress(name, newest.Value, cancel);
                unfinishedLists.Remove(name);
            }

            WakeMetrics.MissedWebhookDeliveries.Add(
                recovered,
                new KeyValuePair<string, object?>("outcome", "recovered")
            );
            WakeMetrics.MissedWebhookDeliveries.Add(
                lost.Count - recovered,
                new KeyValuePair<string, object?>("outcome", "lost")
            );
            if (lost.Count > 0)
            {
                log.LogInformation(
                    "{Recovered} of {Lost} failed webhook deliveries of {Hook} were redelivered.",
                    recovered,
                    lost.Count,
                    hook
                );
                await reporter.NoteGap(account, lost.Count, cancel);
            }
        }
        catch (Exception failed) when (failed is GitHubUnavailableException || PostgresErrors.IsFailure(failed))
        {
            log.LogWarning("The deliveries of {Hook} were not looked at: {Reason}", hook, failed.Message);
        }
    }

    // The endpoint has rejected it twice with a 4xx; further attempts would repeat for days.
    static bool IsRejected(JsonElement delivery) =>
        delivery.Flag("redelivery") && delivery.Number("status_code") is >= 400 and < 500;

    static async Task<(List<JsonElement> All, Uri? More)?> ListDeliveries(
        GitHubClient client,
        string hook,
        Uri? next,
        string? repository,
        DateTimeOffset since,
        CancellationToken cancel
    )
    {
        List<JsonElement> all = [];
        var answer = next is null
            ? await client.Get($"{hook}/deliveries?per_page=100", repository, null, JsonValueKind.Array, cancel)
            : await client.Get(next, repository, JsonValueKind.Array, cancel);
        for (var pages = 1; answer is GitHubResponse.Success page; pages++)
        {
            all.AddRange(page.Body.Items().Where(x => x.Time("delivered_at") > since));
            if (page.Next is null || page.Body.Items().LastOrDefault().Time("delivered_at") <= since)
                return (all, null);
            if (pages == MaxPages)
                return (all, page.Next);
            answer = await client.Get(page.Next, repository, JsonValueKind.Array, cancel);
        }

        return null;
    }

    // An App's hook is its own affair, a repository's is read with the token for that repository.
    static string? RepositoryOf(string hook) =>
        hook.Split('/') is ["repos", var owner, var name, ..] ? $"{owner}/{name}" : null;
}
