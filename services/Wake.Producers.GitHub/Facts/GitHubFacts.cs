using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Options;

namespace Wake.Producers.GitHub;

/// <summary>
/// Asks GitHub whether what an event tells of is still so. A "no" is said only where GitHub has shown it: what is not
/// there may only be hidden from this account.
/// </summary>
sealed class GitHubFacts(GitHubClients clients, IOptions<GitHubOptions> options, TimeProvider time) : IDisposable
{
    /// <summary>The types of the events that it knows something about.</summary>
    public static readonly IReadOnlyList<string> Types =
    [
        "github.pull_request.*",
        "github.issue.*",
        CiCompleted,
        RunCompleted,
        "github.check_suite.completed",
        "github.status.completed",
    ];

    internal const string CiCompleted = "github.ci.completed";
    internal const string RunCompleted = "github.workflow_run.completed";

    // Answers with their ETags, so that what has not changed costs nothing of the hour's requests. In characters.
    readonly MemoryCache answers = new(new MemoryCacheOptions { SizeLimit = 8 * 1024 * 1024 });

    /// <summary>What is asked for one turn: everything once, whatever the number of its events.</summary>
    public GitHubFactLookup ForTurn() => new(clients, options.Value, answers, time);

    public void Dispose() => answers.Dispose();
}
