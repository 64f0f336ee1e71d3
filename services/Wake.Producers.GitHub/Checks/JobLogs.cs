using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Octokit;
using Wake.Producing;
using Wake.ServiceDefaults;

namespace Wake.Producers.GitHub;

/// <summary>
/// What the log of a failed job says around its first error, for the data of the event that tells of it. Nobody waits
/// for it for long: an event without it is as good an event, and has the same key.
/// </summary>
sealed class JobLogs(GitHubClients clients, ILogger<JobLogs> log)
{
    // GitHub waits ten seconds for the answer to a delivery, and a poll has others to look at.
    static readonly TimeSpan FetchTimeout = TimeSpan.FromSeconds(3);

    // The log of a long build with everything printed.
    const long LargestLog = 16 * 1024 * 1024;

    // One failure is told by its run and by the sum of all checks, soon after each other.
    const int CacheSize = 100;

    // As GitHub words it in the annotations of a job, and in its log:
    // https://github.com/actions/runner/blob/main/src/Runner.Common and the service's own words.
    static readonly string[] LostRunner =
    [
        "lost communication with the server",
        "The runner has received a shutdown signal",
        "was not acquired by Runner",
    ];

    readonly ConcurrentDictionary<(string Repository, long Job), string> cache = new();

    /// <summary>Whether an excerpt says that the machine is gone on which the job ran.</summary>
    public static bool TellsOfLostRunner(string? excerpt) =>
        excerpt is not null && LostRunner.Any(x => excerpt.Contains(x, StringComparison.OrdinalIgnoreCase));

    /// <summary>Whether something with this conclusion has a log that says why.</summary>
    public static bool IsFailure(string? conclusion) => conclusion is "failure" or "timed_out";

    /// <summary>Whether a run of a workflow with this conclusion came to nothing.</summary>
    public static bool HasFailed(string? conclusion) =>
        conclusion is not (null or "success" or "neutral" or "skipped" or "action_required");

    /// <summary>The same with an excerpt where it tells of a run that has failed.</summary>
    public async Task<EventMapping> AddExcerpt(EventMapping mapped, CancellationToken cancel) =>
        mapped.Events is [{ Type: "github.workflow_run.completed", Data: { } data } observed]
        && IsFailure(data.Text("conclusion"))
        && WatchedRepository.FromSubjects([observed.Subject]).FirstOrDefault() is { } home
        && data.Number("runId") is { } run
        && await ReadRunExcerpt(home.Repository, run, data.Number("attempt") ?? 1, cancel) is { } excerpt
            ? mapped with
            {
                Events = [observed with { Data = WithExcerpt(data, excerpt) }],
            }
            : mapped;

    /// <summary>Of the job of a run that failed first; null when there is none to be had now.</summary>
    public Task<string?> ReadRunExcerpt(
        GitHubRepository repository,
        long run,
        long attempt,
        CancellationToken cancel
    ) =>
        WithTimeout(
            repository,
            async (client, bound) =>
            {
                var path = $"repos/{repository.FullName}/actions/runs/{run}/attempts/{attempt}/jobs?per_page=100";
                var answer = await client.Get<WorkflowJobsResponse>(path, repository.FullName, bound);
                return
                    answer
                        ?.Jobs?.Where(x => IsFailure(x.Conclusion?.StringValue))
                        .OrderBy(x => x.CompletedAt)
                        .FirstOrDefault()
                        is { } job
                    ? await FetchExcerpt(client, repository, job.Id, bound)
                    : null;
            },
            cancel
        );

    /// <summary>Of one job, whose id is that of its check run.</summary>
    public Task<string?> ReadJobExcerpt(GitHubRepository repository, long job, CancellationToken cancel) =>
        WithTimeout(repository, (client, bound) => FetchExcerpt(client, repository, job, bound), cancel);

    async Task<string?> WithTimeout(
        GitHubRepository repository,
        Func<GitHubClient, CancellationToken, Task<string?>> ask,
        CancellationToken cancel
    )
    {
        // What is left of the hour is for what only asking tells.
        var client = clients.AccountOf(repository) is { } account ? clients.ClientOf(account) : null;
        if (client?.IsRateLimitLow(repository.FullName) is not false)
            return null;

        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(FetchTimeout);
        try
        {
            return await ask(client, bound.Token);
        }
        catch (Exception failed)
            when (failed is GitHubUnavailableException or HttpRequestException or IOException or InvalidDataException
                || PostgresErrors.IsFailure(failed)
                || (failed is OperationCanceledException && !cancel.IsCancellationRequested)
            )
        {
            log.LogInformation("No excerpt of a log of {Repository}: {Reason}", repository.Subject, failed.Message);
            return null;
        }
    }

    async Task<string?> FetchExcerpt(
        GitHubClient client,
        GitHubRepository repository,
        long job,
        CancellationToken cancel
    )
    {
        if (cache.TryGetValue((repository.Subject, job), out var before))
            return before;

        using var answer = await client.Download(
            $"repos/{repository.FullName}/actions/jobs/{job}/logs",
            repository.FullName,
            cancel
        );
        if (answer is null)
            return await FetchAnnotations(client, repository, job, cancel);

        using var text = new StreamReader(await answer.Content.ReadAsStreamAsync(cancel), Encoding.UTF8);
        if (await LogExcerpt.Read(text, LargestLog, cancel) is not { } excerpt)
            return null;

        if (cache.Count >= CacheSize)
            cache.Clear();
        return cache[(repository.Subject, job)] = excerpt;
    }

    // Of a job whose runner was lost there is no log, and GitHub says it there.
    static async Task<string?> FetchAnnotations(
        GitHubClient client,
        GitHubRepository repository,
        long job,
        CancellationToken cancel
    ) =>
        await client.Get(
            $"repos/{repository.FullName}/check-runs/{job}/annotations?per_page=10",
            repository.FullName,
            null,
            JsonValueKind.Array,
            cancel
        )
            is GitHubResponse.Success found
        && string.Join(
            '\n',
            found
                .Body.Items()
                .Where(x => x.Text("annotation_level") == "failure")
                .Select(x => x.Text("message"))
                .OfType<string>()
        )
            is { Length: > 0 } said
            ? await LogExcerpt.Read(new StringReader(said), LargestLog, cancel)
            : null;

    static JsonElement WithExcerpt(JsonElement data, string excerpt)
    {
        var fields = JsonObject.Create(data)!;
        fields["excerpt"] = EventText.Truncate(excerpt, LogExcerpt.Limit);
        return JsonSerializer.SerializeToElement(fields);
    }
}
