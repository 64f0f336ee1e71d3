using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Wake.Notifier;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;
using static Wake.Tests.Support.LoopbackChat;

namespace Wake.Tests.Notifying;

/// <summary>People answer, write and give commands in a chat, and it fails in every way a chat fails.</summary>
public abstract class AnsweringInAChat(TestStore store, NotificationKind kind)
{
    private protected static readonly CancellationToken Cancel = CancellationToken.None;

    private protected const string Colour = """
        {"questions": [{"question": "Which colour?", "header": "Colour", "multiSelect": false, "options":
          [{"label": "Red", "description": "as fire"}, {"label": "Blue", "description": "as the sea"}]}]}
        """;

    const string Three = """
        {"questions": [
          {"question": "Which colour?", "multiSelect": false, "options": [{"label": "Red"}, {"label": "Blue"}]},
          {"question": "Which sizes?", "multiSelect": true, "options": [{"label": "S"}, {"label": "M"}, {"label": "L"}]},
          {"question": "When?", "multiSelect": false, "options": [{"label": "Now"}, {"label": "Later"}]}]}
        """;

    private protected Questions Questions { get; } = new(store.Database);

    private protected TestStore Store => store;

    [Fact]
    public async Task A_question_is_there_at_once_and_a_press_answers_it_for_all_to_see()
    {
        await using var chat = await LoopbackChat.Start(kind);
        await using var notifier = await Notifier(chat, "one");
        var id = await Ask("one", Colour);
        var asked = DateTimeOffset.UtcNow;

        var message = await chat.Shows("Which colour?");
        // It is 3 s where nothing else runs.
        Assert.True(chat.Calls.First(x => x.Call is Call.Post).At - asked < TimeSpan.FromSeconds(6));
        Assert.Equal(["Red", "Blue"], message.Buttons.Select(x => x.Label));
        Assert.Contains("one asks:\nWhich colour?\n– Red: as fire\n– Blue: as the sea", message.Text);
        Assert.Contains("Without an answer it goes on at ", message.Text);
        Assert.Equal("one goes on.", await chat.Press(message, "Blue", Anna));

        message = await chat.Shows($"Answered by {chat.NameOf(Anna)} in one, ");
        Assert.Empty(message.Buttons);
        Assert.EndsWith("UTC:\nBlue", message.Text, StringComparison.Ordinal);
        var question = await Questions.Find(id, Cancel);
        Assert.Equal("Blue", question!.Answers!["Which colour?"]);
        Assert.Equal(
            $"question {id}, by {chat.NameOf(Anna)} in one",
            await store.Scalar<string>("select note from decisions where kind = 'answered' and note like $1", $"%{id}%")
        );
        Assert.StartsWith(
            "Too late. Answered by Anna",
            await chat.Press(message with { Buttons = [new("Red", $"q|{id:N}|0|c0.0")] }, "Red", Ben),
            StringComparison.Ordinal
        );
        Assert.Single(chat.Messages);
    }

    [Fact]
    public async Task Several_questions_are_answered_when_all_is_chosen_and_sent()
    {
        await using var chat = await LoopbackChat.Start(kind);
        await using var notifier = await Notifier(chat, "three");
        var id = await Ask("three", Three);

        var message = await chat.Shows("Which sizes?");
        Assert.Equal(
            ["1: Red", "1: Blue", "2: S", "2: M", "2: L", "3: Now", "3: Later", "Send"],
            message.Buttons.Select(x => x.Label)
        );
        await chat.Choose(message, "Red", Anna);
        await chat.Shows("Chosen for 1: Red");
        await chat.Choose(message, "Blue", Anna);
        await chat.Choose(message, "L", Ben);
        await chat.Choose(message, "S", Anna);
        await chat.Choose(message, "M", Anna);
        await chat.Choose(message, "M", Ben);
        await chat.Shows("Chosen for 2: S, L");
        Assert.Equal("Nothing is chosen yet for 3.", await PressSend());
        chat.Write("3: not before the \"audit\"; $(id)", Ben, message.Id);
        await chat.Shows("Chosen for 3: not before the \"audit\"; $(id)");

        // Ben changes it, and Anna has not seen that.
        var seen = (await chat.Shows("Chosen for 3:")).Buttons.Single(x => x.Label == "Send");
        await chat.Choose(message, "M", Ben);
        chat.StartPressOf(message.Id, seen.Data, Anna);
        await Eventually.Holds(() =>
            Task.FromResult(chat.Told.Any(x => x.Text.StartsWith("The choice has changed", StringComparison.Ordinal)))
        );
        await chat.Shows("Chosen for 2: S, M, L");
        Assert.Equal("three goes on.", await PressSend());

        await chat.Shows($"Answered by {chat.NameOf(Anna)} in three, ");
        var answers = (await Questions.Find(id, Cancel))!.Answers!;
        Assert.Equal(
            ["Blue", "S, M, L", "not before the \"audit\"; $(id)"],
            answers.OrderBy(x => Three.IndexOf(x.Key, StringComparison.Ordinal)).Select(x => x.Value)
        );

        Task<string> PressSend() => chat.Press(message, "Send", Anna);
    }

