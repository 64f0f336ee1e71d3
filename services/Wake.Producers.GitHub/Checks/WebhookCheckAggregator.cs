using System.Text.Json;
using Microsoft.Extensions.Options;
using Npgsql;
using Wake.Producing;
using Wake.ServiceDefaults;

namespace Wake.Producers.GitHub;

/// <summary>Builds the CI rollup of a commit from webhook deliveries, for repositories that no account polls.</summary>
sealed class WebhookCheckAggregator(
    NpgsqlDataSource database,
    IEventPublisher publisher,
    IOptions<GitHubOptions> options,
    TimeProvider time,
    ILogger<WebhookCheckAggregator> log,
    GitHubClients? clients = null
) : BackgroundService
{
    // A delivery must be answered soon, and is good without this.
    static readonly TimeSpan RecordTimeout = TimeSpan.FromSeconds(2);

    // No run waits longer for a person: https://docs.github.com/en/actions/reference/limits.
    static readonly TimeSpan RetentionPeriod = TimeSpan.FromDays(35);

    static readonly string[] RequiredEvents = ["workflow_run", "check_run", "status", "pull_request"];

    // Of a watch of one pull request, by the time that a push to it and the watch have been there. Commits that are the
    // head of several are found by an index of their own: they are few.
    const string Late = """
        from watches w
        cross join lateral (select split_part(w.subject, '#', 1) as repository, nullif(split_part(w.subject, '#', 2), '') as number) pull
        cross join lateral (
            select own.sha from github.heads own
            where own.repository = pull.repository and own.awaited = format('[%s]', pull.number)
            union all
            select shared.sha from github.heads shared
            where shared.repository = pull.repository and shared.awaited like '%,%'
              and pull.number in (select json_array_elements_text(shared.state -> 'Pulls')
                                  except select json_array_elements_text(shared.state -> 'Closed'))) head
        join github.heads h on h.repository = pull.repository and h.sha = head.sha and h.awaited is not null
        where pull.number is not null and w.expect_by is not null and starts_with(w.subject, 'github') and (w.expires_at is null or w.expires_at > clock_timestamp())
          and (w.types is null
               or exists (select from unnest(w.types) type
                          where 'github.ci.missing' like replace(replace(replace(replace(type, '\', '\\'), '_', '\_'), '%', '\%'), '*', '%')))
          and greatest((h.state ->> 'Since')::timestamptz, w.created_at) + (w.expect_by - w.created_at) <= clock_timestamp()
        """;

    readonly GitHubOptions settings = options.Value;

    readonly WebhookStateTable<string, WebhookCheckState> heads = new(
        database,
        "github.heads",
        "sha",
        RetentionPeriod,
        time
    );

    /// <summary>
    /// Takes in what a delivery says, and adds to its events which pull requests they concern, or that those have left
    /// the commit.
    /// </summary>
    public async Task<EventMapping> RecordDelivery(
        EventMapping mapped,
        string? name,
        JsonElement payload,
        CancellationToken cancel
    )
    {
        if (name == "ping")
            WarnOfMissingEvents(payload);
        if (
            name is not ("workflow_run" or "check_run" or "check_suite" or "status" or "pull_request")
            || GitHubRepository.Parse(payload.At("repository")) is not { } repository
        )
            return mapped;

        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(RecordTimeout);
        try
        {
            if (name == "pull_request")
            {
                await PullRequest(repository, payload, bound.Token);
                return mapped;
            }

            var sha = payload.Text(name, "head_sha") ?? payload.Text("sha");
            if (
                sha is null
                || await UpdateState(repository, sha, x => x.Apply(name, payload.At(name), payload), bound.Token)
                    is not { } state
            )
                return mapped;

            return state.Pulls.Count > 0
                ? mapped.WithRelated(state.Pulls.Select(repository.Item))
                : mapped.AmbientIfOutdated(state.Left);
        }
        catch (Exception failed)
            when (PostgresErrors.IsFailure(failed)
                || (failed is OperationCanceledException && !cancel.IsCancellationRequested)
            )
        {
            log.LogWarning("A delivery is not added up with the others: {Reason}", failed.Message);
            return mapped;
        }
    }

    /// <summary>What deliveries say of the checks of a commit; null when none does.</summary>
    public async Task<CiRollup?> FindRollup(string repository, string sha, CancellationToken cancel) =>
        (await heads.Find(repository, sha, cancel))?.Rollup(settings.Rules(repository));

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        BackgroundLoop.Run(
            log,
            "The CI rollup from webhooks",
            async x =>
                await heads.HandleNext(Report, x) || await heads.HandleFound(Late, ReportMissing, x)
                    ? TimeSpan.Zero
                    : settings.WatchRefreshInterval,
            settings.WatchRefreshInterval,
            time,
            stoppingToken
        );

    // Of what a webhook is not subscribed to nobody tells.
    void WarnOfMissingEvents(JsonElement ping)
    {
        var events = ping.Items("hook", "events").Select(x => x.Text()).ToList();
        if (!events.Contains("*") && RequiredEvents.Except(events).ToList() is { Count: > 0 } missing)
            log.LogWarning(
                "The webhook {Hook} does not send {Missing}: without an account, CI is added up without those.",
                ping.Number("hook_id"),
                string.Join(", ", missing)
            );
    }

    // The head of a pull request, of a fork's like any other: no other delivery says whose commit it is.
    async Task PullRequest(GitHubRepository repository, JsonElement payload, CancellationToken cancel)
    {
        var action = payload.Text("action");
        if (
            action is not ("opened" or "reopened" or "synchronize" or "closed")
            || payload.Number("pull_request", "number") is not { } number
        )
            return;

        if (action == "synchronize" && payload.Text("before") is { } before)
            await UpdateState(repository, before, x => x.RemovePull(number), cancel);
        if (payload.Text("pull_request", "head", "sha") is not { } head)
            return;

        // What has started on it is told nevertheless; for what has not nobody waits any more.
        if (action == "closed")
        {
            await UpdateState(repository, head, x => x.ClosePull(number), cancel);
            return;
        }

        await UpdateState(
            repository,
            head,
            x =>
            {
                // Nobody has waited for it meanwhile.
                if (x.AreAllClosed() || action == "reopened")
                    (x.DeadlineSeen, x.Since) = (false, time.GetUtcNow());
                x.AddPull(number);
                x.Closed.Remove(number);
                (x.Author, x.Branch) = (
                    payload.Text("pull_request", "user", "login"),
                    payload.Text("pull_request", "head", "ref")
                );
            },
            cancel
        );
    }

    Task<WebhookCheckState?> UpdateState(
        GitHubRepository repository,
        string sha,
        Action<WebhookCheckState> how,
        CancellationToken cancel
    ) =>
        heads.Update(
            repository.Subject,
            sha,
            new(),
            hasAccount: clients?.AccountOf(repository) is not null,
            state =>
            {
                how(state);
                state.Since ??= time.GetUtcNow();
                return (state, state.ReportedIn(settings.Rules(repository), settings.Settle, settings.PendingAfter));
            },
            cancel
        );

    async Task<(WebhookCheckState State, TimeSpan? Due)> Report(
        WebhookStateTable<string, WebhookCheckState>.DueRow row,
        CancellationToken cancel
    )
    {
        // An account that polls it by now reports it with what it sees itself.
        var (sha, state, rules) = (row.Key, row.State, settings.Rules(row.Repository));
        if (row.Polled || WatchedRepository.FromSubjects([$"{row.Repository}@{sha}"]).FirstOrDefault() is not { } home)
            return (state, null);

        var sum = state.Rollup(rules).Sum;
        if (!state.IsUnreported(sum, rules))
            return (state, null);

        // Nobody needs to hear of a commit that its pull requests have left.
        var mapped = GitHubEvents
            .Ci(
                GitHubObservation.Webhook(home.Repository),
                sha,
                sum,
                state.Pulls,
                new()
                {
                    Author = state.Author,
                    Branch = state.Branch,
                    Own = settings.IsOwn(state.Author),
                }
            )
            .AmbientIfOutdated(state.Left && state.Pulls.Count == 0);
        await publisher.Publish(mapped.Events, cancel);
        state.MarkReported(sum);
        return (state, null);
    }

    async Task<WebhookCheckState> ReportMissing(
        WebhookStateTable<string, WebhookCheckState>.DueRow row,
        CancellationToken cancel
    )
    {
        var (sha, state, rules) = (row.Key, row.State, settings.Rules(row.Repository));
        if (
            WatchedRepository.FromSubjects([$"{row.Repository}@{sha}"]).FirstOrDefault() is { } home
            && GitHubEvents.MissingChecks(
                GitHubObservation.Webhook(home.Repository),
                sha,
                state.Rollup(rules).Sum,
                rules,
                state.Pulls,
                state.SaidOpen
            )
                is { } missing
        )
            await publisher.Publish(missing.Events, cancel);
        state.DeadlineSeen = true;
        return state;
    }
}

