using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;

namespace Wake.Offline;

/// <summary>The newest requests, counted, and handed to everyone who waits for one.</summary>
sealed class SeenRequests(TextWriter? log)
{
    // A storm of 5,000 turns with a tool each fits; a long-running stand-in stays small.
    const int MostRequests = 10_000;

    // Each request repeats its whole conversation, so long sessions reach this one first: 256 MB of UTF-16.
    const long MostCharacters = 128 * 1024 * 1024;

    static readonly JsonElement Nothing = JsonElement.Parse("{}");

    readonly Lock gate = new();
    readonly Queue<SeenRequest> requests = new();
    readonly Dictionary<string, int> attempts = [];
    readonly List<ChannelWriter<SeenRequest>> watchers = [];
    JsonElement lastBody = Nothing;
    long characters;
    int newest;
    bool closed;

    public IReadOnlyList<SeenRequest> All
    {
        get
        {
            lock (gate)
                return [.. requests];
        }
    }

    /// <summary>The newest conversation's body; an empty object before the first. Only this one is kept
    /// whole.</summary>
    public JsonElement LastBody
    {
        get
        {
            lock (gate)
                return lastBody;
        }
    }

    public void Add(SeenRequest request, JsonElement body)
    {
        var key = Key(request);

        lock (gate)
        {
            request.Number = ++newest;
            request.Attempt = attempts[key] = attempts.GetValueOrDefault(key) + 1;
            requests.Enqueue(request);
            characters += Characters(request);
            if (request.IsConversation && body.ValueKind == JsonValueKind.Object)
                lastBody = body;

            while (requests.Count > MostRequests || (characters > MostCharacters && requests.Count > 1))
                Forget(requests.Dequeue());

            Tell(request);
        }
    }

    public void Answer(SeenRequest request, int status)
    {
        lock (gate)
        {
            request.Answers(status);
            Tell(request);
        }
    }

    public void End(SeenRequest request, RequestEnding how)
    {
        lock (gate)
        {
            request.Ends(how);
            log?.WriteLine(LogRow.For(request).ToJson());
            log?.Flush();
            Tell(request);
        }
    }

    public void Clear()
    {
        lock (gate)
        {
            requests.Clear();
            attempts.Clear();
            characters = 0;
            lastBody = Nothing;
        }
    }

    /// <summary>Ends every watch: nothing more will come.</summary>
    public void Close()
    {
        lock (gate)
        {
            closed = true;
            watchers.ForEach(x => x.TryComplete());
        }
    }

    /// <summary>Every request so far and from now on, and each again whenever something about it changes.</summary>
    public async IAsyncEnumerable<SeenRequest> Watch([EnumeratorCancellation] CancellationToken cancel)
    {
        var channel = Channel.CreateUnbounded<SeenRequest>();

        lock (gate)
        {
            foreach (var request in requests)
                channel.Writer.TryWrite(request);

            watchers.Add(channel.Writer);
            if (closed)
                channel.Writer.TryComplete();
        }

        try
        {
            await foreach (var request in channel.Reader.ReadAllAsync(cancel))
                yield return request;
        }
        finally
        {
            lock (gate)
                watchers.Remove(channel.Writer);
        }
    }

    void Tell(SeenRequest request) => watchers.ForEach(x => x.TryWrite(request));

    void Forget(SeenRequest request)
    {
        characters -= Characters(request);

        // Counting goes on while a newer attempt is still in the log.
        var key = Key(request);
        if (attempts.GetValueOrDefault(key) == request.Attempt)
            attempts.Remove(key);
    }

    static long Characters(SeenRequest request) => request.Messages.Sum(x => x.Blocks.Sum(y => (long)y.Text.Length));

    // The count of messages tells two turns with the same words apart; a retry repeats it.
    static string Key(SeenRequest request) =>
        Convert.ToHexString(
            SHA256.HashData(
                Encoding.UTF8.GetBytes(
                    $"{request.SessionId} {request.Messages.Count} "
                        + $"{string.Join('\n', request.Tail.Select(SeenRequest.Shortened))}"
                )
            )
        );
}
