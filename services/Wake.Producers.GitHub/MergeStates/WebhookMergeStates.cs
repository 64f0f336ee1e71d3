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
            await store.Table.Update(
                repository.Subject,
                number,
                new MergeStateHistory().Begin(baseline: payload.Text("action") is not "opened"),
                hasAccount: clients?.AccountOf(repository) is not null,
                known => ApplyDelivery(known, repository, head, pull, settings.MergeStateSettle, time.GetUtcNow()),
                bound.Token
            );
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

    /// <summary>What a delivery makes of what is known, and when that is to be looked at; null when a newer one came
    /// before it.</summary>
    internal static (MergeStateHistory State, TimeSpan? Due)? ApplyDelivery(
        MergeStateHistory known,
        GitHubRepository repository,
        string head,
        JsonElement pull,
        TimeSpan settle,
        DateTimeOffset at
    )
    {
        // Deliveries come in any order.
        if (pull.Time("updated_at") < known.UpdatedAt)
            return null;

        var seen = pull.Text("state") is "closed" ? MergeState.Unknown : MergeStates.Of(pull);
        var now = known.Observe(seen, head, at) with
        {
            Pull = PullRequestSummary.Of(repository, pull),
            UpdatedAt = pull.Time("updated_at"),
        };
        return (now, now.ToTell is not null ? TimeSpan.Zero : SettlesIn(now, settle, at));
    }

    /// <summary>What a look at the time makes of it. What there was to tell has been told by then.</summary>
    internal static (MergeStateHistory State, TimeSpan? Due) Advance(
        MergeStateHistory known,
        TimeSpan settle,
        DateTimeOffset at
    )
    {
        if (known.ToTell is not null)
            return (known with { ToTell = null }, SettlesIn(known, settle, at));

        // The clock of the database may be ahead of this one.
        if (!known.HasSettled(settle, at))
            return (known, SettlesIn(known, settle, at) is { } wait ? Longer(wait, ShortestWait) : null);

        var counted = known.Count();
        return (counted, counted.ToTell is null ? null : TimeSpan.Zero);
    }

    // Whatever else is delivered meanwhile: it has stood since it was first seen.
    static TimeSpan? SettlesIn(MergeStateHistory history, TimeSpan settle, DateTimeOffset at) =>
        history.IsOpen ? Longer(history.Since + settle - at, TimeSpan.Zero) : null;

    static TimeSpan Longer(TimeSpan one, TimeSpan other) => one > other ? one : other;

    async Task<(MergeStateHistory State, TimeSpan? Due)> Report(
        WebhookStateTable<long, MergeStateHistory>.DueRow row,
        CancellationToken cancel
    )
    {
        // The account reports it with what it sees itself.
        var known = row.State;
        if (row.Polled)
            return (known, null);

        var at = time.GetUtcNow();
        if (known.ToTell is { } change)
            await Publish(row.Repository, known, change, cancel);
        else if (known.HasSettled(settings.MergeStateSettle, at) && !await MayCount(row.Repository, known, cancel))
            return (known, Longer(settings.Settle, ShortestWait));

        return Advance(known, settings.MergeStateSettle, at);
    }

    async Task Publish(string repository, MergeStateHistory known, MergeStateChange change, CancellationToken cancel)
    {
        if (known.Pull is not { } pull || GitHubRepository.FromSubject(repository) is not { } home)
            return;

        var why = change.Type is "blocked"
            ? MergeBlockers.Of(default, (await checks.FindRollup(repository, known.Head!, cancel))?.Sum)
            : null;
        var mapped = GitHubEvents.MergeState(GitHubObservation.Webhook(home), pull.ToElement(), change, why);
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