    [Fact]
    public async Task Of_two_who_press_at_once_one_wins_and_both_see_it()
    {
        await using var chat = await LoopbackChat.Start(kind);
        await using var notifier = await Notifier(chat, "both");
        for (var round = 0; round < 5; round++)
        {
            var id = await Ask($"both-{round}", Colour);
            var message = await chat.Shows($"both-{round} asks");

            // A third answers by the API in the same moment.
            var elsewhere = Task.Run(() =>
                Questions.Answer(id, new Dictionary<string, string> { ["Which colour?"] = "Green" }, Cancel)
            );
            string[] presses = [chat.StartPress(message, "Red", Anna), chat.StartPress(message, "Blue", Ben)];

            var told = await Eventually.Sees(() =>
                Task.FromResult(
                    chat.Told.Where(x => presses.Contains(x.Press)).ToList() is { Count: 2 } both ? both : null
                )
            );
            var won = told.Count(x => x.Text == $"both-{round} goes on.") + (await elsewhere ? 1 : 0);
            Assert.Equal(1, won);
            var answer = (await Questions.Find(id, Cancel))!.Answers!["Which colour?"];
            Assert.All(
                told.Where(x => x.Text != $"both-{round} goes on."),
                x => Assert.EndsWith(answer, x.Text, StringComparison.Ordinal)
            );
            var shown = await Eventually.Sees(() =>
                Task.FromResult(chat.Messages.FirstOrDefault(x => x.Id == message.Id && x.Text.Contains("Answered")))
            );
            Assert.EndsWith($"UTC:\n{answer}", shown.Text, StringComparison.Ordinal);
            Assert.Equal(
                1,
                await store.Scalar<long>(
                    "select count(*) from decisions where kind = 'answered' and note like $1",
                    $"%{id}%"
                )
            );
        }
    }

    [Fact]
    public async Task A_stranger_is_not_heard()
    {
        await using var chat = await LoopbackChat.Start(kind);
        await using var notifier = await Notifier(chat, "strange");
        var id = await Ask("strange", Colour);
        var message = await chat.Shows("Which colour?");

        Assert.Contains("You may not answer here", await chat.Press(message, "Red", Stranger));
        chat.Write("Red", Stranger, message.Id);
        chat.Write("close", Stranger, message.Id);
        // Nor is a button that was never there, nor what others talk about.
        chat.StartPressOf(message.Id, $"q|{id:N}|0|a", Anna);
        chat.StartPressOf(message.Id, $"q|{id:N}|0|c0.9", Anna);
        chat.StartPressOf(message.Id, "q|1|2", Anna);
        chat.Write("close", Anna);

        await Eventually.Holds(() => Task.FromResult(chat.Unread == 0), "all of it was read");
        Assert.Null((await Questions.Find(id, Cancel))!.Outcome);
        Assert.Null((await store.Sessions.Find("strange", Cancel))!.Closed);
        Assert.Equal(0, await store.Scalar<long>("select count(*) from events where source = 'chat:strange'"));
        Assert.Single(chat.Messages);
    }

    // A client sends what it likes, also about what other people are asked elsewhere.
    [Fact]
    public async Task A_press_on_a_question_that_was_never_shown_there_counts_for_nothing()
    {
        await using var chat = await LoopbackChat.Start(kind);
        await using var notifier = await Notifier(chat, "blind");
        await Ask("blind", Colour);
        var elsewhere = await Ask("elsewhere", Colour);
        var message = await chat.Shows("Which colour?");

        var press = chat.StartPressOf(message.Id, $"q|{elsewhere:N}|0|c0.0", Anna);

        await Eventually.Holds(() => Task.FromResult(chat.Told.Contains((press, "Wake does not know this button."))));
        Assert.Null((await Questions.Find(elsewhere, Cancel))!.Outcome);
        Assert.Contains("Which colour?", message.Text);
        Assert.Single(Assert.Single(chat.Messages).Shown);
    }

