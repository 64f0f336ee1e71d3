using Wake.Contracts;
using Wake.Notifier;
using Wake.Testing;
using Wake.Tests.Support;
using static Wake.Tests.Support.LoopbackChat;

namespace Wake.Tests.EndToEnd;

/// <summary>People answer in a chat while the notifier and the runner are killed again and again.</summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class ChattingThroughCrashes
{
    [Theory]
    [InlineData(NotificationKind.Telegram, 6)]
    [InlineData(NotificationKind.Slack, 4)]
    [InlineData(NotificationKind.Discord, 4)]
    public async Task No_answer_is_lost_and_none_is_given_twice(NotificationKind kind, int rounds)
    {
        await using var chat = await LoopbackChat.Start(kind);
        await using var wake = await WakeSystem.Start(Transport.RabbitMq, runner: false);
        var random = new Random(20261130);
        var runner = await wake.StartProcess("Wake.Runner");
        var notifier = await wake.StartProcess("Wake.Notifier", chat.Variables("ops"));
        await Eventually.Holds(() => wake.Scalar<bool>("select exists (select from notification_targets)"));
        var kills = 0;
        Dictionary<string, string> pressed = [];

        for (var round = 0; round < rounds; round++)
        {
            var key = await wake.Session();
            // Each at least once.
            var when = round < 4 ? round : random.Next(4);
            if (when == 0)
            {
                // It has sent the question and not noted it.
                chat.Faults = call => call is Call.Post ? Fault.SilentAfter : Fault.None;
            }

            await wake.Wake(key, "[[fake:first ask Which colour?|Red|Blue]]");
            var message = await chat.Shows($"{key} asks");
            if (when == 0)
            {
                chat.Faults = _ => Fault.None;
                await KillNotifier();
            }

            var label = random.Next(2) == 0 ? "Red" : "Blue";
            pressed[key] = label;
            if (when == 1)
                await KillNotifier();
            chat.StartPress(message, label, random.Next(2) == 0 ? Anna : Ben);
            if (when == 2)
            {
                await Task.Delay(random.Next(30));
                await KillNotifier();
            }

            if (random.Next(3) == 0)
            {
                await Task.Delay(random.Next(300));
                await runner.Kill();
                runner = await wake.StartProcess("Wake.Runner");
            }

            Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        }

        await Eventually.Holds(
            async () =>
                await wake.Scalar<long>("select count(*) from notification_facts where not routed") == 0
                && await wake.Scalar<long>("select count(*) from notifications where outcome is null") == 0
                && await wake.Scalar<long>("select count(*) from chat_messages where not final") == 0,
            "the chat shows everything"
        );
        foreach (var (key, label) in pressed)
        {
            Assert.Equal(
                $$"""{"Which colour?":"{{label}}"}""",
                await wake.Scalar<string>(
                    "select q.answers::text from questions q join sessions s on s.id = q.session_id where s.key = $1",
                    key
                )
            );
            Assert.Equal(
                1,
                await wake.Scalar<long>(
                    """
                    select count(*) from decisions d join sessions s on s.id = d.session_id where s.key = $1 and kind = 'answered'
                    """,
                    key
                )
            );
            // What was posted twice says so.
            var asked = chat.Messages.Where(x => x.Shown[0].Contains($"{key} asks")).ToList();
            var ended = chat.Messages.Where(x => x.Shown[0].Contains($"{key}: wake 1 completed")).ToList();
            Assert.NotEmpty(asked);
            Assert.NotEmpty(ended);
            Assert.InRange(asked.Count(x => !IsAgain(x)), 0, 1);
            Assert.InRange(ended.Count(x => !IsAgain(x)), 0, 1);
        }

        if (chat.KnowsWhatArrived)
            Assert.Equal(2 * rounds, chat.Messages.Count);
        else
            // A kill finds two under way at most: the question, and what came of the turn before.
            Assert.InRange(chat.Messages.Count(IsAgain), 1, 2 * kills);

        async Task KillNotifier()
        {
            kills++;
            await notifier.Kill();
            notifier = await wake.StartProcess("Wake.Notifier", chat.Variables("ops"));
            // Nobody waits until what it held is free again.
            await wake.Execute("update notifications set lease_until = now() where outcome is null");
        }

        static bool IsAgain(Message message) => message.Shown[0].StartsWith("(Sent again", StringComparison.Ordinal);
    }
}
