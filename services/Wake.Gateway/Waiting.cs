using System.Globalization;
using System.Text.Json.Serialization;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>
/// <c>Prefer: wait=N</c> (RFC 7240): answers when the turns that events start are over, or after N seconds with what is
/// known by then.
/// </summary>
sealed class Waiting(Deliveries deliveries, IHostApplicationLifetime host, TimeProvider time)
{
    public const string Header = "Prefer";

    /// <summary>The longest it waits, whatever is asked.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(10);

    // Each looks into the database a few times a second. Beyond this many the preference is not applied, which RFC 7240
    // allows.
    const int AtOnce = 200;

    static readonly TimeSpan FirstLook = TimeSpan.FromMilliseconds(50);
    static readonly TimeSpan SlowestLook = TimeSpan.FromMilliseconds(500);

    int waiting;

    /// <summary>Says that an endpoint heeds the header.</summary>
    public sealed record Heeded;

    /// <summary>How long the caller would wait; null when it did not ask for that.</summary>
    public static TimeSpan? Asked(HttpContext http)
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
                return seconds < Longest.TotalSeconds ? TimeSpan.FromSeconds(seconds) : Longest;
        }

        return null;
    }

    /// <summary>What was decided about events, after waiting as long as was asked. Null when nothing was
    /// asked.</summary>
    public async Task<IReadOnlyList<AwaitedDecision>?> For(HttpContext http, IReadOnlyList<IntakeDecision> decisions)
    {
        if (Asked(http) is not { } patience)
            return null;

        if (Interlocked.Increment(ref waiting) > AtOnce)
        {
            Interlocked.Decrement(ref waiting);
            return null;
        }

        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(
                http.RequestAborted,
                host.ApplicationStopping
            );
            var known = await Look([.. decisions.Select(x => x.Event)], patience, either.Token);
            http.Response.Headers["Preference-Applied"] = $"wait={(int)patience.TotalSeconds}";

            var mayRead = Caller.Of(http).May(ApiScopes.SessionsRead);
            var told = known.ToLookup(x => x.Event);
            return
            [
                .. decisions.Select(decision => new AwaitedDecision(
                    decision,
                    told[decision.Event].All(x => x.Over),
                    [.. told[decision.Event].Select(x => mayRead ? x.Delivery : x.Delivery.WithoutDetails())]
                )),
            ];
        }
        finally
        {
            Interlocked.Decrement(ref waiting);
        }
    }

    async Task<IReadOnlyList<(long Event, EventDelivery Delivery, bool Over)>> Look(
        IReadOnlyList<long> events,
        TimeSpan patience,
        CancellationToken cancel
    )
    {
        var (begun, pause) = (time.GetTimestamp(), FirstLook);
        while (true)
        {
            var known = await deliveries.Of(events, CancellationToken.None);
            var left = patience - time.GetElapsedTime(begun);
            if (left <= TimeSpan.Zero || cancel.IsCancellationRequested || known.All(x => x.Over))
                return known;

            await Task.Delay(pause < left ? pause : left, time, cancel)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = pause * 1.5 < SlowestLook ? pause * 1.5 : SlowestLook;
        }
    }
}

/// <summary>What was decided about an event, and what came of it.</summary>
/// <param name="Decision">The decision.</param>
/// <param name="Over">Whether there is nothing more to wait for.</param>
/// <param name="Deliveries">The sessions it was routed to, with the turns they took.</param>
sealed record AwaitedDecision(
    [property: JsonIgnore] IntakeDecision Decision,
    bool Over,
    IReadOnlyList<EventDelivery> Deliveries
)
{
    public string Id => Decision.Id;
    public IntakeOutcome Outcome => Decision.Outcome;
    public IReadOnlyList<string> Sessions => Decision.Sessions;

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? UnknownSessions => Decision.UnknownSessions;

    /// <inheritdoc cref="IntakeDecision.CollidesWith" />
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? CollidesWith => Decision.CollidesWith;

    /// <inheritdoc cref="IntakeDecision.Warnings" />
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Warnings => Decision.Warnings;

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? DuplicateOf => Decision.DuplicateOf;
}
