using System.Globalization;
using System.Text.Json.Nodes;
using Wake.Offline;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>
/// An agent that comments whenever it is woken, on an account that it shares with a person: the real CLI makes the
/// comment with its Bash tool, a forge on loopback delivers the webhook about it, and that wakes the session.
/// </summary>
[Trait("Starts", "processes")]
public sealed class BreakingACommentLoop
{
    const string Subject = "github:octo-org/hello#7";

    [Fact]
    public async Task Whoever_answers_itself_is_stopped_by_the_depth_of_the_chain() =>
        await Loop(
            new() { ["Breakers__OwnLogins__0"] = "Octo-Agent", ["Breakers__EachSession__ChainDepth"] = "3" },
            "breaker: 3 turns in a row that its own words caused, the limit is 3",
            turns: 4
        );

    [Fact]
    public async Task Whose_account_is_unknown_is_stopped_by_the_turns_within_an_hour() =>
        await Loop(
            new() { ["Breakers__EachSession__TurnsPerHour"] = "5" },
            "breaker: 5 turns within an hour, the limit is 5",
            turns: 5
        );

    static async Task Loop(Dictionary<string, string> limits, string reason, int turns)
    {
        await using var api = await MessagesApi.Start();
        var hook = new LoopbackHook("a secret of the test");
        await using var forge = await LoopbackReceiver.Start();
        var comments = 1;
        forge.Answer = _ => Comment(hook, "octo-agent", Interlocked.Increment(ref comments));
        await using var wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>(api.Login.Concat(limits))
            {
                ["Claude__Executable"] = RealClaude.Executable(RealClaude.Current),
                ["Claude__MaxRetries"] = "0",
                ["Profiles__tools__QuietWindow"] = "00:00:00.1",
                ["Profiles__tools__MaxWait"] = "00:00:01",
                ["Profiles__tools__AllowedTools__0"] = "Bash",
                ["GitHub__WebhookSecrets__0"] = "a secret of the test",
                ["Breakers__OpenFor"] = "10:00:00",
                ["Breakers__MaxOpenFor"] = "20:00:00",
            }
        );
        hook.To = wake.Http.BaseAddress;
        var key = await wake.Session("tools");
        await wake.Watch(key, Subject, intent: $"answer it: [[bash:curl -s -X POST {forge.Url}comments]]");

        await Comment(hook, "a-person", 1);
        var paused = await Eventually.Sees(async () => (await wake.Show(key)).Paused, $"{key} is paused");
        await wake.WaitUntilIdle();

        Assert.Equal(reason, paused.Reason);
        Assert.Equal(turns, (await wake.Turns(key)).Count);
        Assert.Equal(turns + 1, hook.Deliveries.Length);
        Assert.Equal(1, (await wake.Show(key)).Inbox);
        Assert.Single((await wake.Show(key)).ClaudeSessionIds);
    }

    static Task<bool> Comment(LoopbackHook hook, string author, int number)
    {
        JsonObject User() => new() { ["login"] = author, ["type"] = "User" };
        var page = "https://github.com/octo-org/hello/pull/7";
        return hook.Deliver(
            "issue_comment",
            new JsonObject
            {
                ["action"] = "created",
                ["issue"] = new JsonObject
                {
                    ["number"] = 7,
                    ["title"] = "Say hello",
                    ["html_url"] = page,
                    ["pull_request"] = new JsonObject { ["html_url"] = page },
                    ["user"] = User(),
                },
                ["comment"] = new JsonObject
                {
                    ["id"] = number,
                    ["html_url"] = $"{page}#issuecomment-{number}",
                    ["created_at"] = DateTimeOffset.UtcNow.ToString(
                        "yyyy-MM-ddTHH:mm:ssZ",
                        CultureInfo.InvariantCulture
                    ),
                    ["body"] = $"thought {number}",
                    ["user"] = User(),
                },
                ["repository"] = new JsonObject { ["id"] = 1, ["full_name"] = "octo-org/hello" },
                ["sender"] = User(),
            }
        );
    }
}