/// <summary>What deliveries have said of the checks of one commit. They come in any order, and more than
/// once.</summary>
sealed class WebhookCheckState
{
    // More than that on one commit is nobody's CI, and each delivery reads and writes all of it.
    const int MaxItems = 500;

    public Dictionary<long, WorkflowRun> Runs { get; set; } = [];

    public Dictionary<long, WebhookCheck> Checks { get; set; } = [];

    public Dictionary<string, WebhookStatus> Statuses { get; set; } = [];

    /// <summary>The pull requests whose head it is; and whether one has left it.</summary>
    public SortedSet<long> Pulls { get; set; } = [];

    /// <summary>The pull requests that wait for its checks no more.</summary>
    public SortedSet<long> Closed { get; set; } = [];

    public bool Left { get; set; }

    /// <summary>Who opened the last of them, and the branch its commits are on.</summary>
    public string? Author { get; set; }

    public string? Branch { get; set; }

    /// <summary>Since when the commit is known, or its pull request open again; null where an older version has kept
    /// it.</summary>
    public DateTimeOffset? Since { get; set; }

    /// <summary>The time by which its checks are to have started is over, and it was told what has not; or all its pull
    /// requests are closed.</summary>
    public bool DeadlineSeen { get; set; }

    /// <summary>The fingerprint of the sum that was told last, and what had not ended then.</summary>
    public string? Said { get; set; }

