using Wake.Contracts;
using Wake.Offline;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

public sealed class TellingThatTimeIsNearlyOverToClaude_2_1_329() : TellingThatTimeIsNearlyOver(RealClaude.Current);

public sealed class TellingThatTimeIsNearlyOverToClaude_2_1_197() : TellingThatTimeIsNearlyOver(RealClaude.Old);

public sealed class TellingThatTimeIsNearlyOverToClaude_2_1_332() : TellingThatTimeIsNearlyOver(RealClaude.Newest);

/// <summary>Before a turn's time is over the real model is told within that turn, beside the result of its
/// tool.</summary>
[Trait("Starts", "processes")]
public abstract class TellingThatTimeIsNearlyOver(string version) : IAsyncLifetime
{
    MessagesApi api = null!;
    WakeSystem wake = null!;

    public async Task InitializeAsync()
    {
        api = await MessagesApi.Start();
        wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["ANTHROPIC_BASE_URL"] = api.Url,
                ["ANTHROPIC_API_KEY"] = "sk-test-0123456789",
                ["Claude__Executable"] = RealClaude.Executable(version),
                ["Claude__MaxRetries"] = "0",
                ["Claude__TurnTimeout"] = "00:10:00",
                ["Claude__TimeoutNotice"] = "00:09:58",
                ["Profiles__default__AllowedTools__0"] = "Bash",
            }
        );
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await api.DisposeAsync();
    }

    [Fact]
    public async Task It_can_save_its_work_and_the_turn_is_one_turn()
    {
        var key = await wake.Session();
        var workspace = (await wake.Show(key)).Workspace;
        api.Queue("[[bash:until [ -e go ]; do sleep 0.05; done]]", "[[say:saved]]");
        await wake.Wake(key, "merged");
        await Eventually.Holds(
            () => Task.FromResult(Transcripts().Any(x => x.Contains("the time for this turn is over"))),
            "the notice is queued"
        );
        await File.WriteAllTextAsync(Path.Combine(workspace, "go"), "");

        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal(
            (TurnOutcome.Completed, "it was told that its time was nearly over", 1),
            (turn.Outcome, turn.Note, turn.Attempt)
        );
        Assert.Equal(2, api.Requests.Count(x => x.Status == 200));
        Assert.True(api.Requests[^1].IsInConversation("Save your work now"));

        await wake.Wake(key, "deployed");
        Assert.Equal(
            (TurnOutcome.Completed, null),
            ((await wake.WaitForTurnEnd(key, 2)).Outcome, (await wake.WaitForTurnEnd(key, 2)).Note)
        );
        Assert.Equal(3, api.Requests.Count(x => x.Status == 200));
    }

    IEnumerable<string> Transcripts()
    {
        var projects = Path.Combine(wake.ClaudeConfig, "projects");
        return Directory.Exists(projects)
            ? Directory.EnumerateFiles(projects, "*.jsonl", SearchOption.AllDirectories).Select(Read)
            : [];

        static string Read(string file)
        {
            using var reader = new StreamReader(
                new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite)
            );
            return reader.ReadToEnd();
        }
    }
}
