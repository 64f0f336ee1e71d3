using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Octokit;
using Octokit.Internal;
using Polly.Timeout;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>
/// Asks one GitHub host as one account: over one connection of Octokit, or, as an App, over one for each installation.
/// Error pages, truncated bodies and unexpected JSON are errors, never results. Secrets are not logged.
/// </summary>
sealed class GitHubClient : IDisposable
{
    const string MediaType = "application/vnd.github+json";

    // A token that was refused is not mended by asking again soon.
    static readonly TimeSpan UnauthorizedBackoff = TimeSpan.FromMinutes(10);

    readonly GitHubAccount account;
    readonly GitHubOptions options;
    readonly RateLimitBackoff backoff;
    readonly TimeProvider time;
    readonly ILogger log;
    readonly HttpClient withoutToken;
    readonly SocketsHttpHandler network;
    readonly AppCredentials? app;
    readonly GitHubConnection own;
    readonly ConcurrentDictionary<long, Installation> installations = new();
    readonly ConcurrentDictionary<string, SharedRequest<Installation>> installationOf = new();
    DateTimeOffset unauthorizedUntil;

    public GitHubClient(
        GitHubAccount account,
        GitHubOptions options,
        RateLimitBackoff backoff,
        TimeProvider time,
        ILogger log
    )
    {
        (this.account, this.options, this.backoff, this.time, this.log) = (account, options, backoff, time, log);
        network = new()
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.All,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            UseCookies = false,
        };
        withoutToken = new(network, disposeHandler: false) { Timeout = Timeout.InfiniteTimeSpan };
        app = account.AppId is { } id ? new(id, account.PrivateKey!, time) : null;
        own = Connect(app as ICredentialStore ?? new InMemoryCredentialStore(AppCredentials.Bearer(account.Token!)));
    }

    /// <summary>
    /// What is left of the requests that may be made for a repository: those of the account, of an App those of each
    /// place where it is installed. Null before the first answer, or without limits.
    /// </summary>
    public GitHubRateLimit? RateLimitOf(string repository) =>
        app is null ? own.RateLimit : installationOf.GetValueOrDefault(repository)?.Known?.Connection.RateLimit;

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
    ) => Get(Address(path), repository, etag, kind, cancel);

    /// <summary>The page that follows; only ever on the same host.</summary>
    public Task<GitHubResponse> Get(Uri next, string? repository, JsonValueKind kind, CancellationToken cancel) =>
        Get(next, repository, null, kind, cancel);

    /// <summary>Asks for what has a type of Octokit's; null where there is nothing, or nothing for this
    /// account.</summary>
    public async Task<T?> Get<T>(string path, string repository, CancellationToken cancel)
        where T : class
    {
        try
        {
            var found = await Send(repository, new(cancel), x => x.Connection.Get<T>(Address(path), null, MediaType));
            return found.Body;
        }
        catch (ApiException)
        {
            return null;
        }
    }

    /// <summary>Asks by GraphQL. Undefined where there is no answer, whyever: what asks like this goes on
    /// without.</summary>
    public async Task<JsonElement> Query(string question, object variables, string repository, CancellationToken cancel)
    {
        // https://HOST/api/graphql stands beside https://HOST/api/v3/.
        var address = new Uri(
            account.ApiBaseAddress.AbsolutePath.EndsWith("/v3/", StringComparison.Ordinal) ? "../graphql" : "graphql",
            UriKind.Relative
        );
        var body = JsonSerializer.Serialize(new { query = question, variables });
        try
        {
            var answer = await Send(
                repository,
                new(cancel),
                x => x.Connection.Post<JsonElement>(address, body, MediaType, "application/json")
            );
            return answer.Body.At("data");
        }
        catch (Exception failed) when (failed is ApiException or GitHubUnavailableException)
        {
            log.LogInformation("{Host} has not answered a question by GraphQL: {Reason}", account.Host, failed.Message);
            return default;
        }
    }

    /// <summary>Asks for something to be done; false when it is not.</summary>
    public async Task<bool> Post(string path, string? repository, CancellationToken cancel)
    {
        try
        {
            await Send(repository, new(cancel), x => x.Connection.Post(Address(path), cancel));
            return true;
        }
        catch (ApiException)
        {
            return false;
        }
    }

    /// <summary>Writes something. What GitHub refuses is an answer; after an exception nobody knows whether it was
    /// written.</summary>
    /// <param name="path">Where.</param>
    /// <param name="body">What.</param>
    /// <param name="repository">The repository it belongs to.</param>
    /// <param name="change">Whether it is there already.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="GitHubUnavailableException">GitHub has said nothing, or not to ask now.</exception>
    public async Task<GitHubWritten> Write(
        string path,
        JsonObject body,
        string repository,
        bool change,
        CancellationToken cancel
    )
    {
        try
        {
            var answer = await Send(
                repository,
                new(cancel),
                x =>
                    change
                        ? x.Connection.Patch<JsonElement>(Address(path), body.ToJsonString(), MediaType)
                        : x.Connection.Post<JsonElement>(
                            Address(path),
                            body.ToJsonString(),
                            MediaType,
                            "application/json"
                        )
            );
            return new GitHubWritten.Done(answer.Body);
        }
        catch (ApiException refusal)
        {
            var said = EventText.TruncateToLine(refusal.Message, EventText.MaxTitleLength);
            return new GitHubWritten.Refused((int)refusal.StatusCode, $"status {(int)refusal.StatusCode}, {said}");
        }
    }

    /// <summary>The login that it writes as; null where GitHub does not say.</summary>
    public async Task<string?> GetLogin(CancellationToken cancel)
    {
        var own = await Get(app is null ? "user" : "app", null, null, JsonValueKind.Object, cancel);
        return own is not GitHubResponse.Success { Body: var body } ? null
            : app is null ? body.Text("login")
            : body.Text("slug") is { } slug ? $"{slug}[bot]"
            : null;
    }

    /// <summary>
    /// Fetches what GitHub keeps elsewhere, as it does logs: the answer of the place it points to, of which nothing has
    /// been read yet. That place gets no token. Null when there is nothing, or nothing for us.
    /// </summary>
    public async Task<HttpResponseMessage?> Download(string path, string repository, CancellationToken cancel)
    {
        Uri target;
        try
        {
            await Get(path, repository, null, JsonValueKind.Undefined, cancel);
            return null;
        }
        catch (RedirectedElsewhereException elsewhere)
        {
            target = elsewhere.Target;
        }

        // Out of a connection that nobody could read on the way, no one is led into one that somebody can.
        if (target.Scheme != Uri.UriSchemeHttps && target.Scheme != account.ApiBaseAddress.Scheme)
            return null;

        using var request = new HttpRequestMessage(HttpMethod.Get, target);
        request.Headers.UserAgent.ParseAdd(ConditionalHandler.UserAgent);
        var answer = await withoutToken.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        if (answer.IsSuccessStatusCode)
            return answer;

        answer.Dispose();
        return null;
    }

    public void Dispose()
    {
        foreach (var installation in installations.Values)
            installation.Connection.Dispose();
        own.Dispose();
        withoutToken.Dispose();
        network.Dispose();
    }

    async Task<GitHubResponse> Get(
        Uri address,
        string? repository,
        string? etag,
        JsonValueKind kind,
        CancellationToken cancel
    )
    {
        var call = new GitHubCall(cancel) { ETag = etag };
        IApiResponse<JsonElement> answer;
        try
        {
            answer = await Send(repository, call, x => x.Connection.Get<JsonElement>(address, null, MediaType));
        }
        catch (ApiException refusal)
        {
            return refusal.StatusCode is HttpStatusCode.Forbidden
                ? new GitHubResponse.Forbidden()
                : new GitHubResponse.NotFound();
        }

        var at = call.Date ?? time.GetUtcNow();
        if (answer.HttpResponse.StatusCode is HttpStatusCode.NotModified)
            return new GitHubResponse.NotModified(at);

        return kind is JsonValueKind.Undefined || answer.Body.ValueKind == kind
            ? new GitHubResponse.Success(
                answer.Body,
                answer.HttpResponse.ApiInfo.Etag,
                call.Next,
                at,
                RelativePath(call.Address!)
            )
            : throw new GitHubUnavailableException($"{account.Host} gives an answer of kind {answer.Body.ValueKind}.");
    }

    /// <summary>Sends one request. What comes out of it as an <see cref="ApiException"/> is a refusal: it is not there,
    /// or not for this account.</summary>
    async Task<T> Send<T>(string? repository, GitHubCall call, Func<IApiConnection, Task<T>> ask)
    {
        for (var renewed = false; ; renewed = true)
        {
            if (unauthorizedUntil > time.GetUtcNow())
                throw new GitHubUnavailableException($"{account.Host} refuses the token", unauthorizedUntil);

            var installation =
                app is null || repository is null
                    ? null
                    : await InstallationOf(repository).Get().WaitAsync(call.Cancel);
            GitHubCall.Current = call;
            try
            {
                // It may wait for a token as well, which others wait for too.
                return await ask((installation?.Connection ?? own).Api).WaitAsync(call.Cancel);
            }
            catch (AuthorizationException) when (app is not null && !renewed)
            {
                // A fresh token of an App may be refused for some seconds, an old one for good, and a signed word when
                // our clock is wrong.
                app.CorrectClock(call.Date);
                installation?.Credentials.Renew();
                if (installation is not null)
                    installationOf.TryRemove(repository!, out _);
            }
            catch (AuthorizationException)
            {
                unauthorizedUntil = time.GetUtcNow() + UnauthorizedBackoff;
                log.LogError(
                    "{Host} refuses the token of this account. Polling it stops until {Until:u}.",
                    account.Host,
                    unauthorizedUntil
                );
                throw new GitHubUnavailableException($"{account.Host} refuses the token", unauthorizedUntil);
            }
            catch (ApiException failed) when ((int)failed.StatusCode is not (403 or 404 or 410 or 422 or 451))
            {
                throw new GitHubUnavailableException($"{account.Host} answered with status {(int)failed.StatusCode}.");
            }
            catch (Exception failed) when (IsTransient(failed, call.Cancel))
            {
                throw new GitHubUnavailableException($"{account.Host} gives no answer: {failed.Message}");
            }
        }
    }

    SharedRequest<Installation> InstallationOf(string repository) =>
        installationOf.GetOrAdd(repository, _ => new(() => FindInstallation(repository), _ => true));

    async Task<Installation> FindInstallation(string repository)
    {
        var names = repository.Split('/');
        return await SendAsApp(x => x.GetRepositoryInstallationForCurrent(names[0], names[1])) is { Id: > 0 } found
            ? installations.GetOrAdd(found.Id, Connect)
            : throw NotInstalled();
    }

    async Task<AccessToken> CreateToken(long installation)
    {
        if (await SendAsApp(x => x.CreateInstallationToken(installation)) is { Token.Length: > 0 } created)
            return created;

        // Once it is installed anew, it has another number.
        foreach (var repository in installationOf.Where(x => x.Value.Known?.Id == installation).ToList())
            installationOf.TryRemove(repository);
        throw NotInstalled();
    }

    // For all who ask at the same time, so it ends with none of them.
    async Task<T?> SendAsApp<T>(Func<GitHubAppsClient, Task<T>> ask)
        where T : class
    {
        try
        {
            return await Send(null, new(CancellationToken.None), x => ask(new(x)));
        }
        catch (ApiException)
        {
            return null;
        }
    }

    Installation Connect(long id)
    {
        var credentials = new InstallationCredentials(() => CreateToken(id), time);
        return new(id, credentials, Connect(credentials));
    }

    GitHubConnection Connect(ICredentialStore credentials) =>
        new(account, options, credentials, new(account.Host, options, backoff, time, log), network, time);

    static GitHubUnavailableException NotInstalled() =>
        new("The App is not installed there, or not allowed what it asks for.");

    static Uri Address(string path) => new(path, UriKind.Relative);

    string RelativePath(Uri address)
    {
        var (path, root) = (
            Uri.UnescapeDataString(address.AbsolutePath),
            Uri.UnescapeDataString(account.ApiBaseAddress.AbsolutePath)
        );
        return path.StartsWith(root, StringComparison.Ordinal) ? path[root.Length..] : path;
    }

    // Not our own end; a request that took too long ends the same way.
    static bool IsTransient(Exception failed, CancellationToken cancel) =>
        failed is HttpRequestException or IOException or JsonException or TimeoutRejectedException
        || (failed is OperationCanceledException && !cancel.IsCancellationRequested);

    sealed record Installation(long Id, InstallationCredentials Credentials, GitHubConnection Connection);
}
