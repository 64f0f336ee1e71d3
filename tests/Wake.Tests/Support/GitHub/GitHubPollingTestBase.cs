namespace Wake.Tests.Support;

/// <summary>A Wake that asks a GitHub on loopback with one account, every fraction of a second. Nothing of it runs
/// yet.</summary>
/// <param name="settings">What is set besides.</param>
public abstract class GitHubPollingTestBase(IReadOnlyDictionary<string, string> settings) : IAsyncLifetime
{
    private protected LoopbackGitHub github = null!;
    private protected WakeSystem wake = null!;

    public async Task InitializeAsync()
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

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await github.DisposeAsync();
    }
}
