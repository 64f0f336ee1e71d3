using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Wake.Notifier;

/// <summary>
/// Reads what people press and write in a channel of Discord, by one session at its gateway after another. What is
/// handled is noted as a cursor: the session, the number of its last event, and the last message.
/// </summary>
sealed class DiscordReader(DiscordApi api, DiscordChannel channel, string token, bool readsWords)
{
    // Settings that are wrong are tried again after a minute, then after twice as long, up to an hour.
    static readonly TimeSpan FirstRefusal = TimeSpan.FromMinutes(1);
    const int MaxDoublings = 6;

    // What people write while nobody reads is heard for so long.
    static readonly TimeSpan MaxMissed = TimeSpan.FromDays(1);

    // Of a thousand sessions a day, so many are left to others who use the bot.
    const int SessionsLeft = 50;

    // A press is acknowledged within three seconds, or not at all.
    static readonly TimeSpan AcknowledgeTimeout = TimeSpan.FromSeconds(3);

    // Beyond that the connection is given up, and goes on with what was handled last.
    const int MaxWaiting = 1000;

    // Presses need no intent.
    const int NoIntents = 0;
    const int GuildMessages = 1 << 9;
    const int MessageContent = 1 << 15;

    const int DeferredUpdate = 6;
    const int Pressed = 3;
    const int Reply = 19;

    readonly DiscordGateway gateway = new(token, readsWords ? GuildMessages | MessageContent : NoIntents);

    DiscordSession? session;
    long? handled;
    ulong lastMessage;
    bool isCaughtUp;
    int refusals;

    /// <summary>Hands over what happens in the channel, until it is cancelled or the connection breaks.</summary>
    /// <param name="cursor">Where to go on; null at the beginning.</param>
    /// <param name="handle">Takes one.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="ChatException">The connection is broken.</exception>
    public async Task Listen(string? cursor, Func<ChatUpdate, Task> handle, CancellationToken cancel)
    {
        Continue(cursor);
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

        var goesOn = await reading;
        // Where nothing is told another connection is not the cure.
        return isHeard || !goesOn ? goesOn : throw new ChatException("Discord: the gateway sends Wake away");

        async Task<bool> Read()
        {
            try
            {
                var isOver = !await gateway.Read(url, session, () => handled, Receive, end.Token);
                waiting.Writer.Complete();
                return !isOver;
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
            if (limit.Number("remaining") < Math.Min(SessionsLeft, limit.Number("total") / 2))
                throw new ChatException("Discord: the bot has begun too many sessions today")
                {
                    RetryAfter = TimeSpan.FromMilliseconds(Math.Max(1, limit.Number("reset_after"))),
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

            case "MESSAGE_CREATE" when told.Data.TryText("channel_id") == channel.Id:
                // What was missed before it is still to be read.
                if (isCaughtUp)
                    lastMessage = Math.Max(lastMessage, told.Data.Id());
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

        if (readsWords)
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
            lastMessage = (await channel.List(1, cancel)).Select(x => x.Id()).FirstOrDefault(1UL);
            return;
        }

        lastMessage = Math.Max(lastMessage, DiscordJson.FirstId(DateTimeOffset.UtcNow - MaxMissed));
        while (true)
        {
            var missed = await channel.List(DiscordChannel.PageSize, cancel, after: lastMessage);
            foreach (var message in missed.OrderBy(x => x.Id()))
            {
                lastMessage = Math.Max(lastMessage, message.Id());
                if (ReadWords(message) is { } words)
                    await handle(words with { Cursor = Cursor(0) });
            }

            if (missed.Count < DiscordChannel.PageSize)
                return;
        }
    }

    // What is deferred is answered later, and only to who has pressed.
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
        && told.Data.Number("type") == Pressed
        && told.Data.TryText("channel_id") == channel.Id;

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
                channel.NameOf(message.Id()),
                DiscordComponents.ReadPress(name, data),
                $"{json.TryText("application_id")}/{json.TryText("token")}"
            )
            : null;
    }

    ChatUpdate.Words? ReadWords(JsonElement message)
    {
        // What answers no message is not meant for Wake. What was forwarded names one as well.
        if (
            message.Number("type") is not Reply
            || message.TryText("webhook_id") is not null
            || message.TryFind("author") is not { } author
            || author.TryFind("bot") is { ValueKind: JsonValueKind.True }
            || message.TryFind("message_reference")?.TryText("message_id") is not { } other
            || !ulong.TryParse(other, CultureInfo.InvariantCulture, out var replied)
        )
            return null;

        return new(
            $"{message.Id()}",
            null,
            Person(author),
            channel.NameOf(message.Id()),
            channel.NameOf(replied),
            message.TryText("content") ?? "",
            IsPrivate: false
        );
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

    static bool IsRefused(ChatException failed) =>
        failed.InnerException
            is HttpRequestException
            {
                StatusCode: HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.NotFound
            };

    static ChatUser Person(JsonElement user)
    {
        var handle = user.TryText("username") ?? "";
        return new(user.TryText("id") ?? "", $"{user.TryText("global_name") ?? handle} (@{handle})");
    }
}
