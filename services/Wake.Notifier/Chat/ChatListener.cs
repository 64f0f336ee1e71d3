using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Notifier;

/// <summary>
/// Listens in the chats that answer back, and has their messages show how the questions are. Of all notifiers one does
/// that for a chat.
/// </summary>
sealed class ChatListener(
    IOptions<NotificationsOptions> options,
    Chats chats,
    ChatActions actions,
    RunnerNames locks,
    TimeProvider time,
    ILogger<ChatListener> log
) : BackgroundService
{
    // Another takes its place this soon.
    static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(2);

    // What is answered elsewhere is seen this soon.
    static readonly TimeSpan EditInterval = TimeSpan.FromSeconds(1);

    static readonly TimeSpan RegistrationDelay = TimeSpan.FromMilliseconds(200);

    static readonly TimeSpan EditTimeout = TimeSpan.FromSeconds(15);

    const int EditsAtOnce = 20;

    // After that long nobody waits for it any more.
    const int MaxEditAttempts = 50;

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(
            options.Value.Targets().Where(x => x.Target.IsChat).Select(x => Serve(x.Name, x.Target, stoppingToken))
        );

    async Task Serve(string name, NotificationTarget target, CancellationToken stoppingToken)
    {
        var chat = ChatConnection.Create(target);
        await BackgroundLoop.Run(log, $"Listening in {name}", ListenAlone, RetryDelay, time, stoppingToken);

        async Task<TimeSpan> ListenAlone(CancellationToken cancel)
        {
            // No runner can have this name, which has a blank.
            await using var held = await locks.Acquire($"chat {name}", before: null, cancel);
            if (held is null)
                return RetryDelay;

            using var end = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            using var answered = new SemaphoreSlim(0);
            var lost = held.WaitUntilLost(end.Token);
            Task[] work =
            [
                BackgroundLoop.Run(
                    log,
                    $"Reading {name}",
                    x => Listen(name, target, chat, answered, x),
                    RetryDelay,
                    time,
                    end.Token
                ),
                BackgroundLoop.Run(
                    log,
                    $"Editing in {name}",
                    x => EditOutdated(name, chat, answered, x),
                    RetryDelay,
                    time,
                    end.Token
                ),
            ];
            await Task.WhenAny([lost, .. work]);
            await end.CancelAsync();
            await Task.WhenAll(work);
            await lost.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return TimeSpan.Zero;
        }
    }

    async Task<TimeSpan> Listen(
        string name,
        NotificationTarget target,
        ChatConnection chat,
        SemaphoreSlim answered,
        CancellationToken cancel
    )
    {
        // Where the reading has come to is noted with the target.
        if (!await chats.IsTarget(name, cancel))
            return RegistrationDelay;

        var conversation = new ChatConversation(name, target, chat, chats, actions, log);
        try
        {
            await chat.Listen(
                await chats.FindCursor(name, cancel),
                async update =>
                {
                    await conversation.Handle(update, cancel);
                    answered.Release();
                },
                cancel
            );
            return TimeSpan.Zero;
        }
        catch (ChatException broken)
        {
            log.LogWarning("Reading {Target} failed ({Reason}); trying again.", name, broken.Message);
            WakeMetrics.ChatUpdates.Add(1, new("target", name), new("outcome", "unreadable"));
            return broken.RetryAfter > RetryDelay ? broken.RetryAfter.Value : RetryDelay;
        }
    }

    async Task<TimeSpan> EditOutdated(
        string name,
        ChatConnection chat,
        SemaphoreSlim answered,
        CancellationToken cancel
    )
    {
        await answered.WaitAsync(EditInterval, cancel);
        foreach (var message in await chats.ListOutdated(name, EditsAtOnce, cancel))
        {
            if (await actions.Questions.Find(message.Question, cancel) is not { } question)
                continue;

            var draft = await chats.FindDraft(question.Id, cancel);
            var (parts, buttons) = ChatQuestion.Render(question, draft, chat.MaxLength);
            try
            {
                await Edit(chat, message.MessageId, new(parts[^1], buttons), cancel);
                await chats.SetShown(message, draft.Revision, question.Outcome is not null, CancellationToken.None);
            }
            catch (ChatException failed)
            {
                var ends = failed.Permanent || message.EditAttempts >= MaxEditAttempts;
                log.LogWarning(
                    "A message in {Target} could not be edited ({Reason}){Ends}.",
                    name,
                    failed.Message,
                    ends ? "" : "; trying again"
                );
                if (ends)
                    await chats.SetShown(message, draft.Revision, final: true, CancellationToken.None);
                else
                    await chats.SetEditFailed(message, Backoff(message), failed.RetryAfter, CancellationToken.None);
                // It asks to be left alone, and not about this message alone.
                if (failed.RetryAfter is not null)
                    break;
            }
        }

        return TimeSpan.Zero;
    }

    static async Task Edit(ChatConnection chat, string messageId, ChatPost post, CancellationToken cancel)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(EditTimeout);
        try
        {
            await chat.Edit(messageId, post, bound.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new ChatException($"no answer within {EditTimeout.TotalSeconds:0} s");
        }
    }

    static TimeSpan Backoff(OutdatedChatMessage message) =>
        TimeSpan.FromSeconds(Math.Min(300, Math.Pow(2, message.EditAttempts)));
}
