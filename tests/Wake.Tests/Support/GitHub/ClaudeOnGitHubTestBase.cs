using Wake.Offline;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>A <see cref="GitHubPollingTestBase"/> whose sessions are of the real CLI, on a loopback Messages
/// API.</summary>
/// <param name="version">That of the CLI.</param>
/// <param name="settings">What is set besides.</param>
public abstract class ClaudeOnGitHubTestBase(string version, IReadOnlyDictionary<string, string> settings)
    : GitHubPollingTestBase(
        new Dictionary<string, string>(settings)
        {
            ["Claude__Executable"] = RealClaude.Executable(version),
            ["Claude__KillAfter"] = "00:00:10",
            ["Runner__Lease"] = "00:00:10",
            ["GitHub__PollInterval"] = "00:00:00.5",
        }
    )
{
    private protected MessagesApi api = null!;

    public override async Task InitializeAsync()
    {
        api = await MessagesApi.Start();
        await base.InitializeAsync();
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        await api.DisposeAsync();
    }

    private protected Task Start() => wake.StartProcess("Wake.Standalone", api.Login);
}
