namespace Wake.Offline;

/// <summary>One request the stand-in has received, and what became of it.</summary>
public sealed class SeenRequest
{
    readonly TaskCompletionSource<RequestEnding> ending = new(TaskCreationOptions.RunContinuationsAsynchronously);
    volatile int status;

    /// <summary>Counts the requests of this stand-in from 1 and never repeats, not even after a reset.</summary>
    public int Number { get; internal set; }

    /// <summary>When it arrived.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary><c>POST</c>, <c>GET</c>, …</summary>
    public required string Method { get; init; }

    /// <summary>The path with its query.</summary>
    public required string Path { get; init; }

    /// <summary>
    /// Whether it asks the model to go on with a conversation. All else is the CLI looking around, or wanting a title
    /// for its list of sessions.
    /// </summary>
    public required bool IsConversation { get; init; }

    /// <summary>The session the CLI says it is (<c>X-Claude-Code-Session-Id</c>), or null.</summary>
    public required Guid? SessionId { get; init; }

    /// <summary>The headers worth knowing, by their lower-case names.</summary>
    public required IReadOnlyDictionary<string, string> Headers { get; init; }

    /// <summary>The trace the request belongs to (<c>traceparent</c>), or null.</summary>
    public string? TraceParent => Headers.GetValueOrDefault("traceparent");

    /// <summary>The size of the body, as announced.</summary>
    public long Bytes { get; init; }

    /// <summary>The model that is asked for.</summary>
    public string Model { get; init; } = "";

    /// <summary>Whether the answer is wanted as an event stream.</summary>
    public bool Streams { get; init; }

    /// <summary>How many tools are offered.</summary>
    public int Tools { get; init; }

    /// <summary>The request's <c>metadata.user_id</c>, in which the CLI packs who is asking.</summary>
    public string UserId { get; init; } = "";

    /// <summary>The conversation as the model would see it, oldest first.</summary>
    public IReadOnlyList<SeenMessage> Messages { get; init; } = [];

    /// <summary>
    /// What is new since the model last spoke: texts as they are, tool results after the word <c>TOOL_RESULT</c>,
    /// messages of another role than <c>user</c> after that role.
    /// </summary>
    public IReadOnlyList<string> Tail { get; init; } = [];

    /// <summary>Counts the requests of one session that end in the same words: a retry is attempt 2.</summary>
    public int Attempt { get; internal set; } = 1;

    /// <summary>The HTTP status of the answer; null before it is known, and for a connection that was
    /// dropped.</summary>
    public int? Status => status is 0 ? null : status;

    /// <summary>How it ended, once it has: the wait for a client that is killed, or for a reply that is
    /// through.</summary>
    public Task<RequestEnding> Ending => ending.Task;

    /// <summary>Whether the text is anywhere in the conversation.</summary>
    public bool IsInConversation(string text) => Messages.Any(x => x.Text.Contains(text, StringComparison.Ordinal));

    /// <summary>Whether the text is new since the model last spoke.</summary>
    public bool IsInTail(string text) => Tail.Any(x => x.Contains(text, StringComparison.Ordinal));

    /// <summary>The request in one line, for messages about it.</summary>
    public override string ToString() =>
        $"#{Number} {Method} {Path} session {SessionId?.ToString() ?? "unknown"}, attempt {Attempt}, "
        + $"{(Ending.IsCompleted ? Ending.Result.ToString() : "unanswered")}: "
        + $"{string.Join(" | ", Tail.Select(Shortened))}";

    /// <summary>A text of the tail, short enough for a log and long enough to know it by.</summary>
    internal static string Shortened(string text) => text.Length <= 400 ? text : text[..400];

    internal void Answers(int withStatus) => status = withStatus;

    internal void Ends(RequestEnding how) => ending.TrySetResult(how);
}

/// <summary>The ways a request can end.</summary>
public enum RequestEnding
{
    /// <summary>The whole reply was written.</summary>
    Replied,

    /// <summary>The reply was an HTTP error, or an error event in the stream.</summary>
    Failed,

    /// <summary>The stream was cut off on purpose.</summary>
    CutOff,

    /// <summary>The connection was closed on purpose, without a response.</summary>
    Dropped,

    /// <summary>The client left before the reply was through.</summary>
    ClientGone,

    /// <summary>The stand-in stopped before the reply was through.</summary>
    Stopped,
}
