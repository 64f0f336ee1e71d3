using System.Globalization;
using System.Net;
using System.Net.Http.Headers;

namespace Wake.Producers.GitHub;

/// <summary>GitHub's limits as its answers tell them, pure:
/// https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api.</summary>
static class RateLimitHeaders
{
    static readonly TimeSpan First = TimeSpan.FromMinutes(1),
        Longest = TimeSpan.FromHours(1);

    /// <summary>Until when to ask nothing at all; null when this answer is not about a limit.</summary>
    /// <param name="answer">The answer.</param>
    /// <param name="message">What its body says.</param>
    /// <param name="consecutiveLimits">How many limits came in a row before it.</param>
    /// <param name="now">The time.</param>
    public static DateTimeOffset? PauseUntil(
        HttpResponseMessage answer,
        string? message,
        int consecutiveLimits,
        DateTimeOffset now
    )
    {
        if (answer.StatusCode is not (HttpStatusCode.Forbidden or HttpStatusCode.TooManyRequests))
            return null;

        if (answer.Headers.RetryAfter is { } retry)
            return Bounded(retry.Date ?? now + (retry.Delta ?? First), now);

        if (Header(answer.Headers, "x-ratelimit-remaining") == 0)
            return Bounded((Reset(answer.Headers) ?? now + First) + TimeSpan.FromSeconds(1), now);

        // A secondary limit leaves the rest of the primary one untouched and has no header of its own.
        return
            answer.StatusCode is HttpStatusCode.TooManyRequests
            || message?.Contains("secondary rate", StringComparison.OrdinalIgnoreCase) is true
            || message?.Contains("abuse", StringComparison.OrdinalIgnoreCase) is true
            ? Bounded(now + First * Math.Pow(2, Math.Min(consecutiveLimits, 10)), now)
            : null;
    }

    /// <summary>How many requests are left, of how many, and until when; null on a host without limits, and of what is
    /// counted by itself, as GraphQL is.</summary>
    public static GitHubRateLimit? ParseRateLimit(HttpResponseHeaders headers) =>
        (!headers.TryGetValues("x-ratelimit-resource", out var resource) || resource.FirstOrDefault() is "core")
        && Header(headers, "x-ratelimit-limit") is > 0 and var limit
        && Header(headers, "x-ratelimit-remaining") is { } left
        && Reset(headers) is { } reset
            ? new(limit, left, reset)
            : null;

    /// <summary>When the token ends that was asked with; null for one without an end.</summary>
    public static DateTimeOffset? TokenExpires(HttpResponseHeaders headers)
    {
        if (
            !headers.TryGetValues("github-authentication-token-expiration", out var values)
            || values.FirstOrDefault() is not { } text
        )
            return null;

        // 2026-11-27 12:00:00 UTC, or with an offset in place of the name.
        var plain = text.EndsWith(" UTC", StringComparison.Ordinal) ? text[..^4] : text;
        return DateTimeOffset.TryParse(
            plain,
            CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal,
            out var expires
        )
            ? expires
            : null;
    }

    // A wrong clock or a wrong header must not silence a producer for ever.
    static DateTimeOffset Bounded(DateTimeOffset until, DateTimeOffset now) =>
        until < now ? now + TimeSpan.FromSeconds(1)
        : until > now + Longest * 2 ? now + Longest * 2
        : until;

    static DateTimeOffset? Reset(HttpResponseHeaders headers) =>
        Header(headers, "x-ratelimit-reset") is >= 0 and <= 253_402_300_799 and var at
            ? DateTimeOffset.FromUnixTimeSeconds(at)
            : null;

    static long? Header(HttpResponseHeaders headers, string name) =>
        headers.TryGetValues(name, out var values)
        && long.TryParse(values.FirstOrDefault(), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : null;
}

/// <summary>The requests of an hour.</summary>
/// <param name="Limit">All of them.</param>
/// <param name="Remaining">Those not yet made.</param>
/// <param name="Reset">When a new hour begins.</param>
sealed record GitHubRateLimit(long Limit, long Remaining, DateTimeOffset Reset)
{
    /// <summary>Whether only the share of the others is left.</summary>
    public bool IsExhausted(double reserve, DateTimeOffset now) => now < Reset && Remaining <= Limit * reserve;

    /// <summary>How much longer to wait between two looks, from 1 to 4: the closer to the reserve, the
    /// longer.</summary>
    public double SlowdownFactor(double reserve, DateTimeOffset now)
    {
        var (floor, usual) = (Limit * reserve, Limit * (1 + reserve) / 2);
        return now >= Reset || Remaining >= usual || usual <= floor
            ? 1
            : 1 + 3 * Math.Clamp((usual - Remaining) / (usual - floor), 0, 1);
    }
}
