using System.Net;
using System.Text.Json;
using Wake.Contracts.Http;

namespace Wake.WebConsole;

/// <summary>
/// Follows the ledger once for all browsers, and only while there are some. They are told where to look, a few times a
/// second at most, however much happens.
/// </summary>
/// <remarks>
/// It follows with the credential of somebody who is there: the marks tell nobody more than their own key shows them,
/// since all of them may read the ledger.
/// </remarks>
public sealed class LiveFeed(
    GatewayConnection gateway,
    IHostApplicationLifetime host,
    TimeProvider time,
    ILogger<LiveFeed> log
)
{
    /// <summary>How often browsers are told, at most. People see no difference to at once.</summary>
    public static readonly TimeSpan MarkInterval = TimeSpan.FromMilliseconds(300);

    static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(500);
    static readonly TimeSpan MaxRetry = TimeSpan.FromSeconds(15);

    readonly Lock mutex = new();
    readonly List<Subscription> subscriptions = [];
    LiveMarks pending = new();
    CancellationTokenSource? following;

    /// <summary>Begins to tell somebody. To dispose of the result ends it.</summary>
    public IDisposable Subscribe(ConsoleSession session, Action<LiveMarks> changed)
    {
        var subscription = new Subscription(this, session, changed);
        lock (mutex)
        {
            subscriptions.Add(subscription);
            if (following is null)
            {
                following = CancellationTokenSource.CreateLinkedTokenSource(host.ApplicationStopping);
                var cancel = following.Token;
                _ = Task.Run(() => Follow(cancel), CancellationToken.None);
                _ = Task.Run(() => Broadcast(cancel), CancellationToken.None);
            }
        }

        return subscription;
    }

    void Unsubscribe(Subscription subscription)
    {
        lock (mutex)
        {
            if (!subscriptions.Remove(subscription) || subscriptions.Count > 0)
                return;

            following?.Cancel();
            following?.Dispose();
            following = null;
        }
    }

    async Task Follow(CancellationToken cancel)
    {
        var retry = FirstRetry;
        while (!cancel.IsCancellationRequested)
        {
            var session = FindSession();
            try
            {
                if (session is not null)
                {
                    await using var stream = await gateway.OpenEventStream(
                        "/v1/tail",
                        session.Credential,
                        after: null,
                        cancel
                    );

                    // What happened while nobody followed is not told again.
                    Mark(LiveMarks.Everything);
                    retry = FirstRetry;
                    await foreach (var item in stream.Read(cancel))
                    {
                        if (JsonSerializer.Deserialize<LedgerLine>(item.Data, JsonSerializerOptions.Web) is { } line)
                            Mark(line);
                    }
                }
            }
            catch (OperationCanceledException) when (cancel.IsCancellationRequested)
            {
                return;
            }
            catch (ApiException refused) when (refused.Status is HttpStatusCode.Unauthorized)
            {
                // It is followed with the credential of somebody else who is there.
                session?.End();
                retry = FirstRetry;
            }
            catch (Exception broken)
                when (broken
                        is ApiException
                            or IOException
                            or HttpRequestException
                            or JsonException
                            or OperationCanceledException
                )
            {
                log.LogInformation("Following the ledger ended ({Reason}); it is followed again.", broken.Message);
            }

            await Task.Delay(retry, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            retry = retry * 2 < MaxRetry ? retry * 2 : MaxRetry;
        }
    }

    async Task Broadcast(CancellationToken cancel)
    {
        using var ticks = new PeriodicTimer(MarkInterval);
        try
        {
            while (await ticks.WaitForNextTickAsync(cancel))
            {
                LiveMarks marks;
                Subscription[] present;
                lock (mutex)
                {
                    if (pending.IsEmpty)
                        continue;

                    (marks, pending, present) = (pending, new(), [.. subscriptions]);
                }

                foreach (var one in present)
                    one.Changed(marks);
            }
        }
        catch (OperationCanceledException)
        {
            // Nobody is there any more.
        }
    }

    ConsoleSession? FindSession()
    {
        lock (mutex)
            return subscriptions.Find(x => !x.Session.IsEnded && x.Session.Ends > time.GetUtcNow())?.Session;
    }

    void Mark(LedgerLine line)
    {
        lock (mutex)
            pending.Add(line);
    }

    void Mark(LiveMarks marks)
    {
        lock (mutex)
            pending.Add(marks);
    }

    sealed class Subscription(LiveFeed feed, ConsoleSession session, Action<LiveMarks> changed) : IDisposable
    {
        public ConsoleSession Session => session;

        public Action<LiveMarks> Changed => changed;

        public void Dispose() => feed.Unsubscribe(this);
    }
}
