using System.Text.Json;
using Wake.Notifier;
using Wake.Testing;
using Wake.Tests.Support;
using static Wake.Tests.Support.LoopbackChat;
using static Wake.Tests.Support.LoopbackDiscord;

namespace Wake.Tests.Notifying;

/// <summary>The same in Discord, and what is particular there.</summary>
public sealed class AnsweringInDiscord(TestStore store)
    : AnsweringInAChat(store, NotificationKind.Discord),
        IClassFixture<TestStore>
{
    // Guild messages and their content, by their bits.
    const string Identify = "identify 33280";

    [Theory]
    [InlineData("@everyone @here <@7> <@&7> <#7> <:a:7> :smile: <t:1:R> </a:7>")]
    [InlineData("*a* **b** _c_ __d__ ~~e~~ ||f|| `g` \\*h\\*")]
    [InlineData("[x](https://example.com) https://example.com discord.gg/abc <https://example.com>")]
    [InlineData("# a")]
    [InlineData("-# a")]
    [InlineData("> a")]
    [InlineData("- a")]
    [InlineData("1. a")]
    [InlineData("```js\n@everyone **b**\n# a")]
    [InlineData("# a\n*b*\nhttps://example.com")]
    public void What_a_session_writes_is_shown_as_it_is(string text)
    {
        var rendered = DiscordText.Render(new ChatText().AddWhole(text));

        var (shown, _, active) = DiscordMarkdown.Read(rendered);
        Assert.Empty(active);
        Assert.Equal(text.Replace("```", "``ˋ", StringComparison.Ordinal), shown);
        Assert.NotEqual(text, DiscordMarkdown.Read(text) is { Active: [] } read ? read.Text : null);
    }

    [Theory]
    [InlineData("*")]
    [InlineData("`")]
    [InlineData("*\n")]
    public void A_text_full_of_markup_fits_in_a_message(string markup)
    {
        var text = string.Concat(Enumerable.Repeat(markup, DiscordText.MaxText / markup.Length));

        var rendered = DiscordText.Render(
            new ChatText().AddForeign(text[..^100], text.Length).AddMoment(DateTimeOffset.UnixEpoch)
        );

        Assert.InRange(rendered.Length, 1, DiscordText.Limit);
        Assert.Equal(["<t:0:R>"], DiscordMarkdown.Read(rendered).Active);
    }

    [Fact]
    public async Task A_question_says_until_when_by_the_clock_of_its_reader()
    {
        await using var discord = await LoopbackDiscord.Start();
        await using var notifier = await Notifier(discord, "until");
        await Ask("until", Colour);

        Assert.Contains(" UTC (in a while).", (await discord.Shows("Which colour?")).Text);
        Assert.StartsWith("<t:", Assert.Single(discord.Active), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_forwarded_is_said_to_others()
    {
        await using var discord = await LoopbackDiscord.Start();
        await using var notifier = await Notifier(discord, "forward");
        var message = await Ended(discord, "forward");

        discord.Forward(message.Id, Anna);
        discord.Write("go on", Anna, message.Id);

        await discord.Shows("forward is told.");
        Assert.Equal(2, discord.Messages.Count);
    }

    [Fact]
    public async Task A_session_goes_on_when_its_connection_ends_and_also_in_another_process()
    {
        await using var discord = await LoopbackDiscord.Start();
        var notifier = await Notifier(discord, "on");
        var message = await Ended(discord, "on");

        discord.Tell(7);
        await Opened(discord, Identify, "resume /resume");
        discord.Write("one", Anna, message.Id);
        await discord.Shows("on is told.");

        // A connection that answers nothing any more.
        (discord.HeartbeatInterval, discord.IsAlive) = (TimeSpan.FromMilliseconds(200), false);
        discord.Disconnect();
        discord.Write("two", Anna, message.Id);
        await Opened(discord, Identify, "resume /resume", "resume /resume", "resume /resume");
        (discord.HeartbeatInterval, discord.IsAlive) = (TimeSpan.FromMinutes(1), true);
        await Eventually.Holds(async () => (await Events("on"))?.Count == 2, "the second is told");
        await notifier.DisposeAsync();

        discord.Write("three", Ben, message.Id);
        await using var next = await Notifier(discord, "on");
        await Eventually.Holds(async () => (await Events("on"))?.Count == 3, "the third is told");
        Assert.Equal("resume /", discord.Opened[^1]);
        Assert.Single(discord.Opened, Identify);
        Assert.Equal(["one", "two", "three"], (await Events("on"))!.Select(x => x.Reason));
    }

    [Fact]
    public async Task What_was_written_while_its_session_ended_is_heard()
    {
        await using var discord = await LoopbackDiscord.Start();
        await using var notifier = await Notifier(discord, "over");
        var message = await Ended(discord, "over");
        discord.Write("one", Anna, message.Id);
        await discord.Shows("over is told.");

        discord.EndSession();
        for (var i = 0; i < 120; i++)
            discord.Write(i % 60 == 30 ? $"word {i}" : "they talk", Anna, i % 60 == 30 ? message.Id : null);

        await Eventually.Holds(async () => (await Events("over"))?.Count == 3, "both are told");
        Assert.Equal(["one", "word 30", "word 90"], (await Events("over"))!.Select(x => x.Reason));
        Assert.Equal(2, discord.Opened.Count(x => x == Identify));

        discord.Tell(9, false);
        await Eventually.Holds(() => Task.FromResult(discord.Opened.Count(x => x == Identify) == 3));
        discord.Write("the last", Ben, message.Id);
        await Eventually.Holds(async () => (await Events("over"))?.Count == 4, "and one more");
    }

    [Fact]
    public async Task A_press_that_is_told_twice_counts_once()
    {
        await using var discord = await LoopbackDiscord.Start();
        discord.Untidy = true;
        await using var notifier = await Notifier(discord, "double");
        var id = await Ask("double", Sizes);
        var message = await discord.Shows("Which sizes?");

        await discord.Press(message, "S", Anna);

        await discord.Shows("Chosen: S");
        // Both are taken.
        await Eventually.Holds(() => Task.FromResult(discord.Unread == 0));
        Assert.Equal(1, await Store.Scalar<int>("select revision from question_drafts where question_id = $1", id));
        Assert.Single(discord.Told);
    }

    // More than there is room for as buttons.
    [Fact]
    public async Task Many_options_are_menus()
    {
        await using var discord = await LoopbackDiscord.Start();
        await using var notifier = await Notifier(discord, "many");
        var asked = new
        {
            questions = Enumerable
                .Range(1, 8)
                .Select(x => new
                {
                    question = $"Question {x}?",
                    multiSelect = x == 8,
                    options = Enumerable.Range(1, 10).Select(y => new { label = $"option {x}.{y}" }),
                }),
        };
        await Ask("many", JsonSerializer.Serialize(asked));

        var message = await discord.Shows("Reply to answer in your own words");
        Assert.Equal(81, message.Buttons.Count);
        await discord.Press(message, "option 1.2", Anna);
        await discord.Press(message, "option 8.1", Ben);
        await discord.Press(message, "option 8.3", Anna);

        await discord.Shows("Chosen for 1: option 1.2\nChosen for 8: option 8.1, option 8.3");
    }

    [Fact]
    public async Task Wrong_settings_are_tried_again_more_and_more_seldom()
    {
        await using var discord = await LoopbackDiscord.Start();
        discord.HasContentIntent = false;
        var chat = Chat(discord);

        foreach (var minutes in (int[])[1, 2, 4])
        {
            var refused = await Refused(chat);
            Assert.Equal($"Discord: {DiscordChat.NoContentIntent}", refused.Message);
            Assert.Equal(TimeSpan.FromMinutes(minutes), refused.RetryAfter);
        }

        discord.CloseCode = 4004;
        Assert.Equal("Discord: it does not know the token", (await Refused(chat)).Message);
        discord.CloseCode = 4013;
        Assert.Equal(TimeSpan.FromMinutes(16), (await Refused(chat)).RetryAfter);

        // What is no fault of the settings is tried again at once.
        discord.CloseCode = 4000;
        Assert.Null((await Refused(chat)).RetryAfter);
    }

    // Who begins more than a thousand in a day loses the token.
    [Fact]
    public async Task No_session_is_begun_when_too_many_were()
    {
        await using var discord = await LoopbackDiscord.Start();
        discord.SessionsLeft = 10;

        Assert.Equal(TimeSpan.FromHours(4), (await Refused(Chat(discord))).RetryAfter);
        Assert.Empty(discord.Opened);
    }

    [Fact]
    public async Task The_same_sent_twice_is_one_message_that_shows_the_second()
    {
        await using var discord = await LoopbackDiscord.Start();
        var chat = Chat(discord);
        var first = await chat.Post(Post("asked", new ChatButton("Red", "q|1|0|c0.0")), Cancel);

        Assert.Equal(first, await chat.Post(Post("asked"), Cancel));

        Assert.Equal(["asked", "asked"], Assert.Single(discord.Messages).Shown);
        Assert.Empty(discord.Messages[0].Buttons);

        static ChatPost Post(string text, params ChatButton[] buttons) =>
            new(new ChatText().AddForeign(text, 100), [buttons]) { Id = "7/0" };
    }

    [Fact]
    public async Task What_may_have_arrived_is_found_and_not_taken_for_another()
    {
        await using var discord = await LoopbackDiscord.Start();
        var chat = Chat(discord);
        var text = new ChatText().Add("Wake: this is a test");
        var first = await chat.Post(new(text, []), Cancel);
        for (var i = 0; i < 120; i++)
            discord.Write("Wake: this is a test", Anna);

        Assert.Equal(first, (await chat.FindPosted(new(text, []), Cancel))!.MessageId);
        var other = new ChatPost(text, []) { IsAnother = x => Task.FromResult(x == first) };
        Assert.Null((await chat.FindPosted(other, Cancel))!.MessageId);

        // Nobody reads on for ever, and then nobody knows.
        for (var i = 0; i < 500; i++)
            discord.Write("they talk", Anna);
        Assert.Null(await chat.FindPosted(new(text, []), Cancel));
    }

    [Fact]
    public async Task No_more_is_posted_than_its_limits_allow()
    {
        await using var discord = await LoopbackDiscord.Start();
        var chat = Chat(discord);

        for (var i = 0; i < 12; i++)
            await chat.Post(new(new ChatText().Add($"message {i}"), []), Cancel);

        Assert.Equal(12, discord.Messages.Count);
        Assert.Equal(0, discord.Exceeded);
    }

    [Theory]
    [InlineData("", "Token is needed")]
    [InlineData("Token=secret", "Token is needed")]
    [InlineData("Token=a.b.c Chat=ops", "Chat is needed")]
    [InlineData("Token=a.b.c Chat=-5", "Chat is needed")]
    [InlineData("Token=a.b.c Chat=5 Users:0=@anna", "Users: each is the id of a person")]
    [InlineData("Token=a.b.c Chat=5 BaseUrl=ftp://x", "BaseUrl must be an address")]
    [InlineData("Token=a.b.c Chat=5 BaseUrl=https://x/api", "BaseUrl must have no path")]
    [InlineData("Token=a.b.c Chat=5 Topic=x", "Topic is for Ntfy")]
    [InlineData("Token=a.b.c Chat=5 Users:0=7", null)]
    public void Its_settings_say_what_is_wrong(string settings, string? problem) =>
        TargetSettings.AssertProblem("Discord", settings, problem);

    [Fact]
    public async Task What_keeps_it_from_working_is_found_without_posting()
    {
        await using var discord = await LoopbackDiscord.Start();
        var right = $"Token={Token} Chat={Channel} Users:0=7";
        Assert.Null(await Check(right));
        Assert.Equal("Discord: it does not know the token", await Check($"Token=a.b.c Chat={Channel}"));
        Assert.Equal("Discord: there is no such channel", await Check($"Token={Token} Chat=5"));
        discord.HasContentIntent = false;
        Assert.Equal(DiscordChat.NoContentIntent, await Check(right));
        // Whom nobody answers needs to read nothing.
        Assert.Null(await Check($"Token={Token} Chat={Channel}"));
        discord.InteractionsEndpoint = "https://example.com";
        Assert.Contains("interactions endpoint", await Check(right));
        discord.Faults = _ => Fault.CutBefore;
        var cut = await Check(right);
        Assert.StartsWith("Discord: ", cut, StringComparison.Ordinal);
        Assert.DoesNotContain(Token, cut);
        Assert.Empty(discord.Messages);
        Assert.Empty(discord.Opened);

        Task<string?> Check(string settings) =>
            NotificationSender.FindProblem(TargetSettings.Read("Discord", $"{settings} BaseUrl={discord.Url}"), Cancel);
    }

    const string Sizes = """
        {"questions": [{"question": "Which sizes?", "multiSelect": true, "options":
          [{"label": "S"}, {"label": "M"}, {"label": "L"}]}]}
        """;

    static DiscordChat Chat(LoopbackDiscord discord) =>
        new(TargetSettings.Read("Discord", $"Token={Token} Chat={Channel} Users:0=7 BaseUrl={discord.Url}"));

    static async Task<ChatException> Refused(DiscordChat chat)
    {
        using var bound = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        return await Assert.ThrowsAsync<ChatException>(() => chat.Listen(null, _ => Task.CompletedTask, bound.Token));
    }

    static Task Opened(LoopbackDiscord discord, params string[] connections) =>
        Eventually.Holds(
            () => Task.FromResult(discord.Opened.Take(connections.Length).SequenceEqual(connections)),
            string.Join(", ", connections)
        );

    async Task<Message> Ended(LoopbackDiscord discord, string key)
    {
        await EndTurn(await Store.Session(key), 1);
        return await discord.Shows($"{key}: wake 1 completed");
    }
}
