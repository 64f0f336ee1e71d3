using System.Net.WebSockets;
using System.Text.Json;

namespace Wake.Notifier;

/// <summary>
/// A connection by which Slack tells what people do, which is dialled out and open:
/// https://docs.slack.dev/apis/events-api/using-socket-mode
/// </summary>
sealed class SlackSocket : IDisposable
{
    static readonly TimeSpan OpenTimeout = TimeSpan.FromSeconds(15);
    static readonly TimeSpan SendTimeout = TimeSpan.FromSeconds(5);

    // A router between may forget it, and then nobody hears of anything.
    static readonly TimeSpan PingInterval = TimeSpan.FromSeconds(15);
    static readonly TimeSpan PongTimeout = TimeSpan.FromSeconds(30);

    // A message of Slack's has at most 40,000 characters, and what is told of it is several times as long.
    const int MaxBytes = 4 * 1024 * 1024;

    readonly ClientWebSocket socket = new()
    {
        Options = { KeepAliveInterval = PingInterval, KeepAliveTimeout = PongTimeout },
    };

    SlackSocket() { }

    /// <summary>Opens one, which tells from now on.</summary>
    /// <exception cref="ChatException">It could not be opened.</exception>
    public static async Task<SlackSocket> Open(SlackApi api, CancellationToken cancel)
    {
        var opened = new SlackSocket();
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(OpenTimeout);
        try
        {
            await opened.socket.ConnectAsync(await api.OpenConnection(bound.Token), bound.Token);
            var hello = await opened.Receive(bound.Token);
            return hello?.Text("type") == "hello"
                ? opened
                : throw new ChatException($"Slack: no hello, but {hello?.Text("reason") ?? "the end"}");
        }
        catch (Exception failed)
        {
            opened.Dispose();
            if (failed is OperationCanceledException && !cancel.IsCancellationRequested)
                throw new ChatException($"Slack: no connection within {OpenTimeout.TotalSeconds:0} s", failed);
            if (failed is WebSocketException)
                throw SlackApi.Unreachable(failed);
            throw;
        }
    }

    /// <summary>The next that it tells; null when Slack has closed it.</summary>
    /// <exception cref="ChatException">It is broken.</exception>
    public async Task<JsonElement?> Receive(CancellationToken cancel)
    {
        using var message = new MemoryStream();
        var buffer = new byte[16 * 1024];
        try
        {
            while (true)
            {
                var part = await socket.ReceiveAsync(buffer, cancel);
                if (part.MessageType is WebSocketMessageType.Close)
                    return null;
                message.Write(buffer, 0, part.Count);
                if (message.Length > MaxBytes)
                    throw new ChatException("Slack: it tells more than can be taken");
                if (part.EndOfMessage)
                    return JsonSerializer.Deserialize<JsonElement>(message.GetBuffer().AsSpan(0, (int)message.Length));
            }
        }
        catch (Exception failed) when (failed is WebSocketException or JsonException)
        {
            throw SlackApi.Unreachable(failed);
        }
    }

    /// <summary>Says that something was taken. Where that does not arrive it is told again, and known.</summary>
    public async Task Acknowledge(string envelope)
    {
        using var bound = new CancellationTokenSource(SendTimeout);
        try
        {
            await socket.SendAsync(
                JsonSerializer.SerializeToUtf8Bytes(new { envelope_id = envelope }),
                WebSocketMessageType.Text,
                endOfMessage: true,
                bound.Token
            );
        }
        catch (Exception closed)
            when (closed is WebSocketException or InvalidOperationException or OperationCanceledException)
        {
            // Whoever reads sees that as well.
        }
    }

    public void Dispose() => socket.Dispose();
}
