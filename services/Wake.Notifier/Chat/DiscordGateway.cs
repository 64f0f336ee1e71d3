using System.Buffers;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Wake.Notifier;

/// <summary>
/// One connection to the gateway of Discord: https://docs.discord.com/developers/events/gateway. It begins a session or
/// goes on with one, and hands over its events as they come.
/// </summary>
sealed class DiscordGateway(string token, int intents)
{
    static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(20);

    // Of what Wake asks for, no event is nearly as large.
    const int MaxPayload = 4 * 1024 * 1024;

    // The least that it may be asked to wait between two heartbeats.
    static readonly TimeSpan MinHeartbeat = TimeSpan.FromMilliseconds(100);

    // Not found there any more, unknown number, timed out: another session is needed.
    static readonly int[] SessionIsOver = [4003, 4007, 4009];

    enum Op
    {
        Dispatch = 0,
        Heartbeat = 1,
        Identify = 2,
        Resume = 6,
        Reconnect = 7,
        InvalidSession = 9,
        Hello = 10,
        HeartbeatAck = 11,
    }

    /// <summary>Reads until the connection ends in a way after which another one follows at once.</summary>
    /// <param name="url">Where it is.</param>
    /// <param name="session">The session to go on with; null to begin one.</param>
    /// <param name="handled">The number of the last event that was handled; null for none.</param>
    /// <param name="take">Is told of each event.</param>
    /// <param name="cancel">Ends it.</param>
    /// <returns>Whether the session goes on.</returns>
    /// <exception cref="ChatException">The connection is broken.</exception>
    public async Task<bool> Read(
        Uri url,
        DiscordSession? session,
        Func<long?> handled,
        Action<DiscordEvent> take,
        CancellationToken cancel
    )
    {
        using var socket = new ClientWebSocket();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        using var sending = new SemaphoreSlim(1);
        var isAcknowledged = true;
        Task? beating = null;
        try
        {
            var interval = await Begin();
            beating = Beat(interval);
            await Send(
                session is null
                    ? Payload(Op.Identify, Identify())
                    : Payload(
                        Op.Resume,
                        new JsonObject
                        {
                            ["token"] = token,
                            ["session_id"] = session.Id,
                            ["seq"] = handled() ?? 0,
                        }
                    )
            );

            while (true)
            {
                // Whoever beats knows first that nobody answers.
                var receiving = Receive(end.Token);
                if (await Task.WhenAny(receiving, beating) == beating)
                    await beating;

                if (await receiving is not { } payload)
                {
                    if (!SessionIsOver.Contains((int?)socket.CloseStatus ?? 0))
                        throw Closed((int?)socket.CloseStatus, socket.CloseStatusDescription);

                    await Task.Delay(Pause(), cancel);
                    return false;
                }

                switch ((Op)payload.GetProperty("op").GetInt32())
                {
                    case Op.Dispatch:
                        take(
                            new(
                                payload.TryText("t") ?? "",
                                payload.GetProperty("s").GetInt64(),
                                payload.GetProperty("d")
                            )
                        );
                        break;
                    case Op.Heartbeat:
                        await SendHeartbeat();
                        break;
                    case Op.HeartbeatAck:
                        isAcknowledged = true;
                        break;
                    case Op.Reconnect:
                        return true;
                    case Op.InvalidSession:
                        await Task.Delay(Pause(), cancel);
                        return payload.TryFind("d") is { ValueKind: JsonValueKind.True };
                }
            }
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new ChatException("Discord: the gateway does not answer");
        }
        catch (Exception broken)
            when (broken
                    is WebSocketException
                        or HttpRequestException
                        or IOException
                        or JsonException
                        or KeyNotFoundException
                        or InvalidOperationException
                        or FormatException
            )
        {
            throw new ChatException($"Discord: the gateway: {broken.GetBaseException().Message}", broken);
        }
        finally
        {
            // A connection that is closed properly ends the session, and with it what comes meanwhile.
            socket.Abort();
            await end.CancelAsync();
            if (beating is not null)
                await beating.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        async Task<TimeSpan> Begin()
        {
            using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            bound.CancelAfter(ConnectTimeout);
            var address = new UriBuilder(url) { Query = "v=10&encoding=json" }.Uri;
            await socket.ConnectAsync(address, HttpSender.Http, bound.Token);
            var hello = await Receive(bound.Token) ?? throw Closed((int?)socket.CloseStatus, null);
            var interval = TimeSpan.FromMilliseconds(
                hello.GetProperty("d").GetProperty("heartbeat_interval").GetDouble()
            );
            return interval > MinHeartbeat ? interval : MinHeartbeat;
        }

        async Task Beat(TimeSpan interval)
        {
            for (var wait = interval * Random.Shared.NextDouble(); ; wait = interval)
            {
                await Task.Delay(wait, end.Token);
                if (!isAcknowledged)
                    throw new ChatException("Discord: the gateway no longer answers");

                isAcknowledged = false;
                await SendHeartbeat();
            }
        }

        Task SendHeartbeat() => Send(Payload(Op.Heartbeat, handled()));

        async Task Send(JsonObject payload)
        {
            var bytes = JsonSerializer.SerializeToUtf8Bytes(payload);
            await sending.WaitAsync(end.Token);
            try
            {
                await socket.SendAsync(bytes, WebSocketMessageType.Text, endOfMessage: true, end.Token);
            }
            finally
            {
                sending.Release();
            }
        }

        // Null when it is closed.
        async Task<JsonElement?> Receive(CancellationToken cancel)
        {
            var buffer = new ArrayBufferWriter<byte>(16 * 1024);
            while (true)
            {
                var received = await socket.ReceiveAsync(buffer.GetMemory(16 * 1024), cancel);
                if (received.MessageType is WebSocketMessageType.Close)
                    return null;

                buffer.Advance(received.Count);
                if (received.EndOfMessage)
                    return JsonElement.Parse(buffer.WrittenSpan);
                if (buffer.WrittenCount > MaxPayload)
                    throw new ChatException("Discord: the gateway tells more than Wake can hold");
            }
        }
    }

    JsonObject Identify() =>
        new()
        {
            ["token"] = token,
            ["intents"] = intents,
            ["properties"] = new JsonObject
            {
                ["os"] = "linux",
                ["browser"] = "wake",
                ["device"] = "wake",
            },
        };

    static JsonObject Payload(Op op, JsonNode? data) => new() { ["op"] = (int)op, ["d"] = data };

    // As it asks for, so that not all come back at one moment.
    static TimeSpan Pause() => TimeSpan.FromSeconds(1 + (4 * Random.Shared.NextDouble()));

    static ChatException Closed(int? code, string? why)
    {
        var wrong = code switch
        {
            4004 => "it does not know the token",
            4010 or 4011 => "the bot is in too many servers for one connection",
            4012 => "it no longer speaks version 10",
            4013 => "it does not know what Wake asks to be told",
            4014 => DiscordChat.NoContentIntent,
            _ => null,
        };
        return wrong is null
            ? new($"Discord: the gateway has closed the connection ({code} {why})")
            : new($"Discord: {wrong}") { Permanent = true };
    }
}

/// <summary>A session at the gateway, which outlives its connection for a few minutes.</summary>
/// <param name="Id">The gateway's name for it.</param>
/// <param name="Url">Where it goes on; null where that is not known any more.</param>
sealed record DiscordSession(string Id, Uri? Url);

/// <summary>Something that the gateway tells.</summary>
/// <param name="Type">What it is.</param>
/// <param name="Number">Counts those of a session.</param>
/// <param name="Data">What there is to it.</param>
sealed record DiscordEvent(string Type, long Number, JsonElement Data);
