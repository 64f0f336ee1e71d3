using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>
/// HTTP client for one GitHub host and account: rate limits, retries, redirects, ETags. Error pages, truncated bodies
/// and unexpected JSON are errors, never results. Secrets are not logged.
/// </summary>
sealed class GitHubClient : IDisposable
{
    // A page of a hundred pull requests has about two.
    const int MaxResponseBytes = 32 * 1024 * 1024;

    const int MaxAttempts = 4;

    const string UserAgent = "wake/0.1";

    // A token that was refused is not mended by asking again soon.
    static readonly TimeSpan UnauthorizedBackoff = TimeSpan.FromMinutes(10);

    static readonly TimeSpan WarnBefore = TimeSpan.FromDays(7);

    readonly GitHubAccount account;
    readonly GitHubOptions options;
    readonly RateLimitBackoff backoff;
    readonly TimeProvider time;
    readonly ILogger log;
    readonly HttpClient http;
    readonly GitHubTokens tokens;
    readonly ConcurrentDictionary<string, GitHubRateLimit> rateLimits = new();
    DateTimeOffset unauthorizedUntil;
    DateTimeOffset warnedAt;

    public GitHubClient(
        GitHubAccount account,
        GitHubOptions options,
        RateLimitBackoff pauses,
        TimeProvider time,
        ILogger log
    )
    {
        (this.account, this.options, this.backoff, this.time, this.log) = (account, options, pauses, time, log);

        // Redirects are followed by hand: the handler would leave the token behind, and a private repository that was
        // renamed would look as if it were gone.
        http = new(
            new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                AutomaticDecompression = DecompressionMethods.All,
                PooledConnectionLifetime = TimeSpan.FromMinutes(5),
                UseCookies = false,
            }
        )
        {
            MaxResponseContentBufferSize = MaxResponseBytes,
            Timeout = Timeout.InfiniteTimeSpan,
        };
        tokens = new(account, SendAsApp, time);
    }

    /// <summary>
    /// What is left of the requests that may be made for a repository: those of the account, of an App those of each
    /// place where it is installed. Null before the first answer, or without limits.
    /// </summary>
    public GitHubRateLimit? RateLimitOf(string? repository) =>
        tokens.RateLimitKey(repository) is { } place ? rateLimits.GetValueOrDefault(place) : null;

    /// <summary>Whether so little is left for a repository that only what matters is asked for.</summary>
    public bool IsRateLimitLow(string repository) =>
        RateLimitOf(repository)?.SlowdownFactor(options.Reserve, time.GetUtcNow()) > 1;

    /// <summary>Asks for what is at a path of the API, below its address.</summary>
    /// <param name="path">The path.</param>
    /// <param name="repository">The repository it belongs to (<c>octo-org/hello</c>), which tells an App's token; null
    /// for the account's own affairs.</param>
    /// <param name="etag">What the last answer had as its ETag.</param>
    /// <param name="kind">What it must be to be an answer at all.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="GitHubUnavailableException">GitHub has said nothing, or not to ask now.</exception>
    public Task<GitHubResponse> Get(
        string path,
        string? repository,
        string? etag,
        JsonValueKind kind,
        CancellationToken cancel
    ) => SendWithRetries(HttpMethod.Get, new(account.ApiBaseAddress, path), repository, etag, kind, cancel);

    /// <summary>The page that follows; only ever on the same host.</summary>
    public Task<GitHubResponse> Get(Uri next, string? repository, JsonValueKind kind, CancellationToken cancel) =>
        SendWithRetries(HttpMethod.Get, next, repository, null, kind, cancel);

    /// <summary>Asks for something to be done.</summary>
    public Task<GitHubResponse> Post(string path, string? repository, CancellationToken cancel) =>
        SendWithRetries(
            HttpMethod.Post,
            new(account.ApiBaseAddress, path),
            repository,
            null,
            JsonValueKind.Undefined,
            cancel
        );

    /// <summary>
    /// Fetches what GitHub keeps elsewhere, as it does logs: the answer of the place it points to, of which nothing has
    /// been read yet. That place gets no token. Null when there is nothing, or nothing for us.
    /// </summary>
    public async Task<HttpResponseMessage?> Download(string path, string repository, CancellationToken cancel)
    {
        await ThrowIfPaused(repository, cancel);
        using var pointer = await Send(
            HttpMethod.Get,
            new(account.ApiBaseAddress, path),
            repository,
            null,
            cancel,
            elsewhere: true
        );
        if (RedirectTarget(pointer) is not { } target || IsApiHost(target))
        {
            await ParseResponse(pointer, repository, JsonValueKind.Undefined, cancel);
            return null;
        }

        // Out of a connection that nobody could read on the way, no one is led into one that somebody can.
        if (target.Scheme != Uri.UriSchemeHttps && target.Scheme != account.ApiBaseAddress.Scheme)
            return null;

        using var request = new HttpRequestMessage(HttpMethod.Get, target);
        request.Headers.UserAgent.ParseAdd(UserAgent);
        var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        if (answer.IsSuccessStatusCode)
            return answer;

        answer.Dispose();
        return null;
    }

    public void Dispose()
    {
        http.Dispose();
        tokens.Dispose();
    }

    async Task<GitHubResponse> SendWithRetries(
        HttpMethod method,
        Uri address,
        string? repository,
        string? etag,
        JsonValueKind kind,
        CancellationToken cancel
    )
    {
        for (var attempt = 1; ; attempt++)
        {
            await ThrowIfPaused(repository, cancel);
            try
            {
                using var answer = await Send(method, address, repository, etag, cancel);
                return await ParseResponse(answer, repository, kind, cancel);
            }
            catch (Exception failed) when (IsTransient(failed, cancel))
            {
                if (attempt == MaxAttempts || method != HttpMethod.Get)
                    throw new GitHubUnavailableException($"{account.Host} gives no answer: {failed.Message}");

                // So that many that were cut off at the same moment do not all come back at the same moment.
                await Task.Delay(
                    options.RetryAfter * attempt * attempt * (1 + Random.Shared.NextDouble() / 4),
                    time,
                    cancel
                );
            }
        }
    }

    async ValueTask ThrowIfPaused(string? repository, CancellationToken cancel)
    {
        var now = time.GetUtcNow();
        if (unauthorizedUntil > now)
            throw new GitHubUnavailableException($"{account.Host} refuses the token", unauthorizedUntil);

        if (await backoff.Get(account.Host, now, cancel) is var (until, _) && until > now)
            throw new GitHubUnavailableException($"{account.Host} asked for a pause", until);

        if (RateLimitOf(repository) is { } budget && budget.IsExhausted(options.Reserve, now))
            throw new GitHubUnavailableException("The rest of this hour's requests is left to others", budget.Reset);
    }

    async Task<HttpResponseMessage> Send(
        HttpMethod method,
        Uri address,
        string? repository,
        string? etag,
        CancellationToken cancel,
        bool elsewhere = false
    )
    {
        var renewed = false;
        for (var redirects = 0; ; )
        {
            if (!IsApiHost(address))
                throw new GitHubUnavailableException($"{account.Host} points to another host, which gets no token.");

            var answer = await SendOnce(method, address, await tokens.GetToken(repository, cancel), etag, cancel);
            switch (answer.StatusCode)
            {
                case HttpStatusCode.MovedPermanently
                or HttpStatusCode.Found
                or HttpStatusCode.TemporaryRedirect
                or HttpStatusCode.PermanentRedirect
                    when redirects++ < 3 && RedirectTarget(answer) is { } target && (IsApiHost(target) || !elsewhere):
                    address = target;
                    break;

                // A fresh token of an App may be refused for some seconds, an old one for good, and a signed word when
                // our clock is wrong.
                case HttpStatusCode.Unauthorized when tokens.Renewable && !renewed:
                    renewed = true;
                    tokens.ClockSkew =
                        answer.Headers.Date is { } there
                        && (there - time.GetUtcNow()).Duration() > TimeSpan.FromSeconds(30)
                            ? there - time.GetUtcNow()
                            : TimeSpan.Zero;
                    if (repository is not null)
                        tokens.Invalidate(repository);
                    break;

                default:
                    return answer;
            }

            answer.Dispose();
        }
    }

    async Task<HttpResponseMessage> SendOnce(
        HttpMethod method,
        Uri address,
        string token,
        string? etag,
        CancellationToken cancel
    )
    {
        using var request = new HttpRequestMessage(method, address);
        request.Headers.UserAgent.ParseAdd(UserAgent);
        request.Headers.Accept.ParseAdd("application/vnd.github+json");
        request.Headers.Authorization = new("Bearer", token);
        request.Headers.TryAddWithoutValidation("X-GitHub-Api-Version", options.ApiVersion);
        if (etag is not null)
            request.Headers.TryAddWithoutValidation("If-None-Match", etag);

        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(options.RequestTimeout);
        return await http.SendAsync(request, bound.Token);
    }

    async Task<GitHubResponse> ParseResponse(
        HttpResponseMessage answer,
        string? repository,
        JsonValueKind kind,
        CancellationToken cancel
    )
    {
        var (now, at) = (time.GetUtcNow(), answer.Headers.Date ?? time.GetUtcNow());
        if (
            RateLimitHeaders.ParseRateLimit(answer.Headers) is { } budget
            && tokens.RateLimitKey(repository) is { } place
        )
            rateLimits[place] = budget;

        if (
            RateLimitHeaders.TokenExpires(answer.Headers) is { } expires
            && expires - now < WarnBefore
            && now - warnedAt >= TimeSpan.FromDays(1)
        )
        {
            warnedAt = now;
            log.LogWarning("The token of this account for {Host} expires at {Expires:u}.", account.Host, expires);
        }

        var (_, consecutiveLimits) = await backoff.Get(account.Host, now, cancel);
        var status = (int)answer.StatusCode;
        if (status is 304 or >= 200 and < 300)
        {
            if (consecutiveLimits > 0)
                await backoff.Clear(account.Host, now, cancel);
            return status == 304
                ? new GitHubResponse.NotModified(at)
                : new GitHubResponse.Success(
                    await ReadJson(answer, kind, cancel),
                    answer.Headers.ETag?.ToString(),
                    NextPage(answer.Headers),
                    at,
                    RelativePath(answer.RequestMessage!.RequestUri!)
                );
        }

        if (status >= 500)
            throw new HttpRequestException($"status {status}");

        var message = status is 403 or 429 ? await ReadErrorMessage(answer, cancel) : null;
        if (RateLimitHeaders.PauseUntil(answer, message, consecutiveLimits, now) is { } until)
        {
            log.LogWarning("{Host} asks for no requests until {Until:u}.", account.Host, until);
            await backoff.Start(account.Host, until, consecutiveLimits + 1, now, cancel);
            throw new GitHubUnavailableException($"{account.Host} asked for a pause", until);
        }

        switch (status)
        {
            case 403:
                return new GitHubResponse.Forbidden(
                    EventText.TruncateToLine(message ?? "no reason given", EventText.MaxTitleLength)
                );
            case 404 or 410 or 422 or 451:
                return new GitHubResponse.NotFound();
            case 401:
                unauthorizedUntil = now + UnauthorizedBackoff;
                log.LogError(
                    "{Host} refuses the token of this account. Polling it stops until {Until:u}.",
                    account.Host,
                    unauthorizedUntil
                );
                throw new GitHubUnavailableException($"{account.Host} refuses the token", unauthorizedUntil);
            default:
                throw new GitHubUnavailableException($"{account.Host} answered with status {status}.");
        }
    }

    async Task<JsonElement> SendAsApp(HttpMethod method, string path, CancellationToken cancel) =>
        await SendWithRetries(method, new(account.ApiBaseAddress, path), null, null, JsonValueKind.Object, cancel)
            is GitHubResponse.Success found
            ? found.Body
            : throw new GitHubUnavailableException("The App is not installed there, or not allowed what it asks for.");

    static Uri? RedirectTarget(HttpResponseMessage answer) =>
        answer.Headers.Location is { } location ? new(answer.RequestMessage!.RequestUri!, location) : null;

    bool IsApiHost(Uri address) =>
        Uri.Compare(
            address,
            account.ApiBaseAddress,
            UriComponents.SchemeAndServer,
            UriFormat.Unescaped,
            StringComparison.OrdinalIgnoreCase
        ) == 0;

    string RelativePath(Uri address)
    {
        var (path, root) = (
            Uri.UnescapeDataString(address.AbsolutePath),
            Uri.UnescapeDataString(account.ApiBaseAddress.AbsolutePath)
        );
        return path.StartsWith(root, StringComparison.Ordinal) ? path[root.Length..] : path;
    }

    // Gateways answer with pages for people, and a broken connection with half of what it began.
    static async Task<JsonElement> ReadJson(HttpResponseMessage answer, JsonValueKind kind, CancellationToken cancel)
    {
        if (kind is JsonValueKind.Undefined)
            return default;

        if (
            answer.Content.Headers.ContentType?.MediaType?.EndsWith("json", StringComparison.OrdinalIgnoreCase)
            is not true
        )
            throw new HttpRequestException("the answer is no JSON");

        var body = JsonElement.Parse(await answer.Content.ReadAsByteArrayAsync(cancel), new() { MaxDepth = 64 });
        return body.ValueKind == kind
            ? body
            : throw new HttpRequestException($"the answer is of kind {body.ValueKind}");
    }

    static async Task<string?> ReadErrorMessage(HttpResponseMessage answer, CancellationToken cancel)
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

    static Uri? NextPage(HttpResponseHeaders headers)
    {
        if (!headers.TryGetValues("Link", out var links))
            return null;

        foreach (var link in links.SelectMany(x => x.Split(',')))
        {
            if (
                link.Contains("rel=\"next\"", StringComparison.Ordinal)
                && link.IndexOf('<') is >= 0 and var open
                && link.IndexOf('>') is var close
                && close > open
                && Uri.TryCreate(link[(open + 1)..close], UriKind.Absolute, out var next)
            )
                return next;
        }

        return null;
    }

    // Not our own end; a request that took too long ends the same way.
    static bool IsTransient(Exception failed, CancellationToken cancel) =>
        failed is HttpRequestException or IOException or JsonException
        || (failed is OperationCanceledException && !cancel.IsCancellationRequested);
}
