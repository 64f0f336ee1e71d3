using System.Text.Json;

namespace Wake.Notifier;

/// <summary>What stands in a channel of Slack, as far as the scopes of the app let Wake see it.</summary>
sealed class SlackHistory(SlackApi api, string channel)
{
    const string PageSize = "200";

    // More than people write while nobody reads.
    const int MaxPages = 20;

    static readonly string[] NotReadable =
    [
        "missing_scope",
        "not_allowed_token_type",
        "method_not_supported_for_channel_type",
    ];

    /// <summary>Whether the channel can be seen at all.</summary>
    /// <exception cref="ChatException">It cannot.</exception>
    public Task Check(CancellationToken cancel) =>
        api.Call("conversations.history", new() { ["channel"] = channel, ["limit"] = "1" }, cancel);

    /// <summary>The messages of the channel since a time; null where Wake may not see them.</summary>
    public Task<SlackPages?> ReadChannel(string after, CancellationToken cancel) =>
        Read("conversations.history", null, after, cancel);

    /// <summary>The messages of a thread since a time; null where Wake may not see them.</summary>
    public Task<SlackPages?> ReadThread(string thread, string after, CancellationToken cancel) =>
        Read("conversations.replies", thread, after, cancel);

    /// <summary>
    /// What was written since a time in threads of Wake's, in its order: in those that have a message among the newest
    /// of the channel.
    /// </summary>
    public async Task<IEnumerable<JsonElement>> ReadThreads(string after, CancellationToken cancel)
    {
        var bot = await api.FindBot(cancel);
        var newest = await api.Call(
            "conversations.history",
            new() { ["channel"] = channel, ["limit"] = PageSize },
            cancel,
            NotReadable
        );
        var threads = newest
            .List("messages")
            .Where(x => x.Text("user") == bot)
            // A question of a thread stands in the channel as well, and does not say what came after it.
            .Where(x => x.Text("latest_reply") is not { } latest || string.CompareOrdinal(latest, after) > 0)
            .Select(x => x.Text("thread_ts"))
            .OfType<string>()
            .Distinct();
        List<JsonElement> written = [];
        foreach (var thread in threads)
            written.AddRange((await ReadInTurn(thread, after, cancel))?.Messages ?? []);
        return written
            .Where(x => string.CompareOrdinal(x.Text("ts"), after) > 0)
            .OrderBy(x => x.Text("ts"), StringComparer.Ordinal);
    }

    // Who began anew at a limit would ask for as many again, and never come to the last of many threads.
    async Task<SlackPages?> ReadInTurn(string thread, string after, CancellationToken cancel)
    {
        while (true)
        {
            try
            {
                return await ReadThread(thread, after, cancel);
            }
            catch (ChatException limited) when (limited.RetryAfter is { } wait)
            {
                await Task.Delay(wait, cancel);
            }
        }
    }

    async Task<SlackPages?> Read(string method, string? thread, string after, CancellationToken cancel)
    {
        List<JsonElement> messages = [];
        string? next = null;
        for (var page = 0; page < MaxPages; page++)
        {
            var answer = await api.Call(
                method,
                new()
                {
                    ["channel"] = channel,
                    ["ts"] = thread,
                    ["oldest"] = after,
                    ["limit"] = PageSize,
                    ["cursor"] = next,
                    ["include_all_metadata"] = "true",
                },
                cancel,
                [.. NotReadable, "thread_not_found"]
            );
            if (answer.Text("error") is { } refused)
                return refused == "thread_not_found" ? new(messages, true) : null;

            messages.AddRange(answer.List("messages"));
            next = answer.Text("response_metadata", "next_cursor");
            if (string.IsNullOrEmpty(next))
                return new(messages, true);
        }

        return new(messages, false);
    }
}

/// <summary>Messages of a channel or a thread.</summary>
/// <param name="Messages">They.</param>
/// <param name="All">Whether there are no more.</param>
sealed record SlackPages(IReadOnlyList<JsonElement> Messages, bool All);