    [Theory]
    [InlineData("Allow once", "Allowed once", false)]
    [InlineData("Allow in this session", "Allowed in this session", true)]
    public async Task A_call_is_allowed_by_the_hash_of_what_was_shown(string press, string shown, bool forSession)
    {
        var name = forSession ? "call-session" : "call-once";
        await using var chat = await LoopbackChat.Start(kind);
        await using var notifier = await Notifier(chat, name);
        var id = await AskPermission(name, "git push\n  --force");

        var message = await chat.Shows($"{name} asks to be allowed Bash:");
        Assert.Equal(["Allow once", "Deny", "Allow in this session"], message.Buttons.Select(x => x.Label));
        Assert.Contains(message.Verbatim, x => x.Contains("git push\\n  --force"));
        Assert.Equal($"{name} goes on.", await chat.Press(message, press, Ben));

        Assert.Empty((await chat.Shows($"{shown} by {chat.NameOf(Ben)} in {name}, ")).Buttons);
        var question = await Questions.Find(id, Cancel);
        Assert.Equal(
            new PermissionAnswer(true, null) { Shown = question!.Permission!.Hash, ForSession = forSession },
            question.Decision
        );
    }

    [Fact]
    public async Task A_call_is_denied_by_a_button_or_in_words()
    {
        await using var chat = await LoopbackChat.Start(kind);
        await using var notifier = await Notifier(chat, "deny");
        var (first, second) = (await AskPermission("deny-1", "rm"), await AskPermission("deny-2", "rm"));

        await chat.Press(await chat.Shows("deny-1 asks"), "Deny", Ben);
        chat.Write("not on a Friday", Anna, (await chat.Shows("deny-2 asks")).Id);

        await chat.Shows($"Denied by {chat.NameOf(Ben)} in deny, ");
        Assert.EndsWith(
            "\nnot on a Friday",
            (await chat.Shows($"Denied by {chat.NameOf(Anna)} in deny, ")).Text,
            StringComparison.Ordinal
        );
        Assert.Equal(new PermissionAnswer(false, null), (await Questions.Find(first, Cancel))!.Decision);
        Assert.Equal(new PermissionAnswer(false, "not on a Friday"), (await Questions.Find(second, Cancel))!.Decision);
    }

    // It was too late to allow it, and nobody is to think otherwise.
    [Fact]
    public async Task Who_has_denied_and_then_allows_is_told_that_it_is_denied()
    {
        await using var chat = await LoopbackChat.Start(kind);
        await using var notifier = await Notifier(chat, "twice");
        var id = await AskPermission("twice", "rm");
        var message = await chat.Shows("twice asks");
        await chat.Press(message, "Deny", Ben);

        var told = await chat.Press(message with { Buttons = [new("Allow once", $"q|{id:N}|0|a")] }, "Allow", Ben);

        Assert.Contains($"Denied by {chat.NameOf(Ben)} in twice, ", told);
        Assert.False((await Questions.Find(id, Cancel))!.Decision!.Allow);
    }

    [Fact]
    public async Task A_word_that_answers_an_open_question_is_no_command()
    {
        await using var chat = await LoopbackChat.Start(kind);
        await using var notifier = await Notifier(chat, "word");
        var id = await Ask("word", Colour);
        var message = await chat.Shows("Which colour?");

        chat.Write(chat.Command("status"), Anna, message.Id);
        await chat.Shows(" waiting events, ");
        chat.Write("close", Anna, message.Id);

        await chat.Shows("Answered by Anna");
        Assert.Equal("close", (await Questions.Find(id, Cancel))!.Answers!["Which colour?"]);
        Assert.Null((await store.Sessions.Find("word", Cancel))!.Closed);
    }

