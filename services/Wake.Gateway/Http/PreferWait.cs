using System.Globalization;
using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary>
/// <c>Prefer: wait=N</c> (RFC 7240): answers when the turns that events start are over, or after N seconds with what is
/// known by then.
/// </summary>
sealed class PreferWait(InboxEntries entries, IHostApplicationLifetime host, TimeProvider time)
{
    public const string Header = "Prefer";

    /// <summary>The longest it waits, whatever is asked.</summary>
    public static readonly TimeSpan MaxDuration = TimeSpan.FromMinutes(10);

    // Every waiter polls the database several times a second. Above this limit the preference is ignored, which RFC
    // 7240 permits.
    const int MaxConcurrentWaits = 200;

    static readonly TimeSpan FirstPollInterval = TimeSpan.FromMilliseconds(50);
    static readonly TimeSpan MaxPollInterval = TimeSpan.FromMilliseconds(500);

    int concurrentWaits;

    /// <summary>Says that an endpoint heeds the header.</summary>
    public sealed record SupportsPreferWait;

    /// <summary>How long the caller would wait; null when it did not ask for that.</summary>
    public static TimeSpan? RequestedDuration(HttpContext http)
    {
        foreach (var preference in http.Request.Headers[Header].SelectMany(x => (x ?? "").Split(',')))
        {
            if (
                preference.Split('=') is [var name, var value]
                && name.Trim().Equals("wait", StringComparison.OrdinalIgnoreCase)
                && int.TryParse(
                    value.Split(';')[0].Trim().Trim('"'),
                    NumberStyles.None,
                    CultureInfo.InvariantCulture,
                    out var seconds
                )
            )
                return seconds < MaxDuration.TotalSeconds ? TimeSpan.FromSeconds(seconds) : MaxDuration;
        }

        return null;
    }

    /// <summary>What was decided about events, after waiting as long as was asked. Null when nothing was
    /// asked.</summary>
    public async Task<IReadOnlyList<Contract.AwaitedDecision>?> WaitForTurns(
        HttpContext http,
        IReadOnlyList<IntakeResult> decisions
    )
    {
        if (RequestedDuration(http) is not { } patience)
            return null;

        if (Interlocked.Increment(ref concurrentWaits) > MaxConcurrentWaits)
        {
            Interlocked.Decrement(ref concurrentWaits);
            return null;
        }

        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(
                http.RequestAborted,
                host.ApplicationStopping
            );
            var known = await PollUntilOver([.. decisions.Select(x => x.Event)], patience, either.Token);
            http.Response.Headers["Preference-Applied"] = $"wait={(int)patience.TotalSeconds}";

            var mayRead = Caller.From(http).HasScope(ApiScopes.SessionsRead);
            var routed = known.ToLookup(x => x.Event);
            return
            [
                .. decisions.Select(decision =>
                    decision.ToAwaited(
                        completed: routed[decision.Event].All(x => x.Over),
                        routed[decision.Event].Select(x => mayRead ? x.Entry : x.Entry.WithoutDetails())
                    )
                ),
            ];
        }
        finally
        {
            Interlocked.Decrement(ref concurrentWaits);
        }
    }

    async Task<IReadOnlyList<(long Event, InboxEntry Entry, bool Over)>> PollUntilOver(
        IReadOnlyList<long> events,
        TimeSpan patience,
        CancellationToken cancel
    )
    {
        var (begun, pause) = (time.GetTimestamp(), FirstPollInterval);
        while (true)
        {
            var known = await entries.FindByEvents(events, CancellationToken.None);
            var left = patience - time.GetElapsedTime(begun);
            if (left <= TimeSpan.Zero || cancel.IsCancellationRequested || known.All(x => x.Over))
                return known;

            await Task.Delay(pause < left ? pause : left, time, cancel)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = pause * 1.5 < MaxPollInterval ? pause * 1.5 : MaxPollInterval;
        }
    }
}
