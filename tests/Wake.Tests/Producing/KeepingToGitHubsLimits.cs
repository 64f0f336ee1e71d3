using System.Net;
using Wake.Producers.GitHub;

namespace Wake.Tests.Producing;

/// <summary>What GitHub's refusals mean: github.md has the table.</summary>
public sealed class KeepingToGitHubsLimits
{
    static readonly DateTimeOffset Now = new(2026, 11, 20, 12, 0, 0, TimeSpan.Zero);

    static HttpResponseMessage Answer(int status, params (string Name, string Value)[] headers)
    {
        var answer = new HttpResponseMessage((HttpStatusCode)status);
        foreach (var (name, value) in headers)
            answer.Headers.TryAddWithoutValidation(name, value);
        return answer;
    }

    static double? Pause(HttpResponseMessage answer, string? message = null, int strikes = 0) =>
        (RateLimitHeaders.PauseUntil(answer, message, strikes, Now) - Now)?.TotalSeconds;

    [Theory]
    [InlineData(403)]
    [InlineData(429)]
    public void A_wait_that_is_named_is_kept(int status)
    {
        Assert.Equal(30, Pause(Answer(status, ("Retry-After", "30"), ("x-ratelimit-remaining", "0"))));
        Assert.Equal(60, Pause(Answer(status, ("Retry-After", "Fri, 20 Nov 2026 12:01:00 GMT"))));
        Assert.Equal(
            601,
            Pause(
                Answer(
                    status,
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", $"{Now.AddMinutes(10).ToUnixTimeSeconds()}")
                )
            )
        );
    }

    [Fact]
    public void A_secondary_limit_names_none_and_lasts_longer_each_time()
    {
        const string message = "You have exceeded a secondary rate limit. Please wait.";

        Assert.Equal(60, Pause(Answer(403, ("x-ratelimit-remaining", "4000")), message));
        Assert.Equal(240, Pause(Answer(403, ("x-ratelimit-remaining", "4000")), message, strikes: 2));
        Assert.Equal(7200, Pause(Answer(403), message, strikes: int.MaxValue));
    }

    [Fact]
    public void What_is_only_forbidden_is_no_limit() =>
        Assert.Null(
            Pause(Answer(403, ("x-ratelimit-remaining", "4000")), "Resource not accessible by personal access token")
        );

    [Fact]
    public void A_wait_without_sense_silences_nobody_for_ever() =>
        Assert.Equal(7200, Pause(Answer(403, ("Retry-After", "99999999"))));

    [Theory]
    [InlineData("2026-11-27 12:00:00 UTC", 7)]
    [InlineData("2026-11-22 14:00:00 +0200", 2)]
    [InlineData("never", null)]
    public void A_token_says_when_it_ends(string said, int? days) =>
        Assert.Equal(
            days,
            (
                RateLimitHeaders.TokenExpires(Answer(200, ("github-authentication-token-expiration", said)).Headers)
                - Now
            )?.TotalDays
        );

    [Fact]
    public void The_less_is_left_the_longer_between_two_looks_and_the_rest_belongs_to_others()
    {
        GitHubRateLimit Left(long left) => new(5000, left, Now.AddMinutes(30));

        Assert.Equal(1, Left(4000).SlowdownFactor(0.4, Now));
        Assert.InRange(Left(2700).SlowdownFactor(0.4, Now), 1.5, 3.5);
        Assert.Equal(
            (false, true, false),
            (
                Left(2001).IsExhausted(0.4, Now),
                Left(2000).IsExhausted(0.4, Now),
                Left(0).IsExhausted(0.4, Now.AddHours(1))
            )
        );
    }
}
