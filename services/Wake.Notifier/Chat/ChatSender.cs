using Wake.Store;

namespace Wake.Notifier;

/// <summary>
/// Posts in a chat: questions with their buttons, the rest as text below the first message of its session. Each has a
/// row before it is sent. What may have arrived before says so.
/// </summary>
sealed class ChatSender(string target, ChatConnection chat, Chats chats, Questions questions) : NotificationSender
{
    const string SentAgain = "(Sent again: nobody knows whether it arrived before.)\n";

    internal override async Task<SendResult> Send(ClaimedNotification message, CancellationToken cancel)
    {
        try
        {
            List<StatedFact> rest = [];
            foreach (var fact in message.Facts)
            {
                if (Question(fact) is not { } id)
                    rest.Add(fact);
                else if (fact.Type == "question.asked")
                    await PostQuestion(fact, id, cancel);
                // Its message shows it.
                else if (!await chats.Shows(target, id, cancel))
                    rest.Add(fact);
            }

            if (rest is not [])
                await PostFacts(message with { Facts = rest }, cancel);
            return new SendResult.Delivered();
        }
        catch (ChatException failed)
        {
            return new SendResult.Failed(failed.Message)
            {
                RetryAfter = failed.RetryAfter,
                Permanent = failed.Permanent,
            };
        }
    }

    public override Task<string?> FindProblem(CancellationToken cancel) => chat.FindProblem(cancel);

    async Task PostQuestion(StatedFact fact, Guid id, CancellationToken cancel)
    {
        if (await questions.Find(id, cancel) is not { } question)
            return;

        var draft = await chats.FindDraft(id, cancel);
        var (parts, buttons) = ChatQuestion.Render(question, draft, chat.MaxLength);
        for (var part = 0; part < parts.Count; part++)
        {
            var isLast = part == parts.Count - 1;
            await Post(
                new(target, $"{fact.Id}", part, question.Session, id)
                {
                    Revision = draft.Revision,
                    Final = !isLast || question.Outcome is not null,
                },
                parts[part],
                isLast ? buttons : [],
                cancel,
                isQuestion: isLast
            );
        }
    }

    async Task PostFacts(ClaimedNotification message, CancellationToken cancel)
    {
        var sessions = message.Facts.Select(x => NotificationText.Text(x, "session")).Distinct().ToList();
        var text = new ChatText()
            .AddForeign(NotificationText.Title(message), chat.MaxLength)
            .Add("\n")
            .AddForeign(NotificationText.Body(message), 4 * chat.MaxLength);
        // What is noted beside the text needs room as well.
        foreach (var (part, piece) in text.Split(chat.MaxLength - SentAgain.Length).Index())
            await Post(new(target, $"{message.Id}", part, sessions is [var one] ? one : null, null), piece, [], cancel);
    }

    async Task Post(
        NewChatMessage message,
        ChatText text,
        IReadOnlyList<IReadOnlyList<ChatButton>> buttons,
        CancellationToken cancel,
        bool isQuestion = false
    )
    {
        var state = await chats.Begin(message, cancel);
        if (state.MessageId is not null)
            return;

        var post = new ChatPost(text, buttons, state.Thread)
        {
            Id = $"{message.About}/{message.Part}",
            Question = isQuestion ? message.Question : null,
            IsAnother = x => IsAnother(message, x, cancel),
        };
        try
        {
            if (state.MayStandThere)
            {
                var found = await Find(message, post, cancel);
                if (found?.MessageId is { } there)
                {
                    await chats.SetPosted(message, there, CancellationToken.None);
                    return;
                }

                if (found is null)
                    post = post with { Text = new ChatText().Add(SentAgain).Add(text) };
            }

            var posted = await chat.Post(post, cancel);
            await chats.SetPosted(message, posted, CancellationToken.None);
        }
        catch (ChatException failed) when (failed.NotDone)
        {
            await chats.SetRefused(message, CancellationToken.None);
            throw;
        }
    }

    async Task<FoundChatPost?> Find(NewChatMessage message, ChatPost post, CancellationToken cancel)
    {
        try
        {
            var found = await chat.FindPosted(post, cancel);
            // It shows how the question was when it was sent.
            if (found?.MessageId is { } there && message.Question is not null)
                await chat.Edit(there, post, cancel);
            return found;
        }
        catch (ChatException failed)
        {
            // Whatever it was, nothing was sent.
            throw new ChatException(failed.Message, failed) { NotDone = true, RetryAfter = failed.RetryAfter };
        }
    }

    // What was noted for a press may be the one.
    async Task<bool> IsAnother(NewChatMessage message, string messageId, CancellationToken cancel) =>
        await chats.FindOrigin(target, messageId, cancel) is { } origin
        && (message.Question is not { } id || origin.About != ChatConversation.PressedMessage(id, messageId));

    static Guid? Question(StatedFact fact) =>
        Guid.TryParse(NotificationText.Text(fact, "question"), out var id) ? id : null;
}