    // The notifier was killed after the answer, and before it had noted that the words were taken.
    [Fact]
    public async Task An_answer_in_words_that_is_told_again_is_neither_an_event_nor_a_command()
    {
        await using var chat = await LoopbackChat.Start(kind);
        var notifier = await Notifier(chat, "again");
        var id = await Ask("again", Colour);
        var message = await chat.Shows("Which colour?");
        await notifier.DisposeAsync();
        var answers = new Dictionary<string, string> { ["Which colour?"] = "close" };
        Assert.True(await Questions.Answer(id, answers, Cancel, $"{chat.NameOf(Anna)} in again"));

        chat.Write("close", Anna, message.Id);
        await using var second = await Notifier(chat, "again");

        await chat.Shows("again goes on. Answered by Anna");
        Assert.Null((await store.Sessions.Find("again", Cancel))!.Closed);
        Assert.Null(await Events("again"));
    }

    // Somebody presses while the send is still to be noted.
    [Fact]
    public async Task A_message_that_was_pressed_before_it_was_noted_is_kept_once()
    {
        var chats = new Chats(store.Database);
        var id = await Ask("quick", Colour);
        var message = new NewChatMessage("quick", "fact", 0, "quick", id) { Final = false };
        await chats.Begin(message, Cancel);
        await chats.Adopt("quick", $"{id}/m1", "m1", "quick", id, Cancel);

        await chats.SetPosted(message, "m1", Cancel);

        Assert.Equal("m1", (await chats.Begin(message, Cancel)).MessageId);
        Assert.Equal(id, (await chats.FindOrigin("quick", "m1", Cancel))!.Question);
        Assert.Equal(
            1,
            await store.Scalar<long>("select count(*) from chat_messages where target = 'quick' and not final")
        );
    }

    // Whoever allows has seen all of it, and no secret goes to a chat.
    [Theory]
    [InlineData("long", 40_000, "x")]
    [InlineData("secret", 1, "export TOKEN=ghp_0123456789012345678901234567890123456789")]
    public async Task A_call_that_a_chat_does_not_show_as_a_whole_is_not_allowed_there(
        string key,
        int times,
        string command
    )
    {
        await using var chat = await LoopbackChat.Start(kind);
        await using var notifier = await Notifier(chat, key);
        var id = await AskPermission(key, string.Concat(Enumerable.Repeat(command, times)));

        var message = await chat.Shows($"it is allowed with: wake answer {id}");
        Assert.Equal(["Deny"], message.Buttons.Select(x => x.Label));
        Assert.DoesNotContain(chat.Messages, x => x.Text.Contains("ghp_"));
        chat.StartPressOf(message.Id, $"q|{id:N}|0|a", Anna);
        await Eventually.Holds(() =>
            Task.FromResult(chat.Told.Any(x => x.Text == "This cannot be answered by a button."))
        );
        Assert.Null((await Questions.Find(id, Cancel))!.Outcome);
    }

    [Fact]
    public async Task What_is_settled_elsewhere_is_shown_and_ends_the_buttons()
    {
        await using var chat = await LoopbackChat.Start(kind);
        await using var notifier = await Notifier(chat, "else");
        var answered = await Ask("else-1", Colour);
        var expired = await Ask("else-2", Colour);
        await Ask("else-3", Colour);
        foreach (var key in (string[])["else-1", "else-2", "else-3"])
            await chat.Shows($"{key} asks");

        await Questions.Answer(
            answered,
            new Dictionary<string, string> { ["Which colour?"] = "Green" },
            Cancel,
            "the key 7"
        );
        await store.Execute(
            "update questions set outcome = 'noAnswer', settled_at = clock_timestamp() where id = $1",
            expired
        );
        await store.Sessions.Close("else-3", Cancel);

        Assert.Empty((await chat.Shows("Answered by the key 7, ")).Buttons);
        Assert.Empty((await chat.Shows("Nobody answered. The session went on at ")).Buttons);
        Assert.Empty((await chat.Shows("The session was closed at ")).Buttons);
        // Beside that only the end of the session is news.
        await chat.Shows("else-3 is closed");
        Assert.Equal(4, chat.Messages.Count);
    }

