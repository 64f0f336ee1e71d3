using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Wake.Offline;

/// <summary>
/// A loopback stand-in for the Anthropic Messages API, so that the real <c>claude</c> runs offline and says what a test
/// wants it to. Replies follow markers in the prompt, such as <c>[[bash:ls]]</c>, or are queued; <see cref="Help"/> has
/// the language. Any number of them can run in one process.
/// </summary>
public sealed class MessagesApi : IAsyncDisposable
{
    // A cold start of the CLI on a busy machine, several times over.
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    readonly SeenRequests seen;
    readonly ReplyScript script = new();
    readonly HeldReplies holds = new();
    readonly CancellationTokenSource stopping = new();
    readonly WebApplication app;

    MessagesApi(IPAddress address, int port, TextWriter? log)
    {
        seen = new(log);
        app = LoopbackServer.Build(address, port);

        app.MapPost("/v1/messages", new MessagesEndpoint(seen, script, holds, stopping.Token).Answer);
        app.MapPost(
            "/v1/messages/count_tokens",
            http => Answer(http, StatusCodes.Status200OK, new { input_tokens = 10 })
        );
        app.MapAdmin(this);
        app.MapFallback(
            "{*path}",
            http =>
                Answer(
                    http,
                    StatusCodes.Status404NotFound,
                    new { type = "error", error = new { type = "not_found_error", message = "no such path" } }
                )
        );
    }

    /// <summary>Where it serves, as <c>ANTHROPIC_BASE_URL</c> wants it: no slash at the end.</summary>
    public string Url { get; private set; } = "";

    /// <summary>The environment in which the CLI asks it, and asks nothing twice.</summary>
    public Dictionary<string, string> Login =>
        new()
        {
            ["ANTHROPIC_BASE_URL"] = Url,
            ["ANTHROPIC_API_KEY"] = "sk-test-0123456789",
            ["CLAUDE_CODE_MAX_RETRIES"] = "0",
        };

    /// <summary>The requests to go on with a conversation so far, oldest first; of very many, the newest.</summary>
    public IReadOnlyList<SeenRequest> Requests => [.. seen.All.Where(x => x.IsConversation)];

    /// <summary>Every request so far, also those by which the CLI looks around or asks for a title.</summary>
    public IReadOnlyList<SeenRequest> Everything => seen.All;

    /// <summary>
    /// The body of the newest of <see cref="Requests"/>, system prompt and tools included; an empty object before the
    /// first.
    /// </summary>
    public JsonElement LastBody => seen.LastBody;

    /// <summary>
    /// Starts a stand-in that serves until it is disposed, on a free port unless one is named. The log gets a line of
    /// JSON for every request that has ended, and stays the caller's to close.
    /// </summary>
    /// <exception cref="IOException">The port is taken.</exception>
    public static async Task<MessagesApi> Start(
        int port = 0,
        TextWriter? log = null,
        IPAddress? address = null,
        CancellationToken cancel = default
    )
    {
        var api = new MessagesApi(address ?? IPAddress.Loopback, port, log);
        await api.app.StartAsync(cancel);
        api.Url = api.app.Urls.Single();

        return api;
    }

    /// <summary>
    /// The first of <see cref="Requests"/> that matches, now or later: requests already seen count, and each is looked
    /// at again when its status or ending becomes known. For a later one, ask for a <see cref="SeenRequest.Number"/>
    /// above the last. Waits a minute unless told otherwise.
    /// </summary>
    /// <exception cref="TimeoutException">None came; the message has the expression and what was seen
    /// instead.</exception>
    public async Task<SeenRequest> Next(
        Func<SeenRequest, bool> matching,
        TimeSpan? within = null,
        CancellationToken cancel = default,
        [CallerArgumentExpression(nameof(matching))] string expression = ""
    )
    {
        var patience = within ?? Patience;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(patience);

        try
        {
            await foreach (var request in seen.Watch(limit.Token))
            {
                if (request.IsConversation && matching(request))
                    return request;
            }
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            var instead = string.Join('\n', Everything.TakeLast(20));
            throw new TimeoutException(
                $"No request for {expression} within {patience.TotalSeconds} s. Seen:\n{instead}"
            );
        }

        throw new ObjectDisposedException(nameof(MessagesApi), $"Stopped while waiting for {expression}.");
    }

    /// <summary>One reply per request, before any prompt's own markers; an empty one leaves its request to the
    /// prompt.</summary>
    /// <exception cref="FormatException">A reply has an unknown marker, or one whose argument cannot be
    /// read.</exception>
    public void Queue(params string[] replies) => script.Queue(replies);

    /// <summary>The reply to every request that finds the queue empty; null leaves them to their prompts
    /// again.</summary>
    /// <exception cref="FormatException">The reply has an unknown marker, or one whose argument cannot be
    /// read.</exception>
    public void Always(string? reply) => script.Always(reply);

    /// <summary>
    /// Lets the replies go that <c>[[hold:NAME]]</c> keeps waiting, and says how many that were. If there was none, the
    /// next one with that name passes. The empty name is that of <c>[[hold]]</c>.
    /// </summary>
    public int Release(string name = "") => holds.Release(name);

    /// <summary>Forgets queue, mode, attempts and requests, and lets every held reply go.</summary>
    public void Reset()
    {
        script.Clear();
        seen.Clear();
        holds.ReleaseAll();
    }

    /// <summary>Stops serving. Replies that still wait end at once, with their connections.</summary>
    public async ValueTask DisposeAsync()
    {
        if (stopping.IsCancellationRequested)
            return;

        await stopping.CancelAsync();
        await app.DisposeAsync();
        seen.Close();
        stopping.Dispose();
    }

    Task Answer(HttpContext http, int status, object body)
    {
        var request = RequestParser.Other(http.Request);
        seen.Add(request, default);
        seen.Answer(request, status);
        seen.End(request, status < 400 ? RequestEnding.Replied : RequestEnding.Failed);

        http.Response.StatusCode = status;
        return http.Response.WriteAsJsonAsync(body, http.RequestAborted);
    }
}
