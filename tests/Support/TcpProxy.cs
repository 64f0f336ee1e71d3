using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Wake.Testing;

/// <summary>
/// A wire one can cut or hold: stands between a service and its database or broker, so that a test decides at which
/// byte the service is cut off. What a service does between two messages is thereby as reachable as a named point in
/// its code, with nothing of the kind in it.
/// </summary>
public sealed class TcpProxy : IAsyncDisposable
{
    readonly TcpListener listener = new(IPAddress.Loopback, 0);
    readonly int target;
    readonly ConcurrentDictionary<TcpClient, byte> open = new();
    readonly CancellationTokenSource end = new();
    volatile TaskCompletionSource? upstreamHeld;
    volatile TaskCompletionSource? downstreamHeld;
    volatile byte[]? pattern;
    volatile TaskCompletionSource? patternSeen;
    volatile TcpClient? saidBy;
    volatile bool holdsAll;
    volatile Limit? limit;

    public TcpProxy(int target)
    {
        this.target = target;
        listener.Start();
        _ = Accept();
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    /// <summary>Nothing the service sends arrives any more; what it is sent does.</summary>
    public void HoldUpstream() => upstreamHeld ??= new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Nothing the service sends arrives any more from where it sends these bytes for the time given: 2 lets
    /// those pass that it sends once.</summary>
    public void HoldUpstreamFrom(string text, int time) => limit = new(System.Text.Encoding.ASCII.GetBytes(text), time);

    /// <summary>
    /// The next time the service sends these bytes they arrive, and everything that comes back after them is held. The
    /// task completes when they have passed.
    /// </summary>
    /// <param name="text">The bytes.</param>
    /// <param name="everywhere">Whether what comes back on other connections is held as well.</param>
    public Task HoldAnswersTo(string text, bool everywhere = true)
    {
        holdsAll = everywhere;
        patternSeen = new(TaskCreationOptions.RunContinuationsAsynchronously);
        pattern = System.Text.Encoding.ASCII.GetBytes(text);
        return patternSeen.Task;
    }

    /// <summary>Lets everything pass again, what was held included.</summary>
    public void Release()
    {
        Interlocked.Exchange(ref upstreamHeld, null)?.SetResult();
        Interlocked.Exchange(ref downstreamHeld, null)?.SetResult();
    }

    /// <summary>Closes the connection on which those bytes were sent; the others stay as they are.</summary>
    public void CutWhereSaid() => saidBy?.Close();

    /// <summary>Closes every connection; what was held never arrives.</summary>
    public void Cut()
    {
        foreach (var client in open.Keys)
            client.Close();
        Release();
    }

    public async ValueTask DisposeAsync()
    {
        await end.CancelAsync();
        listener.Stop();
        Cut();
        end.Dispose();
    }

    async Task Accept()
    {
        while (true)
        {
            TcpClient client;
            try
            {
                client = await listener.AcceptTcpClientAsync(end.Token);
            }
            catch (Exception stopped)
                when (stopped is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }

            _ = Serve(client);
        }
    }

    async Task Serve(TcpClient client)
    {
        using var server = new TcpClient { NoDelay = true };
        client.NoDelay = true;
        try
        {
            await server.ConnectAsync(IPAddress.Loopback, target, end.Token);
            open[client] = open[server] = 0;
            await Task.WhenAny(Pump(client, server, up: true), Pump(server, client, up: false));
        }
        catch (Exception gone) when (gone is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The other side is not there.
        }
        finally
        {
            open.TryRemove(client, out _);
            open.TryRemove(server, out _);
            client.Dispose();
        }
    }

    async Task Pump(TcpClient from, TcpClient to, bool up)
    {
        var buffer = new byte[64 * 1024];
        byte[] before = [];
        try
        {
            while (await from.GetStream().ReadAsync(buffer, end.Token) is > 0 and var read)
            {
                if (up)
                {
                    // Before it is passed on: the answer must not be quicker than the hold.
                    if (pattern is { } wanted && buffer.AsSpan(0, read).IndexOf(wanted) >= 0)
                    {
                        (pattern, saidBy) = (null, from);
                        downstreamHeld = new(TaskCreationOptions.RunContinuationsAsynchronously);
                        await Pass();
                        patternSeen!.SetResult();
                        continue;
                    }

                    if (limit?.Passes(ref before, buffer.AsSpan(0, read)) is { } passes)
                    {
                        HoldUpstream();
                        await to.GetStream().WriteAsync(buffer.AsMemory(0, passes), end.Token);
                        await upstreamHeld!.Task;
                        await to.GetStream().WriteAsync(buffer.AsMemory(passes, read - passes), end.Token);
                        continue;
                    }

                    if (upstreamHeld is { } held)
                        await held.Task;
                }
                else if (downstreamHeld is { } held && (holdsAll || to == saidBy))
                {
                    await held.Task;
                }

                await Pass();

                async Task Pass() => await to.GetStream().WriteAsync(buffer.AsMemory(0, read), end.Token);
            }
        }
        catch (Exception gone)
            when (gone
                    is IOException
                        or OperationCanceledException
                        or ObjectDisposedException
                        or InvalidOperationException
            )
        {
            // Closed by one side or by the test.
        }
    }

    /// <summary>How often some bytes may pass.</summary>
    sealed class Limit(byte[] text, int time)
    {
        int seen;

        /// <summary>How many of these bytes may; null: all. Those before them may hold its beginning.</summary>
        public int? Passes(ref byte[] before, ReadOnlySpan<byte> bytes)
        {
            byte[] all = [.. before, .. bytes];
            var behind = before.Length;
            before = all[Math.Max(0, all.Length - text.Length + 1)..];
            for (var from = 0; all.AsSpan(from).IndexOf(text) is >= 0 and var at; from += at + text.Length)
            {
                if (Interlocked.Increment(ref seen) == time)
                    return Math.Max(0, from + at - behind);
            }

            return null;
        }
    }
}