    [Fact]
    public async Task What_a_person_writes_in_its_thread_is_told_to_the_session_at_once()
    {
        await using var chat = await LoopbackChat.Start(kind);
        await using var notifier = await Notifier(chat, "talk");
        var session = await store.Session("talk");
        await EndTurn(session, 1);
        await EndTurn(session, 2);

        var first = await chat.Shows("talk: wake 1 completed");
        var second = await chat.Shows("talk: wake 2 completed");
        Assert.Null(first.ReplyTo);
        Assert.Equal(first.Id, second.ReplyTo);
        chat.Write("Look at @everyone's <b>tests</b>\u202E", Anna, second.Id);

        await chat.Shows("talk is told.");
        var said = await Eventually.Sees(() => Events("talk"));
        Assert.Equal("Look at @everyone's <b>tests</b>\u202E", said[0].Reason);
        Assert.Equal(
            ("chat.message", true, $"{chat.NameOf(Anna)} in talk"),
            (said[0].Type, said[0].Urgent, said[0].Actor)
        );
        Assert.Equal("due", await store.Timer(session));

        // A reply to what Wake has replied is one to the session as well.
        chat.Write("and again", Ben, (await chat.Shows("talk is told.")).Id);
        await Eventually.Holds(async () => (await Events("talk")) is [_, { Reason: "and again" }]);
    }

    [Fact]
    public async Task Commands_are_answered_by_Wake_itself()
    {
        await using var chat = await LoopbackChat.Start(kind);
        await using var notifier = await Notifier(chat, "order");
        await EndTurn(await store.Session("order"), 1);
        var message = await chat.Shows("order: wake 1 completed");

        chat.Write(chat.Command("status"), Anna, message.Id);
        Assert.Contains("Wake 1 ended Completed at ", (await chat.Shows("order: Idle, 0 waiting events")).Text);
        chat.Write("Pause", Anna, message.Id);
        await chat.Shows("order is paused. Reply resume to end it.");
        Assert.Equal($"by {chat.NameOf(Anna)} in order", (await store.Sessions.Find("order", Cancel))!.Paused!.Reason);
        chat.Write("news", Ben, message.Id);
        await chat.Shows($"order is told later. Paused until somebody ends it (by {chat.NameOf(Anna)} in order).");
        chat.Write("resume", Ben, message.Id);
        await chat.Shows("order goes on.");
        Assert.Null((await store.Sessions.Find("order", Cancel))!.Paused);
        chat.Write("stop", Ben, message.Id);
        await chat.Shows("order is paused, and a turn that runs is stopped.");
        Assert.True(
            await store.Scalar<bool>("select interrupts from pauses where name = 'order' and ended_at is null")
        );
        chat.Write("close", Anna, message.Id);
        await chat.Shows("order is closed.");
        Assert.Equal(
            $"by {chat.NameOf(Anna)} in order",
            await store.Scalar<string>(
                """
                select d.note from decisions d join sessions s on s.id = d.session_id where s.key = 'order' and d.kind = 'closed'
                """
            )
        );
        chat.Write("are you there?", Anna, message.Id);
        await Eventually.Holds(() => Task.FromResult(chat.Messages.Count(x => x.Text == "order is closed.") == 2));
        Assert.Equal(["news"], (await Events("order"))!.Select(x => x.Reason));
    }

    [Fact]
    public async Task What_a_session_writes_is_text()
    {
        await using var chat = await LoopbackChat.Start(kind);
        await using var notifier = await Notifier(chat, "odd");
        var hostile =
            "@everyone /close #tag *b* <a href='x'> \u202E\u0007 [x](tg://user?id=7) key sk-ant-0123456789abcdef ";
        var item = new
        {
            question = hostile + new string('x', 100_000),
            multiSelect = false,
            options = new[] { new { label = hostile } },
        };
        var id = await Ask("odd @everyone", JsonSerializer.Serialize(new { questions = new[] { item } }));

        var message = await chat.Shows("Reply to answer in your own words.");
        var all = string.Concat(chat.Messages.Select(x => x.Text));
        Assert.DoesNotContain(all, x => char.IsControl(x) && x != '\n');
        Assert.DoesNotContain("sk-ant-0123456789abcdef", all);
        Assert.Contains("\\u202e\\u0007", all);
        // All of it stands in pieces that are shown as they are.
        var outside = chat.Messages.Aggregate(
            all,
            (text, x) => x.Verbatim.OrderByDescending(y => y.Length).Aggregate(text, (rest, y) => rest.Replace(y, ""))
        );
        Assert.DoesNotContain("@everyone", outside);
        Assert.DoesNotContain("/close", outside);

        await chat.Press(message, "@everyone", Anna);
        await chat.Shows("Answered by Anna");
        Assert.Equal(hostile, Assert.Single((await Questions.Find(id, Cancel))!.Answers!).Value);
    }

