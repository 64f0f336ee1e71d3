using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;

namespace Wake.WebConsole;

/// <summary>A stream of server-sent events of the API, which says something at least every few seconds while it is
/// there.</summary>
public sealed class EventSubscription(Stream stream, TimeProvider time) : IAsyncDisposable
{
    // Three of the API's own pings. A machine that is gone says so by silence alone.
    static readonly TimeSpan MaxSilence = TimeSpan.FromSeconds(45);

    /// <summary>What comes, until the API ends it.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled, or silent for too long.</exception>
    public async IAsyncEnumerable<SseItem<string>> Read([EnumeratorCancellation] CancellationToken cancel)
    {
        using var silent = new CancellationTokenSource(MaxSilence, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, silent.Token);
        await foreach (var item in SseParser.Create(stream).EnumerateAsync(either.Token))
        {
            if (item.EventType is not "ping")
                yield return item;
            silent.CancelAfter(MaxSilence);
        }
    }

    public ValueTask DisposeAsync() => stream.DisposeAsync();
}
