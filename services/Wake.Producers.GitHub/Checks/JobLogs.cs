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

    readonly ConcurrentDictionary<(string Repository, long Job), string> cache = new();

    /// <summary>Whether something with this conclusion has a log that says why.</summary>
    public static bool IsFailure(string? conclusion) => conclusion is "failure" or "timed_out";

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
            return null;

        using var text = new StreamReader(await answer.Content.ReadAsStreamAsync(cancel), Encoding.UTF8);
        if (await LogExcerpt.Read(text, LargestLog, cancel) is not { } excerpt)
            return null;

        if (cache.Count >= CacheSize)
            cache.Clear();
        return cache[(repository.Subject, job)] = excerpt;
    }

    static JsonElement WithExcerpt(JsonElement data, string excerpt)
    {
        var fields = JsonObject.Create(data)!;
        fields["excerpt"] = EventText.Truncate(excerpt, LogExcerpt.Limit);
        return JsonSerializer.SerializeToElement(fields);
    }
}
