namespace Wake.Notifier;

/// <summary>A channel of Slack, by an app in Socket Mode. What a session has to tell is a thread.</summary>
sealed class SlackChat : ChatConnection
{
    // A message is sent again for a few days at most.
    static readonly TimeSpan SearchTime = TimeSpan.FromDays(4);

    // What is told in the wrong order may be older than the last that was taken. What was taken is known for longer.
    static readonly TimeSpan Overlap = TimeSpan.FromMinutes(10);

    readonly string channel;
    readonly SlackApi api;
    readonly SlackConnections connections;
    readonly SlackHistory history;
    readonly SlackUpdates updates;

    public SlackChat(NotificationTarget target)
    {
        channel = target.Chat!;
        api = new(target);
        connections = new(api);
        history = new(api, channel);
        updates = new(api, target);
    }

    public override int MaxLength => SlackMessage.MaxLength;

    // Each would be a message, and pushes the question away.
    public override bool TellsChoices => false;

    public override async Task<string> Post(ChatPost post, CancellationToken cancel)
    {
        var arguments = SlackMessage.Arguments(channel, post);
        if (post.Id is { } id)
            arguments["metadata"] = SlackMessage.Metadata(id);
        if (SlackMessage.Find(channel, post.ReplyTo) is { } thread)
        {
            arguments["thread_ts"] = thread;
            // Who does not follow the thread is asked as well.
            arguments["reply_broadcast"] = post.Buttons is [] ? null : "true";
        }

        var answer = await api.Call(
            "chat.postMessage",
            arguments,
            cancel,
            "thread_not_found",
            "cannot_reply_to_message"
        );
        if (answer.Text("ok") != "true")
        {
            // Somebody has deleted the first message of the thread.
            arguments["thread_ts"] = arguments["reply_broadcast"] = null;
            answer = await api.Call("chat.postMessage", arguments, cancel);
        }

        return answer.Text("ts") is { } ts
            ? SlackMessage.Name(channel, ts)
            : throw new ChatException("Slack: it does not say what was posted");
    }

    public override async Task<FoundChatPost?> FindPosted(ChatPost post, CancellationToken cancel)
    {
        var me = await api.FindBot(cancel);
        var after = SlackMessage.Timestamp(DateTimeOffset.UtcNow - SearchTime);
        List<SlackPages?> seen = [await history.ReadChannel(after, cancel)];
        if (SlackMessage.Find(channel, post.ReplyTo) is { } thread)
            seen.Add(await history.ReadThread(thread, after, cancel));

        var there = seen.OfType<SlackPages>()
            .SelectMany(x => x.Messages)
            .Where(x => x.Text("user") == me && SlackMessage.IsPost(x, post.Id))
            .Select(x => x.Text("ts"))
            .FirstOrDefault();
        return there is not null ? new(SlackMessage.Name(channel, there))
            : seen.All(x => x is { All: true }) ? new FoundChatPost(null)
            : null;
    }

    public override async Task Edit(string messageId, ChatPost post, CancellationToken cancel)
    {
        if (SlackMessage.Find(channel, messageId) is not { } message)
            throw new ChatException("Slack: it is a message in another channel") { NotDone = true, Permanent = true };

        var arguments = SlackMessage.Arguments(channel, post);
        arguments["ts"] = message;
        await api.Call("chat.update", arguments, cancel);
    }

    public override Task Acknowledge(ChatUpdate.Press press, string sentence, CancellationToken cancel) =>
        api.Respond(press.Token, SlackMessage.Ephemeral(sentence), cancel);

    public override async Task Listen(
        (string Cursor, TimeSpan Age)? cursor,
        Func<ChatUpdate, Task> handle,
        CancellationToken cancel
    )
    {
        var first = await connections.Open(cancel);
        await connections.Read(
            first,
            async told =>
            {
                var last = await TellMissed(cursor, handle, cancel);
                await foreach (var (socket, json) in told.ReadAllAsync(cancel))
                {
                    if (json.Text("envelope_id") is not { } id)
                        continue;

                    if (await updates.Read(json, cancel) is not { } update)
                    {
                        await socket.Acknowledge(id);
                        continue;
                    }

                    if (update is ChatUpdate.Words words)
                        update = words with { Cursor = last = Later(last, words.Id) };
                    await handle(update with { Confirm = () => socket.Acknowledge(id) });
                }
            },
            cancel
        );
    }

    public override async Task<string?> FindProblem(CancellationToken cancel)
    {
        try
        {
            await api.FindBot(cancel);
            await history.Check(cancel);
            await api.OpenConnection(cancel);
            return null;
        }
        catch (ChatException failed)
        {
            return failed.Message;
        }
    }

    // What was written in the threads of the channel while nobody read, as far as Wake may see it. Presses Slack keeps
    // for nobody: who pressed has seen that nobody answers. Returns where the reading has come to.
    async Task<string> TellMissed(
        (string Cursor, TimeSpan Age)? cursor,
        Func<ChatUpdate, Task> handle,
        CancellationToken cancel
    )
    {
        if (cursor is not { } known || SlackMessage.Find(channel, known.Cursor) is not { } last)
        {
            var now = SlackMessage.Name(channel, SlackMessage.Timestamp(DateTimeOffset.UtcNow));
            await handle(new ChatUpdate.Other(now, now));
            return now;
        }

        var after =
            known.Age < Overlap && SlackMessage.Time(last) is { } at ? SlackMessage.Timestamp(at - Overlap) : last;
        var reached = known.Cursor;
        foreach (var message in await history.ReadThreads(after, cancel))
        {
            if (await updates.ReadWords(message, cancel) is not { } words)
                continue;

            reached = Later(reached, words.Id);
            await handle(words with { Cursor = reached });
        }

        return reached;
    }

    static string Later(string one, string other) => string.CompareOrdinal(one, other) > 0 ? one : other;
}