    [Theory]
    [InlineData(Fault.TooMany, false)]
    [InlineData(Fault.BadGateway, true)]
    [InlineData(Fault.CutBefore, true)]
    [InlineData(Fault.CutAfter, true)]
    public async Task A_send_that_fails_is_made_again_and_says_so_where_it_may_have_arrived(Fault fault, bool unsure)
    {
        var name = $"{fault}".ToLowerInvariant();
        await using var chat = await LoopbackChat.Start(kind);
        var failing = true;
        chat.Faults = call => call is Call.Post && failing ? fault : Fault.None;
        await using var notifier = await Notifier(chat, name);
        var id = await Ask(name, Colour);
        await Eventually.Holds(() => Failed(name));

        failing = false;
        await Hurry(name);
        await Eventually.Holds(
            () =>
                store.Scalar<bool>(
                    "select not exists (select from notifications where target = $1 and outcome is null)",
                    name
                ),
            "it is noted as sent"
        );
        var message = await Eventually.Sees(() =>
            Task.FromResult(chat.Messages.LastOrDefault(x => x.Text.Contains("Which colour?") && IsSecond(x)))
        );

        var unknown = unsure && !chat.KnowsWhatArrived;
        Assert.Equal(unknown, message.Text.StartsWith("(Sent again", StringComparison.Ordinal));
        Assert.Equal(fault is Fault.CutAfter && unknown ? 2 : 1, chat.Messages.Count);
        // Whichever of the two is pressed, both show it.
        await chat.Press(chat.Messages[0], "Blue", Anna);
        await Eventually.Holds(() =>
            Task.FromResult(chat.Messages.All(x => x.Buttons is [] && x.Text.Contains("Answered by Anna")))
        );
        Assert.Equal("Blue", (await Questions.Find(id, Cancel))!.Answers!["Which colour?"]);

        bool IsSecond(Message x) => chat.KnowsWhatArrived || fault is not Fault.CutAfter || x.Id != chat.Messages[0].Id;
    }

    [Theory]
    [InlineData(Fault.TooMany)]
    [InlineData(Fault.BadGateway)]
    [InlineData(Fault.CutAfter)]
    public async Task An_edit_and_a_reading_that_fail_are_made_again(Fault fault)
    {
        var name = $"edit-{fault}".ToLowerInvariant();
        await using var chat = await LoopbackChat.Start(kind);
        await using var notifier = await Notifier(chat, name);
        var id = await Ask(name, Colour);
        var message = await chat.Shows("Which colour?");
        var left = new Dictionary<Call, int>
        {
            [Call.Edit] = 2,
            [Call.Read] = 2,
            [Call.Acknowledge] = 1,
        };
        chat.Faults = call =>
        {
            lock (left)
                return left.GetValueOrDefault(call) > 0 && left[call]-- > 0 ? fault : Fault.None;
        };

        chat.Disconnect();
        chat.StartPress(message, "Blue", Anna);

        await chat.Shows("Answered by Anna");
        Assert.Equal("Blue", (await Questions.Find(id, Cancel))!.Answers!["Which colour?"]);
        Assert.Single(chat.Messages);
    }

    [Fact]
    public async Task A_chat_that_asks_to_be_left_alone_at_an_edit_is_left_alone()
    {
        await using var chat = await LoopbackChat.Start(kind);
        await using var notifier = await Notifier(chat, "calm");
        foreach (var key in (string[])["calm-1", "calm-2", "calm-3"])
        {
            await Ask(key, Colour);
            await chat.Shows($"{key} asks");
        }

        var refused = 0;
        chat.Faults = call => call is Call.Edit && Interlocked.Increment(ref refused) == 1 ? Fault.TooMany : Fault.None;

        foreach (var key in (string[])["calm-1", "calm-2", "calm-3"])
            await store.Sessions.Close(key, Cancel);

        foreach (var key in (string[])["calm-1", "calm-2", "calm-3"])
        {
            await Eventually.Holds(() =>
                Task.FromResult(chat.Messages.Any(x => x.Text.Contains($"{key} asks") && x.Buttons is []))
            );
        }

        var first = chat.Calls.First(x => x.Call is Call.Edit).At;
        Assert.All(
            chat.Calls.Where(x => x.Call is Call.Edit).Skip(1),
            x => Assert.True(x.At - first >= TimeSpan.FromSeconds(0.9), $"{x.At - first} later")
        );
    }

