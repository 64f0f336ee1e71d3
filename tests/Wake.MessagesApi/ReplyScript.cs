namespace Wake.Offline;

/// <summary>Replies that were decided ahead, before any prompt is looked at.</summary>
sealed class ReplyScript
{
    readonly Lock gate = new();
    readonly Queue<ScriptedReply?> queue = new();
    ScriptedReply? always;

    /// <summary>One reply per request, in this order; an empty text leaves its request to the prompt.</summary>
    /// <exception cref="FormatException">A text has an unknown marker, or one whose argument cannot be
    /// read.</exception>
    public void Queue(IEnumerable<string> replies)
    {
        var read = replies.Select(Read).ToList();

        lock (gate)
            read.ForEach(queue.Enqueue);
    }

    /// <summary>The reply to every request that finds the queue empty; null leaves them to their prompts.</summary>
    /// <exception cref="FormatException">The text has an unknown marker, or one whose argument cannot be
    /// read.</exception>
    public void Always(string? reply)
    {
        var read = Read(reply ?? "");

        lock (gate)
            always = read;
    }

    /// <summary>The reply to the next request, or null when its prompt decides.</summary>
    public ScriptedReply? Next()
    {
        lock (gate)
            return queue.TryDequeue(out var reply) ? reply : always;
    }

    public void Clear()
    {
        lock (gate)
        {
            queue.Clear();
            always = null;
        }
    }

    static ScriptedReply? Read(string reply) =>
        reply == "" ? null : ScriptedReply.From(Markers.InScript(reply).Step(0));
}
