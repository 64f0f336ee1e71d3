using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Wake.Tests.Support;

/// <summary>A server that is told things by HTTP, on loopback. It remembers what it was told and answers as it is
/// ordered to.</summary>
public sealed class LoopbackReceiver : IAsyncDisposable
{
    /// <summary>What those are signed with that it is sent.</summary>
    public const string Secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    readonly WebApplication app;
    readonly ConcurrentQueue<Received> received = new();

    LoopbackReceiver(WebApplication app) => this.app = app;

    /// <summary>One request.</summary>
    public sealed record Received(string Method, string Path, IReadOnlyDictionary<string, string> Headers, string Body)
    {
        public string Id => Headers["webhook-id"];
    }

    public Uri Url => new(app.Urls.First());

    public IReadOnlyList<Received> Requests => [.. received];

    /// <summary>How it answers; null: with 200.</summary>
    public Func<HttpContext, Task>? Answer { get; set; }

    public static async Task<LoopbackReceiver> Start(int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port));
        var receiver = new LoopbackReceiver(builder.Build());
        receiver.app.Run(receiver.Take);
        await receiver.app.StartAsync();
        return receiver;
    }

    /// <summary>Answers with a status, and with a header where one is given.</summary>
    public void AnswerWith(int status, string? header = null, string? value = null) =>
        Answer = context =>
        {
            context.Response.StatusCode = status;
            if (header is not null)
                context.Response.Headers[header] = value;
            return Task.CompletedTask;
        };

    async Task Take(HttpContext context)
    {
        using var body = new StreamReader(context.Request.Body);
        received.Enqueue(
            new(
                context.Request.Method,
                context.Request.Path,
                context.Request.Headers.ToDictionary(x => x.Key.ToLowerInvariant(), x => x.Value.ToString()),
                await body.ReadToEndAsync()
            )
        );
        if (Answer is { } answer)
            await answer(context);
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();
}