    [Fact]
    public async Task What_is_told_twice_and_in_the_wrong_order_is_taken_once_also_after_a_restart()
    {
        await using var chat = await LoopbackChat.Start(kind);
        chat.Untidy = true;
        var session = await store.Session("untidy");
        var notifier = await Notifier(chat, "untidy");
        await EndTurn(session, 1);
        var message = await chat.Shows("untidy: wake 1 completed");
        await notifier.DisposeAsync();

        // Nobody reads meanwhile.
        for (var i = 0; i < 10; i++)
            chat.Write($"word {i}", Anna, message.Id);
        var again = await Notifier(chat, "untidy");
        await Eventually.Holds(async () => (await Events("untidy"))?.Count == 10, "all ten are told");
        await again.DisposeAsync();

        await using var third = await Notifier(chat, "untidy");
        chat.Write("the last", Anna, message.Id);
        await Eventually.Holds(async () => (await Events("untidy"))?.Count == 11, "and one more");
        Assert.Equal(
            [.. Enumerable.Range(0, 10).Select(x => $"word {x}"), "the last"],
            (await Events("untidy"))!.Select(x => x.Reason)
        );
    }

    [Fact]
    public async Task Of_two_notifiers_one_listens_and_the_other_takes_its_place()
    {
        await using var chat = await LoopbackChat.Start(kind);
        var first = await Notifier(chat, "pair");
        await using var second = await Notifier(chat, "pair");
        var id = await Ask("pair", Colour);
        var message = await chat.Shows("Which colour?");
        await first.DisposeAsync();

        await chat.Press(message, "Red", Ben);

        Assert.Equal("Red", (await Questions.Find(id, Cancel))!.Answers!["Which colour?"]);
    }

    private protected Task<LoopbackNotifier> Notifier(LoopbackChat chat, string name) =>
        LoopbackNotifier.Start(store, new(chat.Settings(name)) { [$"{name}:Session"] = $"{name}*" });

    private protected async Task<Guid> Ask(
        string key,
        string input,
        string tool = QuestionItem.ToolName,
        string? call = null
    )
    {
        var session = await store.Session(key);
        return await Ask(session, 1, input, tool, call);
    }

    private protected async Task<Guid> Ask(
        Guid session,
        int wake,
        string input,
        string tool = QuestionItem.ToolName,
        string? call = null
    )
    {
        var turn = await store.OpenTurn(session, wake);
        var question = new ToolCallQuestion($"toolu_{wake}", tool, input)
        {
            Call = call,
            Hash = call is null
                ? null
                : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{tool}\n{call}"))),
        };
        Assert.True(
            await store.Turns.Release(
                turn,
                new TurnRelease.Park(TimeSpan.FromDays(3), "asks") { Question = question },
                answered: false,
                default,
                Cancel
            )
        );
        return await store.Scalar<Guid>(
            "select id from questions where session_id = $1 and wake_number = $2",
            session,
            wake
        );
    }

    Task<Guid> AskPermission(string key, string command)
    {
        var call = JsonSerializer.Serialize(new { command });
        var asked = new PermissionRequest("Bash", JsonElement.Parse(call), "it is not on the list") { Whole = true };
        return Ask(key, JsonSerializer.Serialize(asked, JsonSerializerOptions.Web), "Bash", call);
    }

    private protected async Task EndTurn(Guid session, int wake)
    {
        await store.OpenTurn(session, wake);
        await store.Execute(
            "update turns set outcome = 'completed', ended_at = now() where session_id = $1 and wake_number = $2",
            session,
            wake
        );
    }

    private protected async Task<IReadOnlyList<EventSummary>?> Events(string target)
    {
        var page = await new EventList(store.Database).Read(new() { Source = $"chat:{target}" }, 100, null, Cancel);
        return page.Rows is [] ? null : [.. page.Rows.Reverse()];
    }

    private protected Task<bool> Failed(string target) =>
        store.Scalar<bool>(
            """
            select exists (select from notifications where target = $1 and outcome is null and failed_since is not null)
            """,
            target
        );

    // What failed is due at once.
    private protected Task Hurry(string target) =>
        store.Execute(
            """
            with due as (update notifications set due_at = now() where target = $1 and outcome is null)
            update notification_targets set not_before = null where name = $1
            """,
            target
        );
}
