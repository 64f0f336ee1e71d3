using System.Security.Cryptography;
using System.Text;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Notifier;

/// <summary>
/// What people press and write in one chat: answers, words for a session, and commands for Wake. Who is not on the list
/// of the target is not heard.
/// </summary>
sealed class ChatConversation(
    string target,
    NotificationTarget settings,
    ChatConnection chat,
    Chats chats,
    ChatActions actions,
    ILogger log
)
{
    static readonly TimeSpan ReplyTimeout = TimeSpan.FromSeconds(10);

    const int MaxName = 100;

    /// <summary>Takes one update: once, however often it is told.</summary>
    public async Task Handle(ChatUpdate update, CancellationToken cancel)
    {
        if (await chats.WasTaken(target, update.Id, cancel))
        {
            await SetTaken(update, cancel);
            return;
        }

        var (outcome, reply, session) = update switch
        {
            ChatUpdate.Other => ("ignored", null, null),
            _ when !IsAllowed(update.User) => Stranger(update),
            ChatUpdate.Press press => await Press(press, cancel),
            ChatUpdate.Words words => await Words(words, cancel),
            _ => throw new InvalidOperationException($"Unknown {update}."),
        };
        await SetTaken(update, cancel);
        WakeMetrics.ChatUpdates.Add(1, new("target", target), new("outcome", outcome));

        // Said once or not at all: what it says has happened, and can be asked for again.
        if (reply is not null)
            await TryReply(update, reply, session, cancel);
    }

    /// <summary>What a message is noted as that is known by a press on a question.</summary>
    public static string PressedMessage(Guid question, string messageId) => $"{question}/{messageId}";

    async Task SetTaken(ChatUpdate update, CancellationToken cancel)
    {
        await chats.SetTaken(target, update.Id, update.Cursor, cancel);
        if (update.Confirm is { } confirm)
            await confirm();
    }

    (string Outcome, string? Reply, string? Session) Stranger(ChatUpdate update)
    {
        // In a group others write to each other as well.
        if (update is not ChatUpdate.Words { IsPrivate: false, ReplyTo: null })
            log.LogWarning("Somebody who is not on the list of {Target} has tried: {User}.", target, update.User.Id);
        return (
            "stranger",
            update is ChatUpdate.Press
                ? $"You may not answer here: your id {update.User.Id} is not among Users."
                : null,
            null
        );
    }

    async Task<(string, string?, string?)> Press(ChatUpdate.Press press, CancellationToken cancel)
    {
        if (ChatPress.Parse(press.Data) is not { } pressed)
            return ("ignored", "Wake does not know this button.", null);
        if (await actions.Questions.Find(pressed.Question, cancel) is not { } question)
            return ("late", "This question is no longer there.", null);
        // A client sends what it likes, also about what people elsewhere are asked.
        if (!await chats.WasBegun(target, question.Id, cancel))
            return ("ignored", "Wake does not know this button.", null);

        // It may have been sent twice, and then it is known by this.
        await chats.Adopt(
            target,
            PressedMessage(question.Id, press.MessageId),
            press.MessageId,
            question.Session,
            question.Id,
            cancel
        );
        var by = Who(press.User);
        if (question.Outcome is not null)
            return Late(question, by);

        if (question.Permission is not null)
        {
            PermissionAnswer? decision = pressed.What switch
            {
                ChatPress.Allow or ChatPress.AllowForSession when ChatQuestion.CanAllow(question, chat.MaxLength) =>
                    new(true, null)
                    {
                        Shown = question.Permission.Hash,
                        ForSession = pressed.What == ChatPress.AllowForSession && question.Permission.FitsSession,
                    },
                ChatPress.Deny => new(false, null),
                _ => null,
            };
            return decision is null
                ? ("ignored", "This cannot be answered by a button.", null)
                : await Answered(question, x => actions.Decide(x, decision, by, cancel), by, cancel);
        }

        if (pressed.What == ChatPress.Send)
            return await SendChosen(question, pressed, by, cancel);

        if (pressed.Selection is { } selection)
            return await Choose(question, press, selection.Item, selection.Options, cancel);

        if (
            pressed.Choice is not { } choice
            || choice.Item >= question.Questions.Count
            || choice.Option >= question.Questions[choice.Item].Options.Count
        )
            return ("ignored", "Wake does not know this button.", null);

        var label = question.Questions[choice.Item].Options[choice.Option].Label;
        if (ChatQuestion.IsSimple(question))
            return await AnswerOnly(question, label, by, cancel);

        var draft = await chats.ChangeDraft(
            question.Id,
            target,
            press.Id,
            x => ChatQuestion.Toggle(question, x, choice.Item, label),
            cancel
        );
        return (
            "chosen",
            draft is null || !chat.TellsChoices ? null
            : draft.Of(choice.Item).Contains(label) ? "Chosen. Press Send when all is."
            : "Not chosen any more.",
            null
        );
    }

    async Task<(string, string?, string?)> Choose(
        Question question,
        ChatUpdate.Press press,
        int item,
        IReadOnlyList<int> options,
        CancellationToken cancel
    )
    {
        if (ChatQuestion.Labels(question, item, options) is not { } chosen)
            return ("ignored", "Wake does not know this choice.", null);

        var draft = await chats.ChangeDraft(question.Id, target, press.Id, x => x.With(item, chosen), cancel);
        return ("chosen", draft is null || !chat.TellsChoices ? null : "Chosen. Press Send when all is.", null);
    }

    async Task<(string, string?, string?)> SendChosen(
        Question question,
        ChatPress pressed,
        string by,
        CancellationToken cancel
    )
    {
        var draft = await chats.FindDraft(question.Id, cancel);
        // What somebody did not see they do not answer.
        if (draft.Revision != pressed.Revision)
            return ("chosen", "The choice has changed since. Look at it, and press Send again.", null);

        if (ChatQuestion.Answers(question, draft) is { } answers)
            return await Answer(question, answers, by, cancel);

        var missing = Enumerable.Range(0, question.Questions.Count).Where(x => draft.Of(x) is []).Select(x => x + 1);
        return ("chosen", $"Nothing is chosen yet for {string.Join(", ", missing)}.", null);
    }

    async Task<(string, string?, string?)> Words(ChatUpdate.Words words, CancellationToken cancel)
    {
        var origin = words.ReplyTo is { } other ? await chats.FindOrigin(target, other, cancel) : null;
        if (origin?.Session is not { } session)
        {
            // Others talk there as well, and not to Wake.
            return words.IsPrivate
                ? (
                    "ignored",
                    "Reply to a message about a session: your words, or status, pause, resume, stop or close.",
                    null
                )
                : ("ignored", null, null);
        }

        var by = Who(words.User);
        var text = StorableText.Sanitize(words.Text).Trim();
        if (text.Length == 0)
            return ("ignored", "Only text can be told.", session);

        var about = words.InThreadAt is { } at
            ? await chats.FindQuestion(target, session, words.Id, at, cancel)
            : origin.Question;
        var question = about is { } id ? await actions.Questions.Find(id, cancel) : null;
        var command = ChatActions.ParseCommand(text);
        // Who is asked whether to close something, and replies close, does not mean the session.
        if (
            question is { Outcome: null }
            && ChatQuestion.CanAnswer(question)
            && (command is null || !text.StartsWith('/'))
        )
            return await AnswerInWords(question, words, text, by, cancel);

        // The process may have ended before it was noted that these words were taken.
        if (question is not null && ChatQuestion.IsSettledBy(question, by, text))
            return Late(question, by);

        if (command is { } order)
            return ("command", await actions.Execute(order, session, by, IdOf(words), cancel), session);

        return ("told", await actions.Tell(target, session, text, by, words.Id, cancel), session);
    }

    async Task<(string, string?, string?)> AnswerInWords(
        Question question,
        ChatUpdate.Words words,
        string text,
        string by,
        CancellationToken cancel
    )
    {
        if (EventValidation.TextProblem(text, EventLimits.MaxReasonLength) is { } problem)
            return ("ignored", $"An answer {problem}", question.Session);
        if (question.Permission is not null)
            return await Answered(
                question,
                x => actions.Decide(x, new PermissionAnswer(false, text), by, cancel),
                by,
                cancel
            );
        if (question.Questions.Count == 1)
            return await AnswerOnly(question, text, by, cancel);

        var item = 0;
        var draft = await chats.ChangeDraft(
            question.Id,
            target,
            words.Id,
            x =>
            {
                (item, var answer) = ChatQuestion.Addressed(question, x, text);
                return x.With(item, [answer]);
            },
            cancel
        );
        return (
            "chosen",
            draft is null ? null : $"Noted for question {item + 1}. Press Send when all is.",
            question.Session
        );
    }

    // Of a call that asks one question.
    Task<(string, string?, string?)> AnswerOnly(Question question, string text, string by, CancellationToken cancel) =>
        Answer(question, new Dictionary<string, string> { [question.Questions[0].Question] = text }, by, cancel);

    Task<(string, string?, string?)> Answer(
        Question question,
        IReadOnlyDictionary<string, string> answers,
        string by,
        CancellationToken cancel
    ) => Answered(question, x => actions.Answer(x, answers, by, cancel), by, cancel);

    async Task<(string, string?, string?)> Answered(
        Question question,
        Func<Guid, Task<bool>> settle,
        string by,
        CancellationToken cancel
    ) =>
        await settle(question.Id)
            ? ("answered", $"{question.Session} goes on.", question.Session)
            : Late((await actions.Questions.Find(question.Id, cancel))!, by);

    static (string, string?, string?) Late(Question question, string by) =>
        // Theirs was noted, and before it was said the process ended; or they have pressed twice, maybe something else.
        question.AnsweredBy == by
            ? ("answered", $"{question.Session} goes on. {ChatQuestion.Settled(question)}", question.Session)
            : ("late", $"Too late. {ChatQuestion.Settled(question)}", question.Session);

    async Task TryReply(ChatUpdate update, string reply, string? session, CancellationToken cancel)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(ReplyTimeout);
        try
        {
            if (update is ChatUpdate.Press press)
            {
                await chat.Acknowledge(press, StorableText.Head(reply, 200), bound.Token);
            }
            else if (update is ChatUpdate.Words words)
            {
                var text = new ChatText().AddForeign(reply, chat.MaxLength / 2);
                var posted = await chat.Post(new(text, [], words.MessageId), bound.Token);
                // So that a reply to it is known as one to the session.
                await chats.Adopt(target, $"update {update.Id}", posted, session, null, CancellationToken.None);
            }
        }
        catch (Exception failed)
            when (failed is ChatException || (failed is OperationCanceledException && !cancel.IsCancellationRequested))
        {
            log.LogWarning("A reply in {Target} could not be given ({Reason}).", target, failed.Message);
        }
    }

    bool IsAllowed(ChatUser user) => settings.Users?.Contains(user.Id) is true;

    string Who(ChatUser user)
    {
        var name = VisibleText.ReplaceInvisible(StorableText.Sanitize(user.Name), VisibleText.EscapeSequence);
        return $"{StorableText.Head(name, MaxName)} [{user.Id}] in {target}";
    }

    // The same again is the same wish.
    Guid IdOf(ChatUpdate update) => new(SHA256.HashData(Encoding.UTF8.GetBytes($"{target}/{update.Id}")).AsSpan(0, 16));
}
