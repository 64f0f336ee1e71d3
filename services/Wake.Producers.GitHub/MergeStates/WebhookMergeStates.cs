using System.Text.Json;
using Microsoft.Extensions.Options;
using Npgsql;
using Wake.Contracts;
using Wake.Producing;
using Wake.ServiceDefaults;

namespace Wake.Producers.GitHub;

/// <summary>Whether pull requests could be merged, as webhook deliveries say it: for repositories that no account
/// polls.</summary>
sealed class WebhookMergeStates(
    NpgsqlDataSource database,
    IEventPublisher publisher,
    IOptions<GitHubOptions> options,
    TimeProvider time,
    ILogger<WebhookMergeStates> log,
    GitHubClients? clients = null
) : BackgroundService
{
    // A delivery must be answered soon, and is good without this.
    static readonly TimeSpan RecordTimeout = TimeSpan.FromSeconds(2);

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
            async x => await TellNext(x) ? TimeSpan.Zero : settings.WatchRefreshInterval,
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
    )
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        await using var take = new NpgsqlCommand(
            $"""
            insert into github.merge_states as known (repository, number, state)
            select $1, $2, $3::json
            where not {WebhookCheckAggregator.IsPolledSql} and (not $4 or exists (select from github.cursors where repository = $1))
            on conflict (repository, number) do update set moved_at = clock_timestamp()
            returning state::text
            """,
            connection,
            transaction
        );
        take.Parameters.AddWithValue(repository.Subject);
        take.Parameters.AddWithValue(number);
        take.Parameters.AddWithValue(new MergeStateHistory().Begin(baseline: !opened).ToJson());

        // What is not watched an account of ours would look at, once it is. What it was not shown it leaves to this.
        take.Parameters.AddWithValue(clients?.AccountOf(repository) is not null);
        if (await take.ExecuteScalarAsync(cancel) is not string text)
            return;

        var closed = pull.Text("state") is "closed";
        var known = MergeStateHistory.FromJson(text);

        // Deliveries come in any order.
        if (pull.Time("updated_at") < known.UpdatedAt)
            return;

        var now = known.Observe(closed ? MergeState.Unknown : MergeStates.Of(pull), head, time.GetUtcNow()) with
        {
            Pull = PullRequestSummary.Of(repository, pull),
            UpdatedAt = pull.Time("updated_at"),
        };
        await MergeStateStore.Save(
            connection,
            repository.Subject,
            number,
            now,
            now.ToTell is not null ? TimeSpan.Zero
                : now.IsOpen ? settings.MergeStateSettle
                : null,
            cancel
        );
        await transaction.CommitAsync(cancel);
    }

    async Task<bool> TellNext(CancellationToken cancel)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        string repository;
        long number;
        MergeStateHistory known;
        await using (
            var take = new NpgsqlCommand(
                """
                select repository, number, state::text
                from github.merge_states
                where due_at <= clock_timestamp()
                order by due_at limit 1 for update skip locked
                """,
                connection,
                transaction
            )
        )
        await using (var row = await take.ExecuteReaderAsync(cancel))
        {
            if (!await row.ReadAsync(cancel))
                return false;
            (repository, number, known) = (
                row.GetString(0),
                row.GetInt64(1),
                MergeStateHistory.FromJson(row.GetString(2))
            );
        }

        var (polled, checks) = await Surroundings(connection, transaction, repository, known.Head, cancel);
        TimeSpan? again = null;
        if (polled)
        {
            // The account tells it with what it sees itself.
        }
        else if (known.ToTell is { } change)
        {
            await Tell(repository, known, change, checks, cancel);
            known = known with { ToTell = null };
            again = known.IsOpen ? settings.MergeStateSettle : null;
        }
        // The clock of the database may be ahead of this one.
        else if (known.IsOpen && !known.HasSettled(settings.MergeStateSettle, time.GetUtcNow()))
            again = TimeSpan.FromSeconds(1);
        else if (known.IsOpen && !MayCount(known, checks))
            again = settings.Settle > TimeSpan.FromSeconds(1) ? settings.Settle : TimeSpan.FromSeconds(1);
        else if (known.IsOpen)
        {
            known = known.Count();
            again = known.ToTell is null ? null : TimeSpan.Zero;
        }

        await MergeStateStore.Save(connection, repository, number, known, again, cancel);
        await transaction.CommitAsync(cancel);
        return true;
    }

    async Task Tell(
        string repository,
        MergeStateHistory known,
        MergeStateChange change,
        CiRollup? checks,
        CancellationToken cancel
    )
    {
        if (known.Pull is not { } pull || GitHubRepository.FromSubject($"{repository}#1") is not { } home)
            return;

        var why = change.Type is "blocked"
            ? MergeBlockers.Of(default, checks as CiRollup.Finished ?? (checks as CiRollup.Unfinished)?.SoFar)
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
    bool MayCount(MergeStateHistory known, CiRollup? checks) =>
        known.Seen is MergeState.Conflicted or MergeState.Behind
        || known.Baseline
        || checks is not CiRollup.Unfinished { SoFar.Open.Count: > 0 }
        || time.GetUtcNow() - known.Since >= settings.PendingAfter;

    // Whether an account tells it with what it sees itself by now, and what the checks add up to.
    async Task<(bool Polled, CiRollup? Checks)> Surroundings(
        NpgsqlConnection connection,
        NpgsqlTransaction transaction,
        string repository,
        string? head,
        CancellationToken cancel
    )
    {
        await using var command = new NpgsqlCommand(
            $"""
            select {WebhookCheckAggregator.IsPolledSql},
                   (select state::text from github.heads where repository = $1 and sha = $2)
            """,
            connection,
            transaction
        );
        command.Parameters.AddWithValue(repository);
        command.Parameters.AddWithValue(head ?? "");
        await using var row = await command.ExecuteReaderAsync(cancel);
        await row.ReadAsync(cancel);
        return (
            row.GetBoolean(0),
            await row.IsDBNullAsync(1, cancel)
                ? null
                : WebhookCheckState.FromJson(row.GetString(1)).Rollup(settings.Rules(repository))
        );
    }
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
