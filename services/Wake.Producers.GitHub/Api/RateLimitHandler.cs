using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>Asks nothing while the host has asked for a pause, or when the rest of the hour's requests is for others;
/// and notes what answers say of limits.</summary>
sealed class RateLimitHandler(
    string host,
    GitHubOptions options,
    RateLimitBackoff backoff,
    TimeProvider time,
    ILogger log
) : DelegatingHandler
{
    static readonly TimeSpan WarnBefore = TimeSpan.FromDays(7);

    DateTimeOffset warnedAt;

    /// <summary>What is left of the hour's requests; null before the first answer, or without limits.</summary>
    public GitHubRateLimit? RateLimit { get; private set; }

    protected override async Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request,
        CancellationToken cancellationToken
    )
    {
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(
            cancellationToken,
            GitHubCall.Current?.Cancel ?? CancellationToken.None
        );
        var cancel = ends.Token;
        var before = time.GetUtcNow();
        if (await backoff.Get(host, before, cancel) is var (pause, _) && pause > before)
            throw new GitHubUnavailableException($"{host} asked for a pause", pause);

        if (RateLimit is { } left && left.IsExhausted(options.Reserve, before))
            throw new GitHubUnavailableException("The rest of this hour's requests is left to others", left.Reset);

        var answer = await base.SendAsync(request, cancel);
        var now = time.GetUtcNow();
        RateLimit = RateLimitHeaders.ParseRateLimit(answer.Headers) ?? RateLimit;
        WarnOfExpiry(answer, now);

        var (_, consecutiveLimits) = await backoff.Get(host, now, cancel);
        if ((int)answer.StatusCode is 304 or >= 200 and < 300)
        {
            if (consecutiveLimits > 0)
                await backoff.Clear(host, now, cancel);
            return answer;
        }

        var message = (int)answer.StatusCode is 403 or 429 ? await ReadMessage(answer, cancel) : null;
        if (RateLimitHeaders.PauseUntil(answer, message, consecutiveLimits, now) is not { } until)
            return answer;

        answer.Dispose();
        log.LogWarning("{Host} asks for no requests until {Until:u}.", host, until);
        await backoff.Start(host, until, consecutiveLimits + 1, now, cancel);
        throw new GitHubUnavailableException($"{host} asked for a pause", until);
    }

    void WarnOfExpiry(HttpResponseMessage answer, DateTimeOffset now)
    {
        if (
            RateLimitHeaders.TokenExpires(answer.Headers) is not { } expires
            || expires - now >= WarnBefore
            || now - warnedAt < TimeSpan.FromDays(1)
        )
            return;

        warnedAt = now;
        log.LogWarning("The token of this account for {Host} expires at {Expires:u}.", host, expires);
    }

    static async Task<string?> ReadMessage(HttpResponseMessage answer, CancellationToken cancel)
    {
        try
        {
            return JsonElement
                .Parse(await answer.Content.ReadAsByteArrayAsync(cancel), new() { MaxDepth = 64 })
                .Text("message");
        }
        catch (JsonException)
        {
            // A page for people. The status says enough.
            return null;
        }
    }
}
