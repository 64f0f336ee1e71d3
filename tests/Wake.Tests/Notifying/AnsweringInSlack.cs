using System.Text.Json;
using Npgsql;
using Wake.Notifier;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;
using static Wake.Tests.Support.LoopbackChat;

namespace Wake.Tests.Notifying;

/// <summary>The same in Slack, and what is particular there.</summary>
public sealed class AnsweringInSlack(TestStore store)
    : AnsweringInAChat(store, NotificationKind.Slack),
        IClassFixture<TestStore>
{
    // Slack tells it again only as long as nobody says that it was taken.
    [Fact]
    public async Task What_was_written_before_a_question_was_asked_is_no_answer_to_it()
    {
        await using var chat = await LoopbackSlack.Start();
        await using var notifier = await Notifier(chat, "early");
        var session = await Store.Session("early");
        await EndTurn(session, 1);
        var first = await chat.Shows("early: wake 1 completed");
        var deaf = true;
        chat.Faults = call => call is Call.Read && deaf ? Fault.BadGateway : Fault.None;
        chat.Disconnect();
        await Eventually.Holds(() => Task.FromResult(chat.Connections == 0), "nobody reads");

        chat.Write("No, stop that", Anna, first.Id);
        var id = await Ask(session, 2, Colour);
        await chat.Shows("Which colour?");
        deaf = false;

        await chat.Shows("early is told.");
        Assert.Null((await Questions.Find(id, Cancel))!.Outcome);
        chat.Write("Green", Anna, first.Id);
        await chat.Shows("Answered by Anna");
        Assert.Equal("Green", (await Questions.Find(id, Cancel))!.Answers!["Which colour?"]);
    }

    [Fact]
    public async Task What_could_not_be_stored_is_not_acknowledged_and_is_taken_when_it_is_told_again()
    {
        await using var chat = await LoopbackSlack.Start();
        await using var notifier = await Notifier(chat, "stuck");
        var id = await Ask("stuck", Colour);
        var message = await chat.Shows("Which colour?");
        await using (var connection = await Store.Database.OpenConnectionAsync())
        {
            await using var held = await connection.BeginTransactionAsync();
            await using (
                var hold = new NpgsqlCommand("lock table chat_updates in access exclusive mode", connection, held)
            )
                await hold.ExecuteNonQueryAsync();
            chat.StartPress(message, "Blue", Anna);
            await Eventually.Holds(() =>
                Store.Scalar<bool>(
                    "select exists (select from pg_locks where not granted and relation = 'chat_updates'::regclass)"
                )
            );
            Assert.Equal(1, chat.Unread);
            chat.Disconnect();
            await held.RollbackAsync();
        }

        await chat.Shows("Answered by Anna");
        await Eventually.Holds(() => Task.FromResult(chat.Unread == 0), "it was told again");
        Assert.Equal("Blue", (await Questions.Find(id, Cancel))!.Answers!["Which colour?"]);
        Assert.Single(chat.Messages);
    }

    [Fact]
    public async Task A_connection_that_is_refreshed_is_replaced_before_it_goes_and_nothing_is_missed()
    {
        await using var chat = await LoopbackSlack.Start();
        await using var notifier = await Notifier(chat, "fresh");
        await Eventually.Holds(() => Task.FromResult(chat.Connections == 1));
        for (var round = 0; round < 3; round++)
        {
            await Ask($"fresh-{round}", Colour);
            var message = await chat.Shows($"fresh-{round} asks");
            chat.Refresh();
            Assert.Equal($"fresh-{round} goes on.", await chat.Press(message, "Red", Ben));
            await Eventually.Holds(() => Task.FromResult(chat.Connections == 1), "the old one is gone");
        }

        Assert.Equal(2, chat.MostConnections);
        Assert.Equal(4, chat.Calls.Count(x => x.Call is Call.Read));
        Assert.All(chat.Waits, x => Assert.True(x < TimeSpan.FromSeconds(3), $"{x}"));
    }

    [Fact]
    public async Task Words_in_a_thread_answer_the_question_that_is_open_there()
    {
        await using var chat = await LoopbackSlack.Start();
        await using var notifier = await Notifier(chat, "thread");
        var session = await Store.Session("thread");
        await EndTurn(session, 1);
        var first = await chat.Shows("thread: wake 1 completed");
        var second = await Ask(session, 2, Colour);
        Assert.Equal(first.Id, (await chat.Shows("Which colour?")).ReplyTo);

        chat.Write("Green", Anna, first.Id);
        await chat.Shows("thread goes on.");
        Assert.Equal("Green", (await Questions.Find(second, Cancel))!.Answers!["Which colour?"]);

        // A while after it the same word is news.
        await Store.Execute("update questions set settled_at = settled_at - interval '1 minute' where id = $1", second);
        chat.Write("Green", Anna, first.Id);
        await chat.Shows("thread is told.");
        Assert.Equal(["Green"], (await Events("thread"))!.Select(x => x.Reason));
    }

    // Slack takes some fifty such calls in a minute, whoever begins anew.
    [Fact]
    public async Task What_was_missed_in_more_threads_than_may_be_read_at_once_is_read_after_all()
    {
        await using var chat = await LoopbackSlack.Start();
        await using (await Notifier(chat, "plenty"))
        {
            for (var i = 0; i < 5; i++)
            {
                await EndTurn(await Store.Session($"plenty-{i}"), 1);
                await chat.Shows($"plenty-{i}: wake 1 completed");
            }
        }

        foreach (var message in chat.Messages)
            chat.Write("meanwhile", Anna, message.Id);
        var others = 0;
        chat.Faults = call =>
            call is Call.Other && Interlocked.Increment(ref others) % 4 == 0 ? Fault.TooMany : Fault.None;
        await using var again = await Notifier(chat, "plenty");

        await Eventually.Holds(async () => (await Events("plenty"))?.Count == 5, "all five are told");
    }

    [Fact]
    public async Task Where_Wake_may_not_read_the_channel_what_may_have_arrived_is_sent_again_and_says_so()
    {
        await using var chat = await LoopbackSlack.Start();
        chat.IsHistoryHidden = true;
        var failing = true;
        chat.Faults = call => call is Call.Post && failing ? Fault.CutAfter : Fault.None;
        await using var notifier = await Notifier(chat, "hidden");
        await Ask("hidden", Colour);
        await Eventually.Holds(() => Failed("hidden"));

        failing = false;
        await Hurry("hidden");

        await chat.Shows("(Sent again: nobody knows whether it arrived before.)\nhidden asks");
        Assert.Equal(2, chat.Messages.Count);
    }

    [Fact]
    public async Task A_question_with_many_options_has_a_button_for_each()
    {
        await using var chat = await LoopbackSlack.Start();
        await using var notifier = await Notifier(chat, "many");
        var asked = Enumerable
            .Range(1, 5)
            .Select(x => new
            {
                question = $"Which {x}?",
                multiSelect = true,
                options = Enumerable.Range(1, 10).Select(y => new { label = new string((char)('a' + y), 90) }),
            });
        await Ask("many", JsonSerializer.Serialize(new { questions = asked }));

        var message = await chat.Shows("Which 5?");

        Assert.Equal(51, message.Buttons.Count);
        Assert.EndsWith("bbb …", message.Buttons[0].Label, StringComparison.Ordinal);
        Assert.Single(chat.Clocks(message));
    }

    [Theory]
    [InlineData("a &amp;lt; b &lt;tag&gt;", "a &lt; b <tag>")]
    [InlineData("see <https://example.com/a?b=1&amp;c=2>", "see https://example.com/a?b=1&c=2")]
    [InlineData("see <https://example.com|the page>", "see the page (https://example.com)")]
    [InlineData("<@U123|anna> and <@U124> in <#C123|ops>", "@anna and @U124 in #ops")]
    [InlineData("<!here> <!subteam^S1|@team>", "@here @team")]
    [InlineData("2 &lt; 3 &gt; 1", "2 < 3 > 1")]
    public void What_is_written_is_read_as_it_was_meant(string told, string meant) =>
        Assert.Equal(meant, SlackMessage.Decode(told));

    [Theory]
    [InlineData("", "Token is needed")]
    [InlineData("Token=1:a", "Token is needed, that of the bot: xoxb-")]
    [InlineData("Token=xoxb-1", "AppToken is needed")]
    [InlineData("Token=xoxb-1 AppToken=xoxb-1", "AppToken is needed")]
    [InlineData("Token=xoxb-1 AppToken=xapp-1 Chat=#ops", "Chat is needed")]
    [InlineData("Token=xoxb-1 AppToken=xapp-1 Chat=C012 Users:0=@anna", "Users: each is the id of a member")]
    [InlineData("Token=xoxb-1 AppToken=xapp-1 Chat=C012 BaseUrl=https://x/api", "BaseUrl must have no path: Slack")]
    [InlineData("Token=xoxb-1 AppToken=xapp-1 Chat=C012 Topic=x", "Topic is for Ntfy")]
    [InlineData("Token=xoxb-1 AppToken=xapp-1 Chat=C012 Users:0=U012", null)]
    public void Its_settings_say_what_is_wrong(string settings, string? problem) =>
        TargetSettings.AssertProblem("Slack", settings, problem);

    [Fact]
    public async Task What_keeps_it_from_working_is_found_without_posting()
    {
        await using var chat = await LoopbackSlack.Start();
        Assert.Null(await Check());
        Assert.Equal("Slack: it does not know the Token (invalid_auth)", await Check(token: "xoxb-wrong"));
        Assert.Equal("Slack: it does not know the AppToken (invalid_auth)", await Check(appToken: "xapp-wrong"));
        Assert.StartsWith("Slack: the app is not in the channel C99", await Check(channel: "C99"));
        chat.IsHistoryHidden = true;
        Assert.Equal("Slack: the app has not the scope channels:history (conversations.history)", await Check());
        chat.Faults = _ => Fault.BadGateway;
        Assert.Equal("Slack: HTTP 502", await Check());
        Assert.Empty(chat.Messages);
        Assert.Equal(0, chat.MostConnections);

        Task<string?> Check(
            string token = LoopbackSlack.Token,
            string appToken = LoopbackSlack.AppToken,
            string channel = LoopbackSlack.Channel
        ) =>
            NotificationSender.FindProblem(
                TargetSettings.Read("Slack", $"Token={token} AppToken={appToken} Chat={channel} BaseUrl={chat.Url}"),
                Cancel
            );
    }

    [Fact]
    public void What_one_app_hears_goes_to_one_target()
    {
        var target = TargetSettings.Read("Slack", "Token=xoxb-1 AppToken=xapp-1 Chat=C012");
        var options = new NotificationsOptions { ["one"] = target, ["two"] = target };

        var problem = Assert.Single(options.Validate(new(options)));

        Assert.Contains("one and two have the same AppToken", problem.ErrorMessage);
    }
}
