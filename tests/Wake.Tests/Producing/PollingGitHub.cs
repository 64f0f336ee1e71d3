using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>A whole Wake that asks a GitHub on loopback, as one on a laptop without any public address does.</summary>
public sealed class PollingGitHub : IAsyncLifetime
{
    const string Secret = "a secret of both";

    LoopbackGitHub github = null!;
    WakeSystem wake = null!;

    public async Task InitializeAsync()
    {
        github = await LoopbackGitHub.Start();
        wake = await WakeSystem.Create(Transport.InMemory, new Dictionary<string, string>
        {
            ["GitHub__Accounts__main__Api"] = github.Url.ToString(),
            ["GitHub__Accounts__main__Token"] = "ghp_secret",
            ["GitHub__PollEvery"] = "00:00:00.5",
            ["GitHub__LookEvery"] = "00:00:00.1",
            ["GitHub__Settle"] = "00:00:01",
            ["GitHub__RetryAfter"] = "00:00:00.01",
            ["GitHub__OwnLogins__0"] = "hello-bot",
        });
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await github.DisposeAsync();
    }

    Task<ServiceProcess> Start(IReadOnlyDictionary<string, string>? settings = null) => wake.StartProcess("Wake.Standalone", settings);

    /// <summary>Waits until the poller has looked to the end twice from now on, so that what it has not said by then it will not.</summary>
    async Task LooksTwice()
    {
        int Looks() => github.Requests.Count(x => x.Path.EndsWith("/issues/comments", StringComparison.Ordinal));

        var before = Looks();
        await Eventually.Holds(() => Task.FromResult(Looks() >= before + 3), "two looks");
    }

    async Task<string> Watching(int number, params string[] types)
    {
        var key = await wake.Session();
        await wake.Watch(key, $"github:octo-org/hello#{number}", types: types is [] ? null : types);
        return key;
    }

    Task IsKnown(string what) => Eventually.Holds(async () => await wake.Scalar<bool>(
        "select exists (select from github.cursors where state::text like $1)", $"%{what}%"), $"{what} is known");

    async Task<string?> Told(string key) => string.Join('|', (await wake.Turns(key)).SelectMany(x => x.Reasons));

    [Fact]
    public async Task A_merge_wakes_once_without_any_webhook()
    {
        github.Open(972);
        await Start();
        var key = await Watching(972);
        await IsKnown("\"972\"");

        github.Merge(972);

        await wake.Ended(key, 1);
        await LooksTwice();
        await wake.Quiet();
        Assert.Equal("PR #972 (Change 972) was merged", await Told(key));
    }
}
