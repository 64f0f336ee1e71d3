using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Wake.Notifier;

/// <summary>
/// A channel of Discord, by a bot: https://docs.discord.com/developers. What a session has to tell is a chain of replies
/// to its first message there.
/// </summary>
sealed class DiscordChat : ChatConnection
{
    /// <summary>What is wrong when Discord does not show what people write.</summary>
    public const string NoContentIntent =
        "the bot may not read messages; turn on Message Content Intent for it in the Developer Portal, under Bot";

    // Settings that are wrong are tried again after a minute, and then after twice as long each time.
    static readonly TimeSpan FirstRefusal = TimeSpan.FromMinutes(1);
    const int MaxDoublings = 15;

    // What people write while nobody reads is heard for so long. So long does a message count as sent again, too: what
    // is older than all attempts is none of them.
    static readonly TimeSpan MaxMissed = TimeSpan.FromDays(1);
    static readonly TimeSpan MaxSearched = TimeSpan.FromDays(5);

    const int PageSize = 100;
    const int MaxSearchedPages = 5;

    // Of a thousand sessions a day, so many are left to others who use the bot.
    const int SessionsLeft = 50;

    // A press is acknowledged within three seconds, or not at all.
    static readonly TimeSpan AcknowledgeTimeout = TimeSpan.FromSeconds(3);

    // Beyond that the connection is given up, and goes on with what was handled last.
    const int MaxWaiting = 1000;

    const int MaxNonce = 25;

    // Of presses and messages in its channel. Presses need no intent.
    const int NoIntents = 0;
    const int GuildMessages = 1 << 9;
    const int MessageContent = 1 << 15;

    const int SuppressEmbeds = 1 << 2;
    const int Ephemeral = 1 << 6;

    // Flags of an application: it may ask for the content of messages.
    const int ContentIntent = 1 << 18 | 1 << 19;

    const int DeferredUpdate = 6;
    const int Pressed = 3;
    const int PlainMessage = 0;
    const int Reply = 19;

    readonly DiscordApi api;
    readonly DiscordGateway gateway;
    readonly string channel;
    readonly bool isAnswered;

    DiscordSession? session;
    long? handled;
    ulong lastMessage;
    bool isCaughtUp;
    int refusals;

    public DiscordChat(NotificationTarget target)
    {
        channel = target.Chat!;
        isAnswered = target.Users is not (null or []);
        api = new(target.Token!, target.BaseUrl);
        gateway = new(target.Token!, isAnswered ? GuildMessages | MessageContent : NoIntents);
    }

    public override int MaxLength => DiscordText.MaxText;

    string Messages => $"channels/{channel}/messages";

