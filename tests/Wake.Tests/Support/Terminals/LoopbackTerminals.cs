using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Wake.Contracts.Http;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>What a terminal has asked.</summary>
/// <param name="What">What follows the session in the path.</param>
/// <param name="Session">The Claude session.</param>
/// <param name="Authorization">The header.</param>
/// <param name="Body">As text.</param>
sealed record TerminalRequest(string What, Guid Session, string? Authorization, string Body)
{
    public T As<T>() => JsonSerializer.Deserialize<T>(Body, JsonSerializerOptions.Web)!;
}

/// <summary>A Wake that says to terminals what a test lets it say, and takes their transcripts.</summary>
sealed class LoopbackTerminals : IAsyncDisposable
{
    readonly WebApplication app;
    readonly ConcurrentQueue<TerminalRequest> requests = new();
    readonly ConcurrentDictionary<Guid, Channel<TerminalLine>> waiting = new();

    // Of no timer, so nothing is left of it.
    readonly CancellationTokenSource stop = new();

    LoopbackTerminals(WebApplication app) => this.app = app;

    public Uri Url => new(app.Urls.Single());

    public IReadOnlyList<TerminalRequest> Requests => [.. requests];

    /// <summary>What hooks are answered.</summary>
    public TerminalHookAnswer Answer { get; set; } = new(null, null, null);

    /// <summary>With what a request is answered instead; null as usual.</summary>
    public Func<TerminalRequest, HttpContext, Task<IResult?>> Instead { get; set; } =
        (_, _) => Task.FromResult<IResult?>(null);

    /// <summary>The transcripts, by their paths.</summary>
    public ConcurrentDictionary<string, byte[]> Stored { get; } = new();

    /// <summary>The claims of what was sent last, by its path: its rows.</summary>
    public ConcurrentDictionary<string, int> StoredRows { get; } = new();

    /// <summary>How many are connected.</summary>
    public int Waiting => waiting.Count;

    public static async Task<LoopbackTerminals> Start()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var terminals = new LoopbackTerminals(app);
        app.Map("/v1/terminals/{session:guid}/{what}", terminals.Take);
        await app.StartAsync();
        return terminals;
    }

    public IReadOnlyList<TerminalRequest> Of(string what) => [.. Requests.Where(x => x.What == what)];

    /// <summary>Sends a line to all that wait, once somebody does.</summary>
    public async Task Send(TerminalLine line)
    {
        await Eventually.Holds(() => Task.FromResult(!waiting.IsEmpty), "a terminal waits");
        foreach (var lines in waiting.Values)
            await lines.Writer.WriteAsync(line);
    }

    /// <summary>Sends a wake.</summary>
    public Task Wake(string text, int number = 1) =>
        Send(new(TerminalLine.Wake, text) { WakeNumber = number, Epoch = 7 });

    /// <summary>Breaks all connections.</summary>
    public void HangUp()
    {
        foreach (var lines in waiting.Values)
            lines.Writer.TryComplete(new IOException("Hung up."));
    }

    async Task<IResult> Take(Guid session, string what, HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        var request = new TerminalRequest(
            what,
            session,
            context.Request.Headers.Authorization,
            System.Text.Encoding.UTF8.GetString(body.ToArray())
        );
        requests.Enqueue(request);
        if (await Instead(request, context) is { } instead)
            return instead;

        switch (what)
        {
            case "hooks":
                return Results.Json(Answer);
            case "wait":
                await Attend(context);
                return Results.Empty;
            case "transcript" when context.Request.Method == "GET":
                return Results.Json(
                    Stored.Select(x => new StoredTranscriptFile(
                        x.Key,
                        x.Value.Length,
                        Convert.ToHexString(SHA256.HashData(x.Value))
                    ))
                );
            case "transcript":
                return Store(context.Request.Query, body.ToArray());
            default:
                return Results.NoContent();
        }
    }

    async Task Attend(HttpContext context)
    {
        var (id, lines) = (Guid.NewGuid(), Channel.CreateUnbounded<TerminalLine>());
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stop.Token);
        context.Response.ContentType = "application/x-ndjson";
        await lines.Writer.WriteAsync(new(TerminalLine.Ping, null));
        waiting[id] = lines;
        try
        {
            await foreach (var line in lines.Reader.ReadAllAsync(ended.Token))
            {
                await context.Response.WriteAsync(
                    JsonSerializer.Serialize(line, JsonSerializerOptions.Web) + "\n",
                    ended.Token
                );
                await context.Response.Body.FlushAsync(ended.Token);
            }
        }
        catch (Exception gone) when (gone is OperationCanceledException or IOException)
        {
            context.Abort();
        }
        finally
        {
            waiting.TryRemove(id, out _);
        }
    }

    IResult Store(IQueryCollection query, byte[] added)
    {
        var (path, from) = (query["path"].ToString(), int.Parse($"{query["stored"]}"));
        var before = Stored.GetValueOrDefault(path) ?? [];
        if (from != 0 && from != before.Length)
            return Results.Conflict();

        byte[] now = [.. before.AsSpan(0, from), .. added];
        Assert.Equal(int.Parse($"{query["bytes"]}"), now.Length);
        Assert.Equal(Convert.ToHexString(SHA256.HashData(now)), $"{query["sha256"]}", ignoreCase: true);
        (Stored[path], StoredRows[path]) = (now, int.Parse($"{query["rows"]}"));
        return Results.NoContent();
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await app.DisposeAsync();
    }
}
