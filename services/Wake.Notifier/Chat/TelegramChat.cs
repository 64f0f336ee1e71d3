using System.Globalization;
using Telegram.Bot;
using Telegram.Bot.Exceptions;
using Telegram.Bot.Types;
using Telegram.Bot.Types.Enums;
using Telegram.Bot.Types.ReplyMarkups;
using Wake.ServiceDefaults;

namespace Wake.Notifier;

/// <summary>A chat of Telegram, by a bot: https://core.telegram.org/bots/api</summary>
sealed class TelegramChat : ChatConnection
{
    // The server answers after this long although nothing has happened.
    static readonly TimeSpan PollTime = TimeSpan.FromSeconds(50);

    // And somewhat later nobody answers any more.
    static readonly TimeSpan PollTimeout = PollTime + TimeSpan.FromSeconds(15);

    // After a week without updates their numbers begin anywhere, also below the last one.
    static readonly TimeSpan NumbersAreGood = TimeSpan.FromDays(6);

    // Of a button the rest would not be seen.
    const int MaxLabel = 60;

    static readonly UpdateType[] Wanted = [UpdateType.Message, UpdateType.CallbackQuery];

    // What a session links to is nobody's to fetch.
    static readonly LinkPreviewOptions NoPreview = new() { IsDisabled = true };

    readonly TelegramBotClient bot;
    readonly long chat;
    readonly string token;

    // Another bot under the same name counts its updates anew, and another chat its messages.
    readonly string updatePrefix;
    readonly string messagePrefix;

    public TelegramChat(NotificationTarget target)
    {
        token = target.Token!;
        chat = long.Parse(target.Chat!, CultureInfo.InvariantCulture);
        updatePrefix = $"{token.Split(':')[0]}:";
        messagePrefix = $"{updatePrefix}{target.Chat}:";
        bot = new(
            // It would wait and repeat by itself, and nobody would know what has arrived.
            new TelegramBotClientOptions(token, target.BaseUrl?.ToString()) { RetryCount = 0, RetryThreshold = 0 },
            HttpSender.Http
        );
    }

    public override int MaxLength => 4096;

    public override async Task<string> Post(ChatPost post, CancellationToken cancel) =>
        MessageName(
            (
                await Call(
                    () =>
                        bot.SendMessage(
                            chat,
                            $"{post.Text}",
                            entities: Entities(post.Text),
                            replyMarkup: Keyboard(post),
                            replyParameters: FindMessage(post.ReplyTo) is { } other
                                ? new ReplyParameters { MessageId = other, AllowSendingWithoutReply = true }
                                : null,
                            linkPreviewOptions: NoPreview,
                            cancellationToken: cancel
                        ),
                    cancel
                )
            ).Id
        );

    public override async Task Edit(string messageId, ChatPost post, CancellationToken cancel)
    {
        if (FindMessage(messageId) is not { } message)
            throw new ChatException("Telegram: it is a message of another bot, or in another chat")
            {
                NotDone = true,
                Permanent = true,
            };

        try
        {
            await Call(
                () =>
                    bot.EditMessageText(
                        chat,
                        message,
                        $"{post.Text}",
                        entities: Entities(post.Text),
                        replyMarkup: Keyboard(post),
                        linkPreviewOptions: NoPreview,
                        cancellationToken: cancel
                    ),
                cancel
            );
        }
        catch (ChatException same) when (same.Message.Contains("message is not modified"))
        {
            // An edit before has arrived.
        }
    }

    public override async Task Acknowledge(ChatUpdate.Press press, string sentence, CancellationToken cancel) =>
        await Call(
            async () =>
            {
                await bot.AnswerCallbackQuery(press.Token, sentence, cancellationToken: cancel);
                return true;
            },
            cancel
        );

    public override async Task Listen(
        (string Cursor, TimeSpan Age)? cursor,
        Func<ChatUpdate, Task> handle,
        CancellationToken cancel
    )
    {
        var told = DateTimeOffset.UtcNow - (cursor?.Age ?? TimeSpan.Zero);
        int? next =
            cursor is { Cursor: var last } && last.StartsWith(updatePrefix, StringComparison.Ordinal)
                ? Number(last[updatePrefix.Length..]) + 1
                : null;
        while (!cancel.IsCancellationRequested)
        {
            if (DateTimeOffset.UtcNow - told > NumbersAreGood)
                next = null;
            using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            bound.CancelAfter(PollTimeout);
            var updates = await Call(
                () =>
                    bot.GetUpdates(
                        next,
                        timeout: (int)PollTime.TotalSeconds,
                        allowedUpdates: Wanted,
                        cancellationToken: bound.Token
                    ),
                cancel
            );

            foreach (var update in updates.OrderBy(x => x.Id))
            {
                await handle(Read(update));
                (next, told) = (update.Id + 1, DateTimeOffset.UtcNow);
            }
        }
    }

