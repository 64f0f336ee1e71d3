using System.Text.Json;
using System.Threading.Channels;

namespace Wake.Notifier;

/// <summary>
/// What Slack tells, by one connection after another: the next is there before the one before it goes, and for a while
/// both tell.
/// </summary>
sealed class SlackConnections(SlackApi api)
{
    // As many are taken from the connections while others are dealt with.
    const int MaxWaiting = 1000;

    // After a refresh Slack closes the old connection soon.
    static readonly TimeSpan DrainTime = TimeSpan.FromMinutes(1);

    static readonly TimeSpan MaxBackoff = TimeSpan.FromMinutes(1);

    int failures;

    /// <summary>Opens the first.</summary>
    /// <exception cref="ChatException">It could not be opened, and when to try again.</exception>
    public async Task<SlackSocket> Open(CancellationToken cancel)
    {
        try
        {
            var opened = await SlackSocket.Open(api, cancel);
            failures = 0;
            return opened;
        }
        catch (ChatException failed)
        {
            var backoff = TimeSpan.FromSeconds(Math.Min(MaxBackoff.TotalSeconds, Math.Pow(2, ++failures)));
            throw new ChatException(failed.Message, failed)
            {
                RetryAfter = failed.RetryAfter > backoff ? failed.RetryAfter : backoff,
            };
        }
    }

    /// <summary>What is told, read from now on, until a connection ends without another in its place.</summary>
    /// <exception cref="ChatException">It has ended.</exception>
    public async Task Read(SlackSocket first, Func<ChannelReader<SlackEnvelope>, Task> take, CancellationToken cancel)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var told = Channel.CreateBounded<SlackEnvelope>(MaxWaiting);
        var reading = Relay(first, told.Writer, end.Token);
        try
        {
            await take(told.Reader);
        }
        finally
        {
            await end.CancelAsync();
            await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    async Task Relay(SlackSocket socket, ChannelWriter<SlackEnvelope> told, CancellationToken cancel)
    {
        List<Task> drained = [];
        try
        {
            while (true)
            {
                if (await socket.Receive(cancel) is not { } message)
                    throw new ChatException("Slack: it has closed the connection");

                if (message.Text("type") != "disconnect")
                    await told.WriteAsync(new(socket, message), cancel);
                else if (message.Text("reason") == "link_disabled")
                    throw new ChatException("Slack: Socket Mode is switched off for the app");
                else if (await TryOpen(cancel) is { } next)
                {
                    drained.RemoveAll(x => x.IsCompleted);
                    // Both tell, until the old one goes.
                    drained.Add(Drain(socket, told, cancel));
                    socket = next;
                }
            }
        }
        catch (Exception failed)
        {
            told.TryComplete(failed);
            throw;
        }
        finally
        {
            socket.Dispose();
            await Task.WhenAll(drained);
        }
    }

    // Without one the old one is read to its end.
    async Task<SlackSocket?> TryOpen(CancellationToken cancel)
    {
        try
        {
            return await Open(cancel);
        }
        catch (ChatException)
        {
            return null;
        }
    }

    static async Task Drain(SlackSocket socket, ChannelWriter<SlackEnvelope> told, CancellationToken cancel)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(DrainTime);
        try
        {
            while (await socket.Receive(bound.Token) is { } message)
            {
                if (message.Text("type") != "disconnect")
                    await told.WriteAsync(new(socket, message), bound.Token);
            }
        }
        catch (Exception gone) when (gone is ChatException or OperationCanceledException or ChannelClosedException)
        {
            // Its place is taken.
        }
        finally
        {
            socket.Dispose();
        }
    }
}

/// <summary>Something that Slack has told.</summary>
/// <param name="Socket">By which connection, which is told when it was taken.</param>
/// <param name="Json">What.</param>
readonly record struct SlackEnvelope(SlackSocket Socket, JsonElement Json);
