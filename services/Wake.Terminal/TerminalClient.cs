using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Wake.Terminal;

/// <summary>Requests to <c>/v1/terminals/ID</c> of whatever Wake can be reached now.</summary>
sealed class TerminalClient(WakeAddress address, Guid session) : IDisposable
{
    // Who cannot be connected to by then is asked again later.
    static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);

    HttpClient? http;
    bool isLoopback;

    /// <summary>Asks; null when no Wake answers.</summary>
    /// <param name="method">GET or POST.</param>
    /// <param name="path">What follows the session in the path.</param>
    /// <param name="content">The body; null for none.</param>
    /// <param name="cancel">Ends the request.</param>
    public async Task<HttpResponseMessage?> Send(
        HttpMethod method,
        string path,
        HttpContent? content,
        CancellationToken cancel
    )
    {
        if (address.Resolve() is not { } target)
        {
            content?.Dispose();
            return null;
        }

        using var request = new HttpRequestMessage(
            method,
            $"{target.Url.AbsoluteUri.TrimEnd('/')}/v1/terminals/{session:D}/{path}"
        );
        request.Content = content;
        if (target.Credential is { } credential)
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {credential}");

        try
        {
            return await ClientFor(target.Url).SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        }
        catch (Exception broken) when (IsBroken(broken, cancel))
        {
            return null;
        }
    }

    /// <summary>The status of an answer whose body says nothing; null when there is none in time.</summary>
    public async Task<HttpStatusCode?> Post<T>(
        string path,
        T body,
        JsonTypeInfo<T> type,
        TimeSpan timeout,
        CancellationToken cancel
    )
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(timeout);
        try
        {
            using var answer = await Send(HttpMethod.Post, path, ToJson(body, type), bound.Token);
            return answer?.StatusCode;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>A body in JSON.</summary>
    public static ByteArrayContent ToJson<T>(T body, JsonTypeInfo<T> type)
    {
        var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body, type));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        return content;
    }

    /// <summary>Whether an exception says that the other end, or the way to it, has failed.</summary>
    public static bool IsBroken(Exception exception, CancellationToken cancel) =>
        exception is HttpRequestException or IOException or JsonException
        || exception is OperationCanceledException && !cancel.IsCancellationRequested;

    public void Dispose() => http?.Dispose();

    // A key goes to the address it was meant for and to no other; and no proxy knows this machine's loopback.
    HttpClient ClientFor(Uri url)
    {
        if (http is not null && isLoopback == url.IsLoopback)
            return http;

        http?.Dispose();
        isLoopback = url.IsLoopback;
        return http = new(
            new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                UseCookies = false,
                UseProxy = !isLoopback,
                ConnectTimeout = ConnectTimeout,
                PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
            }
        )
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }
}