    public override async Task<string?> FindProblem(CancellationToken cancel)
    {
        try
        {
            var me = await Call(() => bot.GetMe(cancel), cancel);
            await Call(() => bot.GetChat(chat, cancel), cancel);
            var hook = await Call(() => bot.GetWebhookInfo(cancel), cancel);
            return string.IsNullOrEmpty(hook.Url)
                ? null
                : $"the bot {me.Username} has a webhook, so it tells Wake nothing; take it away with deleteWebhook";
        }
        catch (ChatException failed)
        {
            return failed.Message;
        }
    }

    ChatUpdate Read(Update update)
    {
        var id = $"{updatePrefix}{Text(update.Id)}";
        return update switch
        {
            { CallbackQuery: { Message: { } message, Data: { } data, Id: var press } query }
                when message.Chat.Id == chat => new ChatUpdate.Press(
                id,
                id,
                Person(query.From),
                MessageName(message.Id),
                data,
                press
            ),
            { Message: { From: { IsBot: false } from, SenderChat: null } written } when written.Chat.Id == chat =>
                new ChatUpdate.Words(
                    id,
                    id,
                    Person(from),
                    MessageName(written.Id),
                    written.ReplyToMessage is { } other ? MessageName(other.Id) : null,
                    written.Text ?? written.Caption ?? "",
                    written.Chat.Type is ChatType.Private
                ),
            _ => new ChatUpdate.Other(id, id),
        };
    }

    string MessageName(int message) => $"{messagePrefix}{Text(message)}";

    int? FindMessage(string? name) =>
        name is not null && name.StartsWith(messagePrefix, StringComparison.Ordinal)
            ? Number(name[messagePrefix.Length..])
            : null;

    static ChatUser Person(User user)
    {
        var name = $"{user.FirstName} {user.LastName}".Trim();
        return new(
            user.Id.ToString(CultureInfo.InvariantCulture),
            user.Username is { } handle ? $"{name} (@{handle})" : name
        );
    }

    // Without an entity, words in it would be taken for mentions, commands and links.
    static IEnumerable<MessageEntity> Entities(ChatText text)
    {
        var offset = 0;
        foreach (var run in text.Runs)
        {
            if (run.IsForeign && !string.IsNullOrWhiteSpace(run.Text))
                yield return new()
                {
                    Type = run.Text.Contains('\n') ? MessageEntityType.Pre : MessageEntityType.Code,
                    Offset = offset,
                    Length = run.Text.Length,
                };
            offset += run.Text.Length;
        }
    }

    static InlineKeyboardMarkup? Keyboard(ChatPost post) =>
        post.Buttons is []
            ? null
            : new(
                post.Buttons.Select(row =>
                    row.Select(x =>
                        InlineKeyboardButton.WithCallbackData(
                            x.Label.Length > MaxLabel ? $"{Contracts.StorableText.Head(x.Label, MaxLabel)} …" : x.Label,
                            x.Data
                        )
                    )
                )
            );

    async Task<T> Call<T>(Func<Task<T>> call, CancellationToken cancel)
    {
        try
        {
            return await call();
        }
        catch (ApiRequestException refused)
        {
            throw Explain(refused);
        }
        catch (Exception failed)
            when (failed is RequestException or HttpRequestException or IOException
                || (failed is OperationCanceledException && !cancel.IsCancellationRequested)
            )
        {
            throw ChatException.OfConnection(failed, x => $"Telegram: {Redact(x)}");
        }
    }

    ChatException Explain(ApiRequestException refused)
    {
        var why = Redact(refused.Message);
        var moved = refused.Parameters?.MigrateToChatId;
        return new(
            moved is { } id ? $"Telegram: the group is a supergroup now; set Chat to {id}"
                : refused.ErrorCode is 401 or 404 ? "Telegram: it does not know the token"
                : refused.ErrorCode is 409 ? $"Telegram: another program reads the updates of this bot ({why})"
                : $"Telegram: {refused.ErrorCode} {why}",
            refused
        )
        {
            // What a server says that has failed itself may be said after it was done.
            NotDone = refused.ErrorCode is >= 400 and < 500,
            Permanent =
                refused.ErrorCode is 400 && moved is null && !why.Contains("chat not found", StringComparison.Ordinal),
            RetryAfter = refused.Parameters?.RetryAfter is { } seconds and > 0 ? TimeSpan.FromSeconds(seconds) : null,
        };
    }

    string Redact(string text) => Redaction.Redact(text.Replace(token, "[redacted]", StringComparison.Ordinal));

    static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
