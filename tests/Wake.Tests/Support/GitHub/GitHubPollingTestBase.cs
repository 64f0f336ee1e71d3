using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>A Wake that asks a GitHub on loopback with one account, every fraction of a second. Nothing of it runs
/// yet.</summary>
/// <param name="settings">What is set besides.</param>
public abstract class GitHubPollingTestBase(IReadOnlyDictionary<string, string> settings) : IAsyncLifetime
{
    private protected LoopbackGitHub github = null!;
    private protected WakeSystem wake = null!;

    public virtual async Task InitializeAsync()
    {
        github = await LoopbackGitHub.Start();
        wake = await WakeSystem.Create(
            Transport.InMemory,
            new Dictionary<string, string>(settings)
            {
                ["GitHub__Accounts__main__Api"] = github.Url.ToString(),
                ["GitHub__Accounts__main__Token"] = "ghp_secret",
                ["GitHub__WatchRefreshInterval"] = "00:00:00.1",
                ["GitHub__RetryAfter"] = "00:00:00.01",
            }
        );
    }

    public virtual async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await github.DisposeAsync();
    }

    /// <summary>Waits until a poll has seen a number, a commit or whatever else is kept of it.</summary>
    private protected Task IsKnown(string what) =>
        Eventually.Holds(
            () =>
                wake.Scalar<bool>("select exists (select from github.cursors where state::text like $1)", $"%{what}%"),
            $"{what} is known"
        );
}