    public override async Task<string> Post(ChatPost post, CancellationToken cancel)
    {
        var body = Body(post);
        if (post.ReplyTo is { } other && FindMessage(other) is { } replied)
            body["message_reference"] = new JsonObject { ["message_id"] = replied, ["fail_if_not_exists"] = false };
        if (post.Id is { } id)
        {
            // Within minutes the same again gives the first message back.
            body["nonce"] = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(id)))[..MaxNonce];
            body["enforce_nonce"] = true;
        }

        var posted = await api.Call(HttpMethod.Post, "post", Messages, body, cancel);
        var name = MessageName(Id(posted));
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
        if (FindMessage(messageId) is not { } message)
            throw new ChatException("Discord: it is a message in another channel") { NotDone = true, Permanent = true };

        await api.Call(HttpMethod.Patch, "edit", $"{Messages}/{message}", Body(post), cancel);
    }

    public override async Task<FoundChatPost?> FindPosted(ChatPost post, CancellationToken cancel)
    {
        var content = DiscordText.Render(post.Text);
        var me = Id(await api.Call(HttpMethod.Get, "me", "users/@me", null, cancel));
        var oldest = FirstAt(DateTimeOffset.UtcNow - MaxSearched);
        ulong? before = null;
        for (var page = 0; page < MaxSearchedPages; page++)
        {
            var query = before is { } id ? $"&before={Text(id)}" : "";
            var found = await ReadMessages($"?limit={PageSize}{query}", cancel);
            foreach (var message in found.OrderByDescending(Id))
            {
                if (Id(message) < oldest)
                    return new(null);

                var name = MessageName(Id(message));
                if (
                    message.TryFind("author") is { } author
                    && Id(author) == me
                    && (message.TryText("content") == content || Asks(message, post.Question))
                    && (post.IsAnother is not { } isAnother || !await isAnother(name))
                )
                    return new(name);
            }

            if (found.Count < PageSize)
                return new(null);
            before = found.Min(Id);
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

    public override async Task Listen(
        (string Cursor, TimeSpan Age)? cursor,
        Func<ChatUpdate, Task> handle,
        CancellationToken cancel
    )
    {
        Continue(cursor?.Cursor);
        while (true)
        {
            try
            {
                if (!await ListenOnce(handle, cancel))
                    session = null;
            }
            catch (ChatException wrong) when (wrong.Permanent || IsRefused(wrong))
            {
                throw new ChatException(wrong.Message, wrong)
                {
                    Permanent = true,
                    RetryAfter = FirstRefusal * Math.Pow(2, Math.Min(refusals++, MaxDoublings)),
                };
            }
        }
    }

    public override async Task<string?> FindProblem(CancellationToken cancel)
    {
        try
        {
            var application = await api.Call(HttpMethod.Get, "application", "applications/@me", null, cancel);
            var place = await api.Call(HttpMethod.Get, "channel", $"channels/{channel}", null, cancel);
            if (application.TryText("interactions_endpoint_url") is { Length: > 0 })
                return "the bot has an interactions endpoint, so it tells Wake of no press; take it away in the "
                    + "Developer Portal";
            if (isAnswered && (Number(application, "flags") & ContentIntent) == 0)
                return NoContentIntent;
            return place.TryFind("guild_id") is null ? "the channel is in no server" : null;
        }
        catch (ChatException failed)
        {
            return failed.Message;
        }
    }

    // Returns whether its session goes on.
    async Task<bool> ListenOnce(Func<ChatUpdate, Task> handle, CancellationToken cancel)
    {
        var url = session?.Url ?? await FindGateway(cancel);
        if (session is null)
            handled = null;
        var waiting = Channel.CreateBounded<(DiscordEvent Event, Task? Deferral)>(MaxWaiting);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var isHeard = false;
        var reading = Read();
        try
        {
            await foreach (var (told, deferral) in waiting.Reader.ReadAllAsync(end.Token))
            {
                if (deferral is not null)
                    await deferral;
                await Take(told, handle, cancel);
                handled = told.Number;
            }
        }
        finally
        {
            await end.CancelAsync();
            await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return await reading;

        async Task<bool> Read()
        {
            try
            {
                var goesOn = await gateway.Read(url, session, () => handled, Receive, end.Token);
                waiting.Writer.Complete();
                return goesOn;
            }
            catch (Exception broken)
            {
                // Where a session goes on may be gone before the session is.
                if (!isHeard)
                    session = session is { } known ? known with { Url = null } : null;
                waiting.Writer.Complete(broken);
                throw;
            }
        }

        void Receive(DiscordEvent told)
        {
            isHeard = true;
            if (!waiting.Writer.TryWrite((told, IsPress(told) ? Defer(told.Data, end.Token) : null)))
                throw new ChatException("Discord: more happens than can be handled");
        }
    }

    async Task<Uri> FindGateway(CancellationToken cancel)
    {
        var found = await api.Call(HttpMethod.Get, "gateway", "gateway/bot", null, cancel);
        if (session is null && found.TryFind("session_start_limit") is { } limit)
        {
            // Who begins too many loses the token.
            if (Number(limit, "remaining") < Math.Min(SessionsLeft, Number(limit, "total") / 2))
                throw new ChatException("Discord: the bot has begun too many sessions today")
                {
                    RetryAfter = TimeSpan.FromMilliseconds(Math.Max(1, Number(limit, "reset_after"))),
                };
        }

        return ParseGateway(found.TryText("url"))
            ?? throw new ChatException("Discord: it names no gateway that can be used");
    }

    // It is given the token.
    Uri? ParseGateway(string? text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url)
        && (url.Scheme == Uri.UriSchemeWss || (url.Scheme == Uri.UriSchemeWs && !api.IsEncrypted))
            ? url
            : null;

    async Task Take(DiscordEvent told, Func<ChatUpdate, Task> handle, CancellationToken cancel)
    {
        switch (told.Type)
        {
            case "READY":
                refusals = 0;
                var begun = new DiscordSession(
                    told.Data.TryText("session_id") ?? throw new ChatException("Discord: the session has no name"),
                    ParseGateway(told.Data.TryText("resume_gateway_url"))
                );
                (session, handled, isCaughtUp) = (begun, told.Number, false);
                await CatchUp(told, handle, cancel);
                break;

            case "RESUMED":
                refusals = 0;
                await CatchUp(told, handle, cancel);
                break;

            case "INTERACTION_CREATE" when IsPress(told) && ReadPress(told) is { } press:
                await handle(press);
                break;

            case "MESSAGE_CREATE" when told.Data.TryText("channel_id") == channel:
                lastMessage = Math.Max(lastMessage, Id(told.Data));
                if (ReadWords(told.Data) is { } words)
                    await handle(words with { Cursor = Cursor(told.Number) });
                break;
        }
    }

    // A new session tells nothing of what was written before.
    async Task CatchUp(DiscordEvent told, Func<ChatUpdate, Task> handle, CancellationToken cancel)
    {
        if (isCaughtUp)
            return;

        if (isAnswered)
            await HandleMissed(handle, cancel);
        isCaughtUp = true;
        // From here on another process goes on with the session as well.
        await handle(new ChatUpdate.Other($"session {session!.Id}", Cursor(told.Number)));
    }

    async Task HandleMissed(Func<ChatUpdate, Task> handle, CancellationToken cancel)
    {
        if (lastMessage == 0)
        {
            // Of a channel in which nothing stands yet all is heard.
            lastMessage = (await ReadMessages("?limit=1", cancel)).Select(Id).FirstOrDefault(1UL);
            return;
        }

        lastMessage = Math.Max(lastMessage, FirstAt(DateTimeOffset.UtcNow - MaxMissed));
        while (true)
        {
            var missed = await ReadMessages($"?limit={PageSize}&after={Text(lastMessage)}", cancel);
            foreach (var message in missed.OrderBy(Id))
            {
                lastMessage = Math.Max(lastMessage, Id(message));
                if (ReadWords(message) is { } words)
                    await handle(words with { Cursor = Cursor(0) });
            }

            if (missed.Count < PageSize)
                return;
        }
    }

    // What was defered is answered later, and only to who has pressed.
    async Task Defer(JsonElement interaction, CancellationToken cancel)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(AcknowledgeTimeout);
        var path = $"interactions/{interaction.TryText("id")}/{interaction.TryText("token")}/callback";
        for (var attempt = 0; attempt < 2; attempt++)
        {
            try
            {
                await api.Call(
                    HttpMethod.Post,
                    "acknowledge",
                    path,
                    new JsonObject { ["type"] = DeferredUpdate },
                    bound.Token
                );
                return;
            }
            catch (ChatException)
            {
                // What is pressed counts, whether its presser sees that or not.
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    bool IsPress(DiscordEvent told) =>
        told.Type == "INTERACTION_CREATE"
        && Number(told.Data, "type") == Pressed
        && told.Data.TryText("channel_id") == channel;

    ChatUpdate.Press? ReadPress(DiscordEvent told)
    {
        var json = told.Data;
        return
            json.TryText("id") is { } id
            && (json.TryFind("member")?.TryFind("user") ?? json.TryFind("user")) is { } user
            && json.TryFind("message") is { } message
            && json.TryFind("data") is { } data
            && data.TryText("custom_id") is { } name
            ? new ChatUpdate.Press(
                id,
                Cursor(told.Number),
                Person(user),
                MessageName(Id(message)),
                DiscordComponents.ReadPress(name, data),
                $"{json.TryText("application_id")}/{json.TryText("token")}"
            )
            : null;
    }

    ChatUpdate.Words? ReadWords(JsonElement message)
    {
        // What answers no message is not meant for Wake.
        if (
            Number(message, "type") is not (PlainMessage or Reply)
            || message.TryText("webhook_id") is not null
            || message.TryFind("author") is not { } author
            || author.TryFind("bot") is { ValueKind: JsonValueKind.True }
            || message.TryFind("message_reference")?.TryText("message_id") is not { } other
            || !ulong.TryParse(other, CultureInfo.InvariantCulture, out var replied)
        )
            return null;

        return new(
            Text(Id(message)),
            null,
            Person(author),
            MessageName(Id(message)),
            MessageName(replied),
            message.TryText("content") ?? "",
            IsPrivate: false
        );
    }

    async Task<IReadOnlyList<JsonElement>> ReadMessages(string query, CancellationToken cancel)
    {
        var found = await api.Call(HttpMethod.Get, "read", $"{Messages}{query}", null, cancel);
        return found.ValueKind is JsonValueKind.Array
            ? [.. found.EnumerateArray()]
            : throw new ChatException("Discord: its answer is no list of messages");
    }

    void Continue(string? cursor)
    {
        if (
            cursor?.Split(' ') is not [var id, var number, var message]
            || !long.TryParse(number, CultureInfo.InvariantCulture, out var last)
            || !ulong.TryParse(message, CultureInfo.InvariantCulture, out var read)
        )
            return;

        lastMessage = Math.Max(lastMessage, read);
        // Another notifier may have begun a session since.
        if (id == session?.Id)
            handled = Math.Max(handled ?? 0, last);
        else if (id.Length > 0)
            (session, handled, isCaughtUp) = (new(id, null), last, true);
    }

    // As long as something was missed, whoever comes next must look for it too, and begin a session.
    string Cursor(long number) => isCaughtUp ? $"{session!.Id} {number} {lastMessage}" : $" 0 {lastMessage}";

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

    static bool IsRefused(ChatException failed) =>
        failed.InnerException
            is HttpRequestException
            {
                StatusCode: HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.NotFound
            };

    string MessageName(ulong message) => $"{channel}:{Text(message)}";

    string? FindMessage(string name) =>
        name.Split(':') is [var place, var message] && place == channel ? message : null;

    static ChatUser Person(JsonElement user)
    {
        var handle = user.TryText("username") ?? "";
        return new(user.TryText("id") ?? "", $"{user.TryText("global_name") ?? handle} (@{handle})");
    }

    static ulong Id(JsonElement json) =>
        ulong.TryParse(json.TryText("id"), CultureInfo.InvariantCulture, out var id)
            ? id
            : throw new ChatException("Discord: something has no id");

    static long Number(JsonElement json, string name) =>
        json.TryFind(name) is { ValueKind: JsonValueKind.Number } number && number.TryGetInt64(out var value)
            ? value
            : 0;

    // Ids begin with the milliseconds since 2015.
    static ulong FirstAt(DateTimeOffset at) => (ulong)(at.ToUnixTimeMilliseconds() - 1_420_070_400_000) << 22;

    static string Text(ulong number) => number.ToString(CultureInfo.InvariantCulture);
}
