using Wake.Notifier;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;
using static Wake.Tests.Support.LoopbackChat;
using static Wake.Tests.Support.LoopbackTelegram;

namespace Wake.Tests.Notifying;

/// <summary>The same in Telegram, and what is particular there.</summary>
public sealed class AnsweringInTelegram(TestStore store)
    : AnsweringInAChat(store, NotificationKind.Telegram),
        IClassFixture<TestStore>
{
    // A client may send what no button has.
    [Theory]
    [InlineData("c1.2", true)]
    [InlineData("c\u0661.\u0662", false)]
    [InlineData("c100.1", false)]
    [InlineData("c-1.1", false)]
    public void A_choice_is_two_numbers_in_ASCII(string pressed, bool known) =>
        Assert.Equal(known, ChatPress.Parse($"q|{Guid.NewGuid():N}|0|{pressed}")!.Choice is not null);

    // A week without an update, and their numbers begin anywhere.
    [Fact]
    public async Task After_a_week_of_silence_lower_numbers_are_heard()
    {
        await using var telegram = await LoopbackTelegram.Start();
        await using (await Notifier(telegram, "quiet"))
        {
            telegram.Write("hello", Anna);
            await Eventually.Holds(() =>
                Store.Scalar<bool>(
                    "select exists (select from notification_targets where name = 'quiet' and chat_cursor is not null)"
                )
            );
        }

        await Store.Execute(
            """
            update notification_targets set chat_cursor = $1, chat_cursor_at = now() - interval '7 days'
            where name = 'quiet'
            """,
            $"{Token.Split(':')[0]}:900000"
        );
        await using var notifier = await Notifier(telegram, "quiet");
        var session = await Store.Session("quiet");
        await EndTurn(session, 1);
        telegram.Write("still there?", Anna, (await telegram.Shows("quiet: wake 1 completed")).Id);

        await telegram.Shows("quiet is told.");
    }

    // Its updates and messages have numbers of their own.
    [Fact]
    public async Task Another_bot_under_the_same_name_is_heard_and_its_messages_are_not_those_of_the_first()
    {
        await using var telegram = await LoopbackTelegram.Start();
        await using (await Notifier(telegram, "other"))
        {
            telegram.Write("hello", Anna);
            await Eventually.Holds(() =>
                Store.Scalar<bool>(
                    "select exists (select from notification_targets where name = 'other' and chat_cursor is not null)"
                )
            );
        }

        await Store.Execute("update notification_targets set chat_cursor = '42:900000' where name = 'other'");
        var first = await Store.Session("other-1");
        var chats = new Chats(Store.Database);
        for (var number = 1000; number < 1010; number++)
            await chats.Adopt("other", $"old {number}", $"42:{Chat}:{number}", "other-1", null, Cancel);
        await using var notifier = await Notifier(telegram, "other");
        await EndTurn(await Store.Session("other-2"), 1);
        telegram.Write("for the second", Anna, (await telegram.Shows("other-2: wake 1 completed")).Id);
        await telegram.Shows("other-2 is told.");

        await EndTurn(first, 1);
        Assert.Null((await telegram.Shows("other-1: wake 1 completed")).ReplyTo);
    }

    [Theory]
    [InlineData("", "Token is needed")]
    [InlineData("Token=secret", "Token is needed")]
    [InlineData("Token=1:a Chat=ops", "Chat is needed")]
    [InlineData("Token=1:a Chat=-5 Users:0=@anna", "Users: each is the id of a person")]
    [InlineData("Token=1:a Chat=-5 BaseUrl=ftp://x", "BaseUrl must be an address")]
    [InlineData("Token=1:a Chat=-5 BaseUrl=https://x/telegram", "BaseUrl must have no path")]
    [InlineData("Token=12345678901234567:a Chat=-5", "Token is needed")]
    [InlineData("Token=1:a Chat=-5 Url=http://x", "Url is for Webhook and Ntfy")]
    [InlineData("Token=1:a Chat=-5 Users:0=7", null)]
    public void Its_settings_say_what_is_wrong(string settings, string? problem) =>
        TargetSettings.AssertProblem("Telegram", settings, problem);

    [Fact]
    public async Task What_keeps_it_from_working_is_found_without_posting()
    {
        await using var telegram = await LoopbackTelegram.Start();
        Assert.Null(await Check($"Token={Token} Chat={Chat}"));
        Assert.Equal("Telegram: it does not know the token", await Check($"Token=1:wrong Chat={Chat}"));
        telegram.Faults = _ => Fault.CutBefore;
        var cut = await Check($"Token={Token} Chat={Chat}");
        Assert.StartsWith("Telegram: ", cut, StringComparison.Ordinal);
        Assert.DoesNotContain(Token, cut);
        Assert.Empty(telegram.Messages);

        Task<string?> Check(string settings) =>
            NotificationSender.FindProblem(
                TargetSettings.Read("Telegram", $"{settings} BaseUrl={telegram.Url}"),
                Cancel
            );
    }
}
