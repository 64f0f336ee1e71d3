using System.Net.Http.Json;
using System.Text.Json;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Notifying;

/// <summary>A whole Wake tells people what its sessions do, and dies at the worst moment.</summary>
[Trait("Starts", "processes")]
public sealed class BeingToldOfTurns
{
    [Fact]
    public async Task A_question_its_answer_and_the_end_of_its_turn_are_told_in_order()
    {
        await using var receiver = await LoopbackReceiver.Start();
        await using var wake = await Start(receiver);
        var key = await wake.Session();
        await wake.Wake(key, "[[fake:first ask Which colour?|Red|Blue]]");

        var asked = await Told(receiver, "question.asked");
        var question = asked.GetProperty("data").GetProperty("question").GetString();
        Assert.Equal(
            "Which colour?",
            asked.GetProperty("data").GetProperty("questions")[0].GetProperty("question").GetString()
        );
        var answered = await wake.Http.PostAsJsonAsync(
            $"/v1/questions/{question}/answer",
            new { answers = new Dictionary<string, string> { ["Which colour?"] = "Blue" } }
        );
        Assert.True(answered.IsSuccessStatusCode, await answered.Content.ReadAsStringAsync());
        await Told(receiver, "turn.completed");
        await wake.Http.DeleteAsync($"/v1/sessions/{Uri.EscapeDataString(key)}");
        await Told(receiver, "session.closed");

        Assert.Equal(
            ["question.asked", "question.answered", "turn.completed", "session.closed"],
            receiver.Requests.Select(x => Type(x.Body))
        );
        Assert.Contains(
            (await wake.Explain(key)).Ledger,
            x => x.What == "notified" && x.Note == $"question.asked {question} to phone"
        );

        var tested = await WakeCommandLine.Run(wake.Here, null, "notify", "test", "Phone");
        Assert.True(tested.ExitCode == 0, tested.Errors);
        Assert.Equal("test", Type(receiver.Requests[^1].Body));
        var listed = await WakeCommandLine.Run(wake.Here, null, "notifications");
        Assert.Matches(@"phone +webhook +active +0 +0 ", listed.Output);
        var unknown = await WakeCommandLine.Run(wake.Here, null, "notify", "test", "nobody");
        Assert.NotEqual(0, unknown.ExitCode);
        Assert.Contains("There is no target nobody, or it has stopped", unknown.Errors);

        receiver.AnswerWith(500);
        var failed = await WakeCommandLine.Run(wake.Here, null, "notify", "test", "phone");
        Assert.Equal((1, "Not delivered: HTTP 500"), (failed.ExitCode, failed.Errors.Trim()));
        var waiting = await WakeCommandLine.Run(wake.Here, null, "notifications", "phone");
        Assert.Matches(@"test .*waiting .*HTTP 500", waiting.Output);
        var redriven = await WakeCommandLine.Run(wake.Here, null, "notify", "redrive", "phone");
        Assert.Contains("Sent again: 0", redriven.Output);
    }

    [Fact]
    public async Task What_was_sent_and_not_noted_by_one_that_was_killed_is_sent_again_under_the_same_id()
    {
        await using var receiver = await LoopbackReceiver.Start();
        await using var wake = await Start(receiver);
        receiver.Answer = context => Task.Delay(Timeout.Infinite, context.RequestAborted);
        var key = await wake.Session();
        await wake.Wake(key, "hello");
        await Told(receiver, "turn.completed");

        await wake.Processes[^1].Kill();
        receiver.Answer = null;
        await wake.StartProcess("Wake.Standalone");
        await wake.Execute("update notifications set lease_until = now() where outcome is null");

        await Eventually.Holds(() => Task.FromResult(receiver.Requests.Count == 2));
        Assert.Single(receiver.Requests.Select(x => (x.Id, x.Body)).Distinct());
        await Eventually.Holds(async () =>
            await wake.Scalar<long>("select count(*) from notifications where outcome = 'delivered'") == 1
        );
    }

    [Fact]
    public async Task A_test_arrives_in_each_chat_and_doctor_says_whether_one_would()
    {
        await using var telegram = await LoopbackTelegram.Start();
        await using var slack = await LoopbackSlack.Start();
        (string Name, LoopbackChat Chat)[] chats = [("telegram", telegram), ("slack", slack)];
        var settings = chats.SelectMany(x => x.Chat.Variables(x.Name)).ToDictionary();
        await using var wake = await WakeSystem.Start(Transport.InMemory, settings);
        using var folder = new TemporaryFolder();

        foreach (var (name, chat) in chats)
        {
            var tested = await WakeCommandLine.Run(wake.Here, null, "notify", "test", name);
            Assert.True(tested.ExitCode == 0, tested.Errors);
            Assert.StartsWith("Wake: this is a test", Assert.Single(chat.Messages).Text, StringComparison.Ordinal);
        }

        var doctor = await Doctor();
        Assert.Contains("telegram: Telegram can be reached", doctor);
        Assert.Contains("slack: Slack can be reached", doctor);
        Assert.All(chats, x => Assert.Single(x.Chat.Messages));

        foreach (var (name, chat) in chats)
        {
            chat.Faults = _ => LoopbackChat.Fault.BadGateway;
            var tested = await WakeCommandLine.Run(wake.Here, null, "notify", "test", name);
            Assert.Equal(1, tested.ExitCode);
            Assert.Matches("^Not delivered: (Telegram|Slack): .*502", tested.Errors.Trim());
        }

        doctor = await Doctor();
        Assert.Matches("telegram: Telegram: .*502", doctor);
        Assert.Contains("slack: Slack: HTTP 502", doctor);

        async Task<string> Doctor() =>
            (
                await WakeCommandLine.Run(
                    new Dictionary<string, string>([.. settings, new("WAKE_DATA", folder.Path)]),
                    null,
                    "doctor"
                )
            ).Output;
    }

    static async Task<WakeSystem> Start(LoopbackReceiver receiver) =>
        await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["Notifications__Phone__Kind"] = "Webhook",
                ["Notifications__Phone__Url"] = receiver.Url.ToString(),
                ["Notifications__Phone__Secrets__0"] = LoopbackReceiver.Secret,
            }
        );

    static async Task<JsonElement> Told(LoopbackReceiver receiver, string type) =>
        JsonElement.Parse(
            await Eventually.Sees(
                () => Task.FromResult(receiver.Requests.Select(x => x.Body).FirstOrDefault(x => Type(x) == type)),
                type
            )
        );

    static string? Type(string body) => JsonElement.Parse(body).GetProperty("type").GetString();
}
