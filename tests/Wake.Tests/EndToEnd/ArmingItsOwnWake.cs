using System.Net;
using System.Text.Json;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary><c>wake mcp</c>, by a client of the protocol.</summary>
[Trait("Starts", "processes")]
public sealed class ArmingItsOwnWake(StandaloneSystem shared) : IClassFixture<StandaloneSystem>
{
    readonly WakeSystem wake = shared.System;

    [Fact]
    public async Task A_session_watches_lists_explains_and_cancels()
    {
        var key = await wake.Session();
        await using var client = await Client(new() { ["WAKE_SESSION"] = key });
        var tools = await client.ListToolsAsync();

        var watch = await Call(
            client,
            "watch",
            new()
            {
                ["pull_request"] = "Octo-Org/Hello#972",
                ["once"] = true,
                ["intent"] = "then deploy it",
                ["expires"] = "7d",
                ["on_end"] = "close",
                ["close_after"] = "1h",
                ["report"] = "comment",
            }
        );
        var listed = await Call(client, "list_watches", []);
        var explained = await Call(client, "explain", []);
        var id = JsonElement.Parse(watch.Text).GetProperty("id").GetString()!;
        var cancelled = await Call(client, "cancel_watch", new() { ["id"] = id });
        var refused = await Call(client, "cancel_watch", new() { ["id"] = id });

        Assert.Equal(
            [
                "cancel_scheduled_wake",
                "cancel_watch",
                "explain",
                "list_events",
                "list_scheduled_wakes",
                "list_watches",
                "schedule_wake",
                "watch",
            ],
            tools.Select(x => x.Name).Order()
        );
        Assert.Equal("github:octo-org/hello#972", JsonElement.Parse(watch.Text).GetProperty("subject").GetString());
        Assert.Contains(id, listed.Text);
        Assert.Contains("\"onEnd\":\"close\",\"closeAfterSeconds\":3600", listed.Text);
        Assert.Contains("\"report\":\"comment\"", listed.Text);
        Assert.Contains(id, explained.Text);
        Assert.False(cancelled.Failed);
        Assert.True(refused.Failed);
        Assert.Empty((await wake.Explain(key)).Watches);
    }

    [Fact]
    public async Task A_session_says_by_when_something_is_to_come_and_what_is_done_about_failures_of_CI()
    {
        await using var client = await Client(new() { ["WAKE_SESSION"] = await wake.Session() });

        await Watch(
            new()
            {
                ["types"] = new[] { "github.pull_request.merged" },
                ["expect_by"] = "2h",
                ["rerun_first"] = false,
                ["attempts_per_check"] = 2,
                ["attempts_per_pull_request"] = 4,
                ["escalate"] = false,
            }
        );
        var watch = await Listed();
        Assert.Equal(
            ["github.pull_request.merged", "github.ci.*", "github.pull_request.conflicted"],
            watch.GetProperty("types").EnumerateArray().Select(x => x.GetString())
        );
        Assert.InRange(
            watch.GetProperty("expectBy").GetDateTimeOffset() - DateTimeOffset.UtcNow,
            TimeSpan.FromHours(1),
            TimeSpan.FromHours(2)
        );
        Assert.Equal("False 2 4 False", Ci(watch));

        await Cancel(watch);
        await Watch(new() { ["ci_loop"] = true });
        Assert.Equal("True 3 6 True", Ci(await Listed()));

        await Cancel(await Listed());
        await Watch([]);
        Assert.False((await Listed()).TryGetProperty("ci", out _));

        async Task Watch(Dictionary<string, object?> arguments)
        {
            arguments["pull_request"] = "octo-org/hello#973";
            var answer = await Call(client, "watch", arguments);
            Assert.False(answer.Failed, answer.Text);
        }

        async Task<JsonElement> Listed() =>
            Assert.Single(JsonElement.Parse((await Call(client, "list_watches", [])).Text).EnumerateArray());

        async Task Cancel(JsonElement watch)
        {
            var id = watch.GetProperty("id").GetString();
            Assert.False((await Call(client, "cancel_watch", new() { ["id"] = id })).Failed);
        }

        static string Ci(JsonElement watch)
        {
            var ci = watch.GetProperty("ci");
            string[] names = ["rerunFirst", "attemptsPerCheck", "attemptsPerPullRequest", "escalate"];
            return string.Join(' ', names.Select(x => ci.GetProperty(x)));
        }
    }

    [Theory]
    [InlineData("expect_by", "soon", "is neither a time")]
    [InlineData("expect_by", "29d", "at most 28 days ahead")]
    [InlineData("close_after", "soon", "is no duration")]
    [InlineData("close_after", "1h", "is for onEnd close")]
    public async Task What_it_says_wrongly_the_agent_reads(string argument, string value, string problem)
    {
        await using var client = await Client(new() { ["WAKE_SESSION"] = await wake.Session() });

        var answer = await Call(client, "watch", new() { ["pull_request"] = "octo-org/hello#974", [argument] = value });

        Assert.True(answer.Failed);
        Assert.Contains(problem, answer.Text);
    }