    public IReadOnlyList<string> SaidOpen { get; set; } = [];

    public void AddPull(long pull) => Pulls.Add(pull);

    public void RemovePull(long pull)
    {
        Pulls.Remove(pull);
        Left = true;
        // Those that are left may be closed.
        DeadlineSeen |= AreAllClosed();
    }

    public void ClosePull(long pull)
    {
        Closed.Add(pull);
        DeadlineSeen |= AreAllClosed();
    }

    /// <summary>Whether no pull request waits for it any more.</summary>
    public bool AreAllClosed() => Closed.Count > 0 && Pulls.IsSubsetOf(Closed);

    /// <summary>Takes in one delivery.</summary>
    public void Apply(string name, JsonElement item, JsonElement payload)
    {
        foreach (var pull in item.Items("pull_requests"))
        {
            if (
                pull.Number("number") is { } number
                && pull.Number("base", "repo", "id") == payload.Number("repository", "id")
                && pull.Text("head", "sha") == item.Text("head_sha")
            )
                AddPull(number);
        }

        if (Runs.Count + Checks.Count + Statuses.Count >= MaxItems)
            return;

        switch (name)
        {
            case "workflow_run"
                when WorkflowRun.Parse(item) is { } run
                    && (!Runs.TryGetValue(run.Id, out var known) || IsLater(run, known)):
                Runs[run.Id] = run;
                break;

            case "check_run"
                when item.Number("id") is { } id
                    && (!Checks.TryGetValue(id, out var known) || known.Status != "completed"):
                Checks[id] = WebhookCheck.From(
                    id,
                    item,
                    item.Number("check_suite", "id"),
                    item.At("app"),
                    item.Time("completed_at")
                );
                break;

            // Who has checks of its own is told by them, where the webhook is subscribed to them.
            case "check_suite"
                when item.Number("id") is { } id
                    && item.Text("app", "slug") != "github-actions"
                    && !Checks.Values.Any(x => x.Suite == id && x.Id != id):
                Checks[id] = WebhookCheck.From(id, item, id, item.At("app"), item.Time("updated_at"));
                break;

            case "status"
                when payload.Number("id") is { } id
                    && payload.Text("context") is { } context
                    && !CiRules.IsOwn(context)
                    && (!Statuses.TryGetValue(context, out var known) || known.Id <= id):
                Statuses[context] = new(
                    id,
                    payload.Text("state"),
                    payload.Time("updated_at") ?? payload.Time("created_at")
                );
                break;
        }
    }

