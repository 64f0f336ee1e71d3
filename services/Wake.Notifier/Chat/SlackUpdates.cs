using System.Text.Json;

namespace Wake.Notifier;

/// <summary>What people do in a channel of Slack, read from what Slack tells.</summary>
sealed class SlackUpdates(SlackApi api, NotificationTarget target)
{
    readonly string channel = target.Chat!;
    readonly Dictionary<string, string> names = [];

    /// <summary>What an envelope tells; null when that is none of Wake's business.</summary>
    public async Task<ChatUpdate?> Read(JsonElement envelope, CancellationToken cancel) =>
        envelope.Text("type") switch
        {
            "interactive" when envelope.Find("payload") is { } payload => await ReadPress(payload, cancel),
            "events_api"
                when envelope.Find("payload", "event") is { } message
                    && message.Text("type") == "message"
                    && message.Text("channel") == channel => await ReadWords(message, cancel),
            _ => null,
        };

    /// <summary>What a message says; null when no person has written it just now.</summary>
    public async Task<ChatUpdate.Words?> ReadWords(JsonElement message, CancellationToken cancel)
    {
        var bot = await api.FindBot(cancel);
        if (
            message.Text("bot_id") is not null
            || message.Text("subtype") is not (null or "file_share" or "thread_broadcast")
            || message.Text("user") is not { } user
            || user == bot
            || message.Text("ts") is not { } ts
        )
            return null;

        var thread = message.Text("thread_ts") is { } first && first != ts ? first : null;
        return new(
            SlackMessage.Name(channel, ts),
            null,
            await FindPerson(user, cancel),
            // An answer to it stands in its thread.
            SlackMessage.Name(channel, thread ?? ts),
            thread is null ? null : SlackMessage.Name(channel, thread),
            WithCommand(SlackMessage.Decode(message.Text("text") ?? ""), bot),
            channel.StartsWith('D')
        )
        {
            InThreadAt = thread is null ? null : SlackMessage.Time(ts),
        };
    }

    async Task<ChatUpdate?> ReadPress(JsonElement payload, CancellationToken cancel) =>
        payload.Text("type") == "block_actions"
        && payload.Text("container", "channel_id") == channel
        && payload.Text("container", "message_ts") is { } message
        && payload.Text("user", "id") is { } user
        && payload.List("actions") is [var action, ..]
            ? new ChatUpdate.Press(
                $"{channel}:{message}:{action.Text("action_ts")}:{user}",
                null,
                await FindPerson(user, cancel),
                SlackMessage.Name(channel, message),
                SlackMessage.Data(action),
                payload.Text("response_url") ?? ""
            )
            : null;

    // A client of Slack's takes /close for a command of its own. So a command names the app: @Wake close.
    static string WithCommand(string text, string bot)
    {
        var mention = $"@{bot}";
        if (!text.TrimStart().StartsWith(mention, StringComparison.Ordinal))
            return text;

        var rest = text.TrimStart()[mention.Length..].Trim();
        return ChatActions.ParseCommand(rest) is null || rest.StartsWith('/') ? rest : $"/{rest}";
    }

    // What people are called is asked once, and only of those who are heard.
    async Task<ChatUser> FindPerson(string user, CancellationToken cancel)
    {
        if (target.Users?.Contains(user) is not true)
            return new(user, user);
        if (names.TryGetValue(user, out var known))
            return new(user, known);

        try
        {
            var answer = await api.Call(
                "users.info",
                new() { ["user"] = user },
                cancel,
                "missing_scope",
                "user_not_found",
                "user_not_visible"
            );
            string?[] called =
            [
                answer.Text("user", "profile", "display_name"),
                answer.Text("user", "real_name"),
                answer.Text("user", "name"),
            ];
            return new(user, names[user] = called.FirstOrDefault(x => !string.IsNullOrWhiteSpace(x)) ?? user);
        }
        catch (ChatException)
        {
            // The id says who it is as well.
            return new(user, user);
        }
    }
}