    [Fact]
    public async Task What_came_to_a_session_it_can_look_up()
    {
        var (key, other) = (await wake.WatchingSession(), await wake.WatchingSession());
        await wake.Post(
            WakeSystem.Event(WakeSystem.Subject(key), "first", reason: "It rains"),
            WakeSystem.Event(WakeSystem.Subject(key), "second", reason: "The sun shines"),
            WakeSystem.Event(WakeSystem.Subject(other), "third", reason: "It rains elsewhere")
        );
        await using var client = await Client(new() { ["WAKE_SESSION"] = key });
        await using var nobody = await Client(new() { ["WAKE_SESSION"] = "nobody" });

        var all = await Call(client, "list_events", []);
        var rain = await Call(client, "list_events", new() { ["text"] = "RAINS" });

        Assert.Equal(["The sun shines", "It rains"], Reasons(all.Text));
        Assert.Equal(["It rains"], Reasons(rain.Text));
        Assert.True((await Call(nobody, "list_events", [])).Failed);

        static IEnumerable<string?> Reasons(string text) =>
            JsonElement.Parse(text).EnumerateArray().Select(x => x.GetProperty("reason").GetString());
    }

    [Fact]
    public async Task What_the_door_refuses_the_agent_reads()
    {
        await using var client = await Client(new() { ["WAKE_SESSION"] = await wake.Session() });

        var answer = await Call(client, "watch", new() { ["subject"] = "s", ["where"] = new[] { "nonsense" } });

        Assert.True(answer.Failed);
        Assert.Contains("is no condition", answer.Text);
    }

    [Fact]
    public async Task A_session_is_woken_at_the_time_it_said_and_once()
    {
        var key = await wake.Session();
        await using var client = await Client(new() { ["WAKE_SESSION"] = key });

        var later = await Call(client, "schedule_wake", new() { ["at"] = "7d", ["reason"] = "next week" });
        var soon = await Call(client, "schedule_wake", new() { ["at"] = "1s", ["reason"] = "look at the build" });

        Assert.Equal(["look at the build"], (await wake.WaitForTurnEnd(key, 1)).Reasons);
        await Eventually.Holds(async () =>
            await wake.Scalar<long>("select count(*) from scheduled_wakes where id = $1", Id(soon)) == 0
        );
        Assert.Equal(1, await wake.Scalar<long>("select count(*) from scheduled_wakes where id = $1", Id(later)));
        Assert.Equal(
            HttpStatusCode.NoContent,
            (await wake.Http.DeleteAsync($"/v1/sessions/{Uri.EscapeDataString(key)}")).StatusCode
        );
        Assert.Equal(0, await wake.Scalar<long>("select count(*) from scheduled_wakes where id = $1", Id(later)));

        static Guid Id((string Text, bool Failed) said) => JsonElement.Parse(said.Text).GetProperty("id").GetGuid();
    }

    [Fact]
    public async Task What_it_has_put_off_it_sees_and_calls_off_and_others_do_not()
    {
        await using var client = await Client(new() { ["WAKE_SESSION"] = await wake.Session() });
        await using var other = await Client(new() { ["WAKE_SESSION"] = await wake.Session() });
        await Call(client, "schedule_wake", new() { ["at"] = "9d", ["reason"] = "later" });
        await Call(client, "schedule_wake", new() { ["at"] = "7d", ["reason"] = "next week" });

        var listed = JsonElement.Parse((await Call(client, "list_scheduled_wakes", [])).Text).EnumerateArray().ToList();
        Assert.Equal(["next week", "later"], listed.Select(x => x.GetProperty("reason").GetString()));
        Assert.Equal("[]", (await Call(other, "list_scheduled_wakes", [])).Text);

        var first = new Dictionary<string, object?> { ["id"] = listed[0].GetProperty("id").GetString() };
        Assert.True((await Call(other, "cancel_scheduled_wake", first)).Failed);
        Assert.False((await Call(client, "cancel_scheduled_wake", first)).Failed);
        Assert.Contains("no wake", (await Call(client, "cancel_scheduled_wake", first)).Text);
        Assert.True((await Call(client, "cancel_scheduled_wake", new() { ["id"] = "../x" })).Failed);
        Assert.Single(JsonElement.Parse((await Call(client, "list_scheduled_wakes", [])).Text).EnumerateArray());
    }

    async Task<McpClient> Client(Dictionary<string, string?> environment)
    {
        foreach (var (name, value) in wake.Here)
            environment[name] = value;
        return await McpClient.CreateAsync(
            new StdioClientTransport(
                new()
                {
                    Name = "wake",
                    Command = Path.Combine(AppContext.BaseDirectory, "wake"),
                    Arguments = ["mcp"],
                    EnvironmentVariables = environment,
                }
            )
        );
    }

    static async Task<(string Text, bool Failed)> Call(
        McpClient client,
        string tool,
        Dictionary<string, object?> arguments
    )
    {
        var result = await client.CallToolAsync(tool, arguments);
        return (string.Concat(result.Content.OfType<TextContentBlock>().Select(x => x.Text)), result.IsError is true);
    }
}