    public CiRollup Rollup(CiRules rules) =>
        CiRollup.Aggregate(
            Checks
                .Values.Where(x => x.Suite != x.Id || !Checks.Values.Any(y => y.Suite == x.Suite && y.Id != y.Suite))
                .Select(x =>
                    JsonSerializer.SerializeToElement(
                        new
                        {
                            id = x.Id,
                            name = x.Name,
                            status = x.Status,
                            conclusion = x.Conclusion,
                            started_at = x.StartedAt,
                            completed_at = x.CompletedAt,
                            app = new { slug = x.App },
                            check_suite = new { id = x.Suite },
                        }
                    )
                ),
            Statuses.Select(x =>
                JsonSerializer.SerializeToElement(
                    new
                    {
                        id = x.Value.Id,
                        context = x.Key,
                        state = x.Value.State,
                        updated_at = x.Value.At,
                    }
                )
            ),
            Runs.Values.Where(x => x.Suite is not null).ToDictionary(x => x.Suite!.Value, x => x.Origin),
            Runs.Values,
            rules
        );

    /// <summary>When it may be told: soon when all is over, later when something stays open.</summary>
    public TimeSpan? ReportedIn(CiRules rules, TimeSpan settle, TimeSpan pendingAfter) =>
        Rollup(rules) switch
        {
            CiRollup.Finished => settle,
            CiRollup.Unfinished { SoFar: { Open.Count: > 0 } soFar } => soFar.WaitsForApproval ? settle : pendingAfter,
            _ => null,
        };

    /// <summary>Whether whoever was told of the last sum does not know this one.</summary>
    public bool IsUnreported(CiRollup.Finished sum, CiRules rules) =>
        Said != sum.Fingerprint
        && !(
            SaidOpen.Count > 0
            && sum.Open.Count == 0
            && !sum.Failed.Intersect(SaidOpen).Any()
            && Rollup(rules with { Ignored = [.. rules.Ignored, .. SaidOpen] }) is CiRollup.Finished before
            && before.Fingerprint == Said
        );

    public void MarkReported(CiRollup.Finished sum) =>
        (Said, SaidOpen) = (sum.Fingerprint, [.. sum.Open.Select(x => x.Name)]);

    // Deliveries of one second come in any order; what was approved goes on as the same attempt.
    static bool IsLater(WorkflowRun run, WorkflowRun known) =>
        run.Attempt != known.Attempt ? run.Attempt > known.Attempt
        : run.UpdatedAt != known.UpdatedAt ? run.UpdatedAt > known.UpdatedAt
        : run.IsCompleted || !known.IsCompleted;
}

/// <summary>A check as a delivery showed it; a suite of them where nothing else tells of it.</summary>
sealed record WebhookCheck(
    long Id,
    string? Name,
    string? App,
    long? Suite,
    string? Status,
    string? Conclusion,
    DateTimeOffset? StartedAt,
    DateTimeOffset? CompletedAt
)
{
    public static WebhookCheck From(
        long id,
        JsonElement item,
        long? suite,
        JsonElement app,
        DateTimeOffset? completedAt
    ) =>
        new(
            id,
            item.Text("name") ?? app.Text("name"),
            app.Text("slug") ?? app.TextOrNumber("id"),
            suite,
            item.Text("status"),
            item.Text("conclusion"),
            item.Time("started_at"),
            completedAt
        );
}

/// <summary>A status as a delivery showed it.</summary>
sealed record WebhookStatus(long Id, string? State, DateTimeOffset? At);
