using System.Text.Json;
using Wake.Contracts;
using Wake.Offline;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

public sealed class ArmingFromClaude_2_1_329() : ArmingFromARealClaude(RealClaude.Current);

public sealed class ArmingFromClaude_2_1_197() : ArmingFromARealClaude(RealClaude.Old);

public sealed class ArmingFromClaude_2_1_332() : ArmingFromARealClaude(RealClaude.Newest);

/// <summary>A real session arms its own watch with <c>wake mcp</c>, which nobody tells which session it is
/// in.</summary>
[Trait("Starts", "processes")]
public abstract class ArmingFromARealClaude(string version) : IAsyncLifetime
{
    MessagesApi api = null!;
    WakeSystem wake = null!;

    public async Task InitializeAsync()
    {
        api = await MessagesApi.Start();
        // As on a busy machine: without patience with its servers the CLI begins the turn before they are there.
        var server = $"sleep 3; exec '{Path.Combine(AppContext.BaseDirectory, "wake")}' mcp";
        var servers = new { mcpServers = new { wake = new { command = "/bin/sh", args = (string[])["-c", server] } } };
        wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>(api.Login)
            {
                ["Claude__Executable"] = RealClaude.Executable(version),
                ["Claude__KillAfter"] = "00:00:10",
                ["Runner__Lease"] = "00:00:10",
                ["Profiles__agent__QuietWindow"] = "00:00:00.1",
                ["Profiles__agent__AllowedTools__0"] = "mcp__wake__watch",
                ["Profiles__agent__Arguments__0"] = $"--mcp-config={JsonSerializer.Serialize(servers)}",
            }
        );
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await api.DisposeAsync();
    }

    [Fact]
    public async Task A_session_that_went_idle_is_woken_by_what_it_watched_for()
    {
        var key = await wake.Session("agent");
        var watch = JsonSerializer.Serialize(
            new
            {
                pull_request = "octo-org/hello#972",
                types = (string[])["github.pull_request.merged"],
                once = true,
                intent = "then deploy it",
            }
        );
        await wake.Wake(key, $"[[tool:mcp__wake__watch {watch}]] [[say:armed]]");
        Assert.Equal(
            (TurnOutcome.Completed, null),
            ((await wake.WaitForTurnEnd(key, 1)).Outcome, (await wake.WaitForTurnEnd(key, 1)).Note)
        );

        await wake.Publish(
            WakeSystem.Event("github:octo-org/hello#972", "merged", reason: "PR #972 merged") with
            {
                Type = "github.pull_request.merged",
            }
        );

        Assert.Equal(["PR #972 merged"], (await wake.WaitForTurnEnd(key, 2)).Reasons);
        var request = await api.Next(x => x.IsInTail("PR #972 merged"));
        Assert.True(request.IsInTail("then deploy it"));
        Assert.True(request.IsInConversation("armed"));
        Assert.Empty((await wake.Explain(key)).Watches);
    }
}
