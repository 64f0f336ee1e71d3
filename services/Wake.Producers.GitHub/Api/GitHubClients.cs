using Microsoft.Extensions.Options;

namespace Wake.Producers.GitHub;

/// <summary>The client of every account.</summary>
sealed class GitHubClients(
    IOptions<GitHubOptions> options,
    RateLimitBackoff pauses,
    TimeProvider time,
    ILogger<GitHubClient> log
) : IDisposable
{
    readonly Dictionary<string, GitHubClient> clients = options.Value.Accounts.ToDictionary(
        x => x.Key,
        x => new GitHubClient(x.Value, options.Value, pauses, time, log)
    );

    public GitHubClient ClientOf(string account) => clients[account];

    /// <summary>The account that is preferred for a repository; null when none reads it.</summary>
    public string? AccountOf(GitHubRepository repository) => AccountsOf(repository).FirstOrDefault();

    /// <summary>The accounts that read a repository, those that name repositories before those that take all.</summary>
    public IEnumerable<string> AccountsOf(GitHubRepository repository) =>
        options
            .Value.Accounts.Where(x => x.Value.CanRead(repository))
            .OrderBy(x => x.Value.Repositories.Count == 0)
            .ThenBy(x => x.Key, StringComparer.Ordinal)
            .Select(x => x.Key);

    public void Dispose()
    {
        foreach (var client in clients.Values)
            client.Dispose();
    }
}
