using System.Buffers;
using System.Net.ServerSentEvents;
using System.Threading.Channels;

namespace Wake.Gateway;

/// <summary>Server-sent events to those who follow something.</summary>
static class ServerSentEvents
{
    /// <summary>The type of an empty event that is sent after a silence: a connection that broke without a word is only
    /// noticed by writing to it.</summary>
    public const string PingType = "ping";

    static readonly TimeSpan PingInterval = TimeSpan.FromSeconds(15);

    /// <summary>The empty event of a silence.</summary>
    public static SseItem<byte[]> Ping { get; } = new("{}"u8.ToArray(), PingType);

    /// <summary>Writes what comes, until it ends or nobody reads any longer.</summary>
    public static async Task Write(HttpContext http, IAsyncEnumerable<SseItem<byte[]>> items, CancellationToken cancel)
    {
        // The follower learns at once that it is connected, however long nothing is said.
        http.Response.ContentType = "text/event-stream";
        http.Response.Headers.CacheControl = "no-cache";
        await http.Response.Body.FlushAsync(cancel);

        await SseFormatter.WriteAsync(items, http.Response.Body, (item, writer) => writer.Write(item.Data), cancel);
    }

    /// <summary>Waits until there is something to read. Null: not for long; false: never again.</summary>
    public static async Task<bool?> WaitToRead<T>(ChannelReader<T> reader, CancellationToken cancel)
    {
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        silence.CancelAfter(PingInterval);
        try
        {
            return await reader.WaitToReadAsync(silence.Token);
        }
        catch (OperationCanceledException)
        {
            return cancel.IsCancellationRequested ? false : null;
        }
    }

    /// <summary>The answer to one more than may follow at once.</summary>
    /// <param name="http">Its request.</param>
    /// <param name="problem">How many do.</param>
    public static IResult TooManyFollow(HttpContext http, string problem)
    {
        http.Response.Headers.RetryAfter = "5";
        return ProblemResults.Create(
            StatusCodes.Status503ServiceUnavailable,
            $"{problem}, which is as many as may (Gateway__MaxFollowers). Ask again."
        );
    }
}
