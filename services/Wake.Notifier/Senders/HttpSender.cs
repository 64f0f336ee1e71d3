using System.Net;
using System.Net.Sockets;

namespace Wake.Notifier;

/// <summary>What sending by HTTP has in common. The address is the owner's: no redirect leads elsewhere.</summary>
public abstract class HttpSender : NotificationSender
{
    // Whoever asks for longer is asked again.
    static readonly TimeSpan MaxRetryAfter = TimeSpan.FromHours(24);

    internal static readonly HttpClient Http = new(
        new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            // Its trace is nobody else's business.
            ActivityHeadersPropagator = null,
        }
    )
    {
        Timeout = Timeout.InfiniteTimeSpan,
        DefaultRequestHeaders = { { "User-Agent", "Wake" } },
    };

    private protected static async Task<SendResult> Post(HttpRequestMessage request, CancellationToken cancel)
    {
        // Of an answer the status says enough.
        using var answer = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        var why = $"HTTP {(int)answer.StatusCode}";
        return answer.StatusCode switch
        {
            >= (HttpStatusCode)200 and < (HttpStatusCode)300 => new SendResult.Delivered(),
            HttpStatusCode.Gone => new SendResult.Gone($"{why}: it wants no more messages"),
            >= (HttpStatusCode)300 and < (HttpStatusCode)400 => new SendResult.Failed(
                $"{why}: redirects are not followed; set the address that it leads to"
            ),
            HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable => new SendResult.Failed(why)
            {
                RetryAfter = RetryAfter(answer),
            },
            // Nobody will like the same better later.
            HttpStatusCode.BadRequest or HttpStatusCode.RequestEntityTooLarge or HttpStatusCode.UnprocessableEntity =>
                new SendResult.Failed(why) { Permanent = true },
            _ => new SendResult.Failed(why),
        };
    }

    static TimeSpan? RetryAfter(HttpResponseMessage answer)
    {
        var asked =
            answer.Headers.RetryAfter?.Delta
            ?? answer.Headers.RetryAfter?.Date - (answer.Headers.Date ?? DateTimeOffset.UtcNow);
        return asked is { } time && time > TimeSpan.Zero ? (time < MaxRetryAfter ? time : MaxRetryAfter) : null;
    }

    /// <summary>Whether somebody listens at an address, and is who it names.</summary>
    private protected static async Task<string?> FindProblem(Uri url, CancellationToken cancel)
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(url.IdnHost, url.Port, cancel);
            if (url.Scheme == Uri.UriSchemeHttps)
            {
                await using var secure = new System.Net.Security.SslStream(client.GetStream());
                await secure.AuthenticateAsClientAsync(new() { TargetHost = url.IdnHost }, cancel);
            }

            return null;
        }
        catch (Exception failed)
            when (failed is SocketException or IOException or System.Security.Authentication.AuthenticationException)
        {
            return $"{url.Host}:{url.Port} cannot be reached: {failed.Message}";
        }
    }
}
