using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Wake.Notifier;

/// <summary>
/// A channel of Discord, by a bot: https://docs.discord.com/developers. What a session has to tell is a chain of
/// replies to its first message there.
/// </summary>
sealed class DiscordChat : ChatConnection
{
    /// <summary>What is wrong when Discord does not show what people write.</summary>
    public const string NoContentIntent =
        "the bot may not read messages; turn on Message Content Intent for it in the Developer Portal, under Bot";

    // What is older than all attempts is none of them, though it may look the same.
    static readonly TimeSpan MaxSearched = TimeSpan.FromDays(14);

    const int MaxSearchedPages = 5;

    const int MaxNonce = 25;

    const int SuppressEmbeds = 1 << 2;
    const int Ephemeral = 1 << 6;

    // Flags of an application: it may ask for the content of messages.
    const int ContentIntent = 1 << 18 | 1 << 19;

    readonly DiscordApi api;
    readonly DiscordChannel channel;
    readonly DiscordReader reader;
    readonly bool isAnswered;

    public DiscordChat(NotificationTarget target)
    {
        isAnswered = target.Users is not (null or []);
        api = new(target.Token!, target.BaseUrl);
        channel = new(api, target.Chat!);
        reader = new(api, channel, target.Token!, isAnswered);
    }

    public override int MaxLength => DiscordText.MaxText;

    public override async Task<string> Post(ChatPost post, CancellationToken cancel)
    {
        var body = Body(post);
        if (post.ReplyTo is { } other && channel.Find(other) is { } replied)
            body["message_reference"] = new JsonObject { ["message_id"] = replied, ["fail_if_not_exists"] = false };
        if (post.Id is { } id)
        {
            // Within minutes the same again gives the first message back.
            body["nonce"] = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(id)))[..MaxNonce];
            body["enforce_nonce"] = true;
        }

        var posted = await api.Call(HttpMethod.Post, "post", channel.Messages, body, cancel);
        var name = channel.NameOf(posted.Id());
        if (post.Id is not null && !Shows(posted, body))
        {
            try
            {
                await Edit(name, post, cancel);
            }
            catch (ChatException failed)
            {
                // It stands there, whatever became of the edit.
                throw new ChatException(failed.Message, failed) { RetryAfter = failed.RetryAfter };
            }
        }

        return name;
    }

    public override async Task Edit(string messageId, ChatPost post, CancellationToken cancel)
    {
        if (channel.Find(messageId) is not { } message)
            throw new ChatException("Discord: it is a message in another channel") { NotDone = true, Permanent = true };

        await api.Call(HttpMethod.Patch, "edit", $"{channel.Messages}/{message}", Body(post), cancel);
    }

    public override async Task<FoundChatPost?> FindPosted(ChatPost post, CancellationToken cancel)
    {
        var content = DiscordText.Render(post.Text);
        var me = (await api.Call(HttpMethod.Get, "me", "users/@me", null, cancel)).Id();
        var oldest = DiscordJson.FirstId(DateTimeOffset.UtcNow - MaxSearched);
        ulong? before = null;
        for (var page = 0; page < MaxSearchedPages; page++)
        {
            var found = await channel.List(DiscordChannel.PageSize, cancel, before: before);
            foreach (var message in found.OrderByDescending(x => x.Id()))
            {
                if (message.Id() < oldest)
                    return new(null);

                var name = channel.NameOf(message.Id());
                if (
                    message.TryFind("author") is { } author
                    && author.Id() == me
                    && (message.TryText("content") == content || Asks(message, post.Question))
                    && (post.IsAnother is not { } isAnother || !await isAnother(name))
                )
                    return new(name);
            }

            if (found.Count < DiscordChannel.PageSize)
                return new(null);
            before = found.Min(x => x.Id());
        }

        // Nobody reads a channel from end to end for one message.
        return null;
    }

    public override async Task Acknowledge(ChatUpdate.Press press, string sentence, CancellationToken cancel) =>
        await api.Call(
            HttpMethod.Post,
            "follow up",
            $"webhooks/{press.Token}",
            Body(new(new ChatText().Add(sentence), []), SuppressEmbeds | Ephemeral),
            cancel
        );

    public override Task Listen(
        (string Cursor, TimeSpan Age)? cursor,
        Func<ChatUpdate, Task> handle,
        CancellationToken cancel
    ) => reader.Listen(cursor?.Cursor, handle, cancel);

    public override async Task<string?> FindProblem(CancellationToken cancel)
    {
        try
        {
            var application = await api.Call(HttpMethod.Get, "application", "applications/@me", null, cancel);
            var place = await api.Call(HttpMethod.Get, "channel", $"channels/{channel.Id}", null, cancel);
            if (application.TryText("interactions_endpoint_url") is { Length: > 0 })
                return "the bot has an interactions endpoint, so it tells Wake of no press; take it away in the "
                    + "Developer Portal";
            if (isAnswered && (application.Number("flags") & ContentIntent) == 0)
                return NoContentIntent;
            return place.TryFind("guild_id") is null ? "the channel is in no server" : null;
        }
        catch (ChatException failed)
        {
            return failed.Message;
        }
    }

    static JsonObject Body(ChatPost post, int flags = SuppressEmbeds) =>
        new()
        {
            ["content"] = DiscordText.Render(post.Text),
            ["components"] = DiscordComponents.Render(post.Buttons),
            ["flags"] = flags,
            // Nobody is called, whatever the text says.
            ["allowed_mentions"] = new JsonObject { ["parse"] = new JsonArray(), ["replied_user"] = false },
        };

    static bool Shows(JsonElement message, JsonObject body) =>
        message.TryText("content") == (string?)body["content"]
        && DiscordComponents
            .Names(message)
            .SequenceEqual(DiscordComponents.Names(JsonSerializer.SerializeToElement(body)));

    static bool Asks(JsonElement message, Guid? question) =>
        question is { } id && DiscordComponents.Names(message).Any(x => ChatPress.Parse(x)?.Question == id);
}
