using System.Text.Json;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Producing;
using Wake.ServiceDefaults;

namespace Wake.Producers.GitHub;

/// <summary>Whether pull requests could be merged, as webhook deliveries say it: for repositories that no account
/// polls.</summary>
sealed class WebhookMergeStates(
    MergeStateStore store,
    WebhookCheckAggregator checks,
    IEventPublisher publisher,
    IOptions<GitHubOptions> options,
    TimeProvider time,
    ILogger<WebhookMergeStates> log,
    GitHubClients? clients = null
) : BackgroundService
{
    // A delivery must be answered soon, and is good without this.
    static readonly TimeSpan RecordTimeout = TimeSpan.FromSeconds(2);

    static readonly TimeSpan ShortestWait = TimeSpan.FromSeconds(1);

    readonly GitHubOptions settings = options.Value;

    /// <summary>Takes in what a delivery says. Only those about a pull request itself have the whole of it.</summary>
    public async Task RecordDelivery(string? name, JsonElement payload, CancellationToken cancel)
    {
        var pull = payload.At("pull_request");
        if (
            name is not "pull_request"
            || GitHubRepository.Parse(payload.At("repository")) is not { } repository
            || pull.Number("number") is not { } number
            || pull.Text("head", "sha") is not { } head
        )
            return;

        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(RecordTimeout);
        try
        {
            await Record(repository, number, head, pull, payload.Text("action") is "opened", bound.Token);
        }
        catch (Exception failed)
            when (PostgresErrors.IsFailure(failed)
                || (failed is OperationCanceledException && !cancel.IsCancellationRequested)
            )
        {
            log.LogWarning("The merge state in a delivery is lost: {Reason}", failed.Message);
        }
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        BackgroundLoop.Run(
            log,
            "Merge states from webhooks",
            async x => await store.Table.HandleNext(Report, x) ? TimeSpan.Zero : settings.WatchRefreshInterval,
            settings.WatchRefreshInterval,
            time,
            stoppingToken
        );

    async Task Record(
        GitHubRepository repository,
        long number,
        string head,
        JsonElement pull,
        bool opened,
        CancellationToken cancel
    ) =>
        await store.Table.Update(
            repository.Subject,
            number,
            new MergeStateHistory().Begin(baseline: !opened),
            hasAccount: clients?.AccountOf(repository) is not null,
            known =>
            {
                // Deliveries come in any order.
                if (pull.Time("updated_at") < known.UpdatedAt)
                    return null;

                var seen = pull.Text("state") is "closed" ? MergeState.Unknown : MergeStates.Of(pull);
                var now = known.Observe(seen, head, time.GetUtcNow()) with
                {
                    Pull = PullRequestSummary.Of(repository, pull),
                    UpdatedAt = pull.Time("updated_at"),
                };
                return (
                    now,
                    now.ToTell is not null ? TimeSpan.Zero
                    : now.IsOpen ? settings.MergeStateSettle
                    : null
                );
            },
            cancel
        );

    async Task<(MergeStateHistory State, TimeSpan? Due)> Report(
        WebhookStateTable<long, MergeStateHistory>.DueRow row,
        CancellationToken cancel
    )
    {
        // The account reports it with what it sees itself.
        var known = row.State;
        if (row.Polled)
            return (known, null);

        if (known.ToTell is { } change)
        {
            await Publish(row.Repository, known, change, cancel);
            return (known with { ToTell = null }, known.IsOpen ? settings.MergeStateSettle : null);
        }

        if (!known.IsOpen)
            return (known, null);

        // The clock of the database may be ahead of this one.
        if (!known.HasSettled(settings.MergeStateSettle, time.GetUtcNow()))
            return (known, ShortestWait);

        if (!await MayCount(row.Repository, known, cancel))
            return (known, settings.Settle > ShortestWait ? settings.Settle : ShortestWait);

        var counted = known.Count();
        return (counted, counted.ToTell is null ? null : TimeSpan.Zero);
    }

    async Task Publish(string repository, MergeStateHistory known, MergeStateChange change, CancellationToken cancel)
    {
        if (known.Pull is not { } pull || GitHubRepository.FromSubject(repository) is not { } home)
            return;

        var why = change.Type is "blocked"
            ? MergeBlockers.Of(default, (await checks.FindRollup(repository, known.Head!, cancel))?.Sum)
            : null;
        var mapped = GitHubEvents.MergeState(
            new(home, new("github:webhook", DeliveryId: null)),
            pull.ToElement(),
            change,
            why
        );
        await publisher.Publish(mapped.WithRelated(pull.Closes).Events, cancel);
        WakeMetrics.MergeStateChanges.Add(1, new KeyValuePair<string, object?>("state", change.Type));
    }

    // While checks run, the rules of a branch are not met, and nobody needs to be told so. Some never end.
    async Task<bool> MayCount(string repository, MergeStateHistory known, CancellationToken cancel) =>
        known.Seen is MergeState.Conflicted or MergeState.Behind
        || known.Baseline
        || time.GetUtcNow() - known.Since >= settings.PendingAfter
        || await checks.FindRollup(repository, known.Head!, cancel)
            is not CiRollup.Unfinished { SoFar.Open.Count: > 0 };
}

/// <summary>What a pull request is called, as a delivery showed it.</summary>
sealed record PullRequestSummary(
    long Number,
    string? Title,
    string? Link,
    bool Draft,
    string? Head,
    string? HeadRef,
    string? Base,
    string? Author,
    string? AuthorType,
    IReadOnlyList<string> Closes
)
{
    public static PullRequestSummary Of(GitHubRepository repository, JsonElement pull) =>
        new(
            pull.Number("number") ?? 0,
            pull.Text("title"),
            pull.Text("html_url"),
            pull.Flag("draft"),
            pull.Text("head", "sha"),
            pull.Text("head", "ref"),
            pull.Text("base", "ref"),
            pull.Text("user", "login"),
            pull.Text("user", "type"),
            [.. ClosingKeywords.FindIssues(repository, pull).Distinct().Take(EventLimits.MaxListEntries)]
        );

    /// <summary>As GitHub writes it.</summary>
    public JsonElement ToElement() =>
        JsonSerializer.SerializeToElement(
            new
            {
                number = Number,
                title = Title,
                html_url = Link,
                draft = Draft,
                head = new { sha = Head, @ref = HeadRef },
                @base = new { @ref = Base },
                user = new { login = Author, type = AuthorType },
            }
        );
}
