using System.Net;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Wake.Gateway;
using Wake.Standalone;

namespace Wake.Cli;

/// <summary>The HTTP door of a running Wake: <c>WAKE_URL</c>, else the one a data folder names.</summary>
sealed class WakeClient : IDisposable
{
    // Longer than PostgreSQL takes for the largest batch; a command shall end some day.
    static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(100);

    static readonly TimeSpan ReconnectDelay = TimeSpan.FromSeconds(1);

    readonly HttpClient http;
    readonly DataFolder folder;
    readonly string? named;

    /// <param name="data">The data folder the user named, which counts more than the environment; null for
    /// none.</param>
    public WakeClient(string? data)
    {
        folder = CommonOptions.ResolveFolder(data);
        named =
            (data is null || CurrentRun.Exists) && Environment.GetEnvironmentVariable("WAKE_URL") is { Length: > 0 } url
                ? url
                : null;

        // A key goes to the address it was meant for and to no other; and no proxy knows this machine's loopback.
        http = new(
            new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = ResolveEndpoint() is { IsLoopback: false } }
        )
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>Where the API is.</summary>
    /// <exception cref="NotRunningException">No Wake runs.</exception>
    public Uri Url => ResolveEndpoint() ?? throw NotRunning();

    /// <summary>Where it looks, in words.</summary>
    public string AddressDescription =>
        named is not null ? $"{named}, from WAKE_URL"
        : folder.ReadEndpoint() is { } endpoint ? $"{endpoint.Url}, named in {folder.FullPath}"
        : folder.FullPath;

    /// <summary>A key or an id as one segment of a path.</summary>
    /// <exception cref="CommandException">No path can carry it: the address would be that of something
    /// else.</exception>
    public static string EscapeSegment(string name) =>
        name is not ("" or "." or "..")
            ? Uri.EscapeDataString(name)
            : throw new CommandException($"Nothing can be called '{name}'.");

    /// <summary>What a GET answers with, for who can do without: null when no Wake runs, or it does not let this
    /// in.</summary>
    public static async Task<T?> TryGet<T>(string? data, string path, JsonTypeInfo<T> type, CancellationToken cancel)
        where T : class
    {
        try
        {
            using var wake = new WakeClient(data);
            return await wake.Get(path, cancel) is { IsSuccess: true } answer ? answer.ReadAs(type) : null;
        }
        catch (CommandException)
        {
            return null;
        }
    }

    public Task<ApiResponse> Get(string path, CancellationToken cancel) => Send(Request(HttpMethod.Get, path), cancel);

    public Task<ApiResponse> Delete(string path, CancellationToken cancel) =>
        Send(Request(HttpMethod.Delete, path), cancel);

    public Task<ApiResponse> Post<T>(string path, T body, JsonTypeInfo<T> type, CancellationToken cancel) =>
        Post(path, JsonSerializer.SerializeToUtf8Bytes(body, type), cancel);

    public Task<ApiResponse> Put<T>(string path, T body, JsonTypeInfo<T> type, CancellationToken cancel) =>
        SendJson(HttpMethod.Put, path, JsonSerializer.SerializeToUtf8Bytes(body, type), cancel);

    /// <summary>A request that says nothing beside its path.</summary>
    public Task<ApiResponse> Post(string path, CancellationToken cancel) => Post(path, "{}"u8.ToArray(), cancel);

    public Task<ApiResponse> Post(string path, byte[] json, CancellationToken cancel) =>
        SendJson(HttpMethod.Post, path, json, cancel);

    Task<ApiResponse> SendJson(HttpMethod method, string path, byte[] json, CancellationToken cancel)
    {
        var request = Request(method, path);
        request.Content = new ByteArrayContent(json);
        request.Content.Headers.ContentType = new("application/json");

        // A body that is too large is refused before it is sent, so that the refusal arrives.
        request.Headers.ExpectContinue = json.Length > 1024 * 1024;
        return Send(request, cancel);
    }

    /// <summary>
    /// Server-sent events until the reader has enough. The first connection has to come about; when one drops, it
    /// connects again and goes on behind the last event that has an id.
    /// </summary>
    /// <param name="path">Of what.</param>
    /// <param name="cancel">Ends it.</param>
    /// <param name="note">Is told when the connection is lost, and when there is one again.</param>
    public async IAsyncEnumerable<SseItem<byte[]>> Follow(
        string path,
        [EnumeratorCancellation] CancellationToken cancel,
        Action<string>? note = null
    )
    {
        string? last = null;
        var stream = await OpenEventStream(path, last, cancel);
        while (true)
        {
            await using (stream)
            {
                await using var items = SseParser
                    .Create(stream, (_, data) => data.ToArray())
                    .EnumerateAsync(cancel)
                    .GetAsyncEnumerator(cancel);
                while (await HasNext(items))
                {
                    last = items.Current.EventId ?? last;
                    yield return items.Current;
                }
            }

            note?.Invoke("The connection was lost; connecting again.");
            stream = await Reconnect(path, last, cancel);
            note?.Invoke("Connected again.");
        }
    }

    static async Task<bool> HasNext(IAsyncEnumerator<SseItem<byte[]>> items)
    {
        try
        {
            return await items.MoveNextAsync();
        }
        catch (Exception dropped) when (dropped is IOException or HttpRequestException)
        {
            // As good as an end of the stream.
            return false;
        }
    }

    async Task<Stream> Reconnect(string path, string? lastEventId, CancellationToken cancel)
    {
        while (true)
        {
            await Task.Delay(ReconnectDelay, cancel);
            try
            {
                return await OpenEventStream(path, lastEventId, cancel);
            }
            catch (NoAnswerException)
            {
                // Not yet.
            }
        }
    }

    async Task<Stream> OpenEventStream(string path, string? lastEventId, CancellationToken cancel)
    {
        using var request = Request(HttpMethod.Get, path);
        request.Headers.Accept.Add(new("text/event-stream"));
        if (lastEventId is not null)
            request.Headers.Add("Last-Event-ID", lastEventId);
        return await WithTransportErrors(async () =>
        {
            var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
            VerifyOwn(request, response);
            if (response.IsSuccessStatusCode)
                return await response.Content.ReadAsStreamAsync(cancel);

            var failure = (await ReadResponse(response, cancel)).ToException();
            throw (int)response.StatusCode >= 500 ? new NoAnswerException(failure.Message) : failure;
        });
    }

    public void Dispose() => http.Dispose();

    async Task<ApiResponse> Send(HttpRequestMessage request, CancellationToken cancel)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(RequestTimeout);
        try
        {
            return await WithTransportErrors(async () =>
            {
                using var _ = request;
                // Waits on the spot: what is awaited in the runtime's HTTP client is compiled anew in every process,
                // and that takes longer than the request.
                using var response = http.Send(request, bound.Token);
                VerifyOwn(request, response);
                return await ReadResponse(response, bound.Token);
            });
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new NoAnswerException(
                $"Wake did not answer within {RequestTimeout.TotalSeconds:0} s (looked at {AddressDescription})."
            );
        }
    }

    async Task<T> WithTransportErrors<T>(Func<Task<T>> talk)
    {
        try
        {
            return await talk();
        }
        catch (HttpRequestException refused)
            when (refused.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError)
        {
            throw NotRunning();
        }
        catch (Exception broken) when (broken is HttpRequestException or IOException)
        {
            throw new NoAnswerException(
                $"Wake did not answer (looked at {AddressDescription}): {broken.GetBaseException().Message}"
            );
        }
    }

    static async Task<ApiResponse> ReadResponse(HttpResponseMessage response, CancellationToken cancel) =>
        new(
            response.RequestMessage!.RequestUri!,
            response.StatusCode,
            response.Content.Headers.ContentType?.MediaType ?? "",
            await response.Content.ReadAsByteArrayAsync(cancel)
        )
        {
            Links = response.Headers.TryGetValues("Link", out var links) ? string.Join(", ", links) : "",
        };

    /// <summary>A path with those parameters that have a value.</summary>
    public static string WithQuery(string path, params ReadOnlySpan<(string Name, string? Value)> parameters)
    {
        var query = new StringBuilder(path);
        foreach (var (name, value) in parameters)
        {
            if (value is not null)
                query
                    .Append(query.Length == path.Length ? '?' : '&')
                    .Append(name)
                    .Append('=')
                    .Append(Uri.EscapeDataString(value));
        }

        return query.ToString();
    }

    // One that WAKE_URL names may be anywhere, and no folder of this machine is its own.
    NotRunningException NotRunning(string? instead = null) =>
        new(
            $"Wake is not running (looked at {AddressDescription}{instead}). Start it with: wake up",
            named is null && !CurrentRun.Exists ? folder : null
        );

    Uri? ResolveEndpoint()
    {
        if (named is null)
            return folder.ReadEndpoint()?.Url;

        return Uri.TryCreate(named, UriKind.Absolute, out var url) && url.Scheme is "http" or "https"
            ? url
            : throw new CommandException($"WAKE_URL is not an address like http://127.0.0.1:9253: {named}");
    }

    // Asked anew for every request: a Wake that was restarted may have another port, and has another token. The path is
    // as it is written here: a Uri would by itself undo escapes that a key needs.
    HttpRequestMessage Request(HttpMethod method, string path)
    {
        var url = Url;
        var request = new HttpRequestMessage(
            method,
            new Uri(
                url.AbsoluteUri.TrimEnd('/') + path,
                new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }
            )
        );
        if (Credential(url) is { } credential)
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {credential}");
        return request;
    }

    // The key that was given, else the token of the data folder, which goes to the Wake of that folder alone.
    string? Credential(Uri url)
    {
        if (CurrentRun.Exists)
            return CurrentRun.Token;

        var key = Environment.GetEnvironmentVariable("WAKE_API_KEY") is { Length: > 0 } given ? given.Trim() : null;
        if (!url.IsLoopback || folder.ReadEndpoint()?.Url.Port != url.Port || named is not null && key is not null)
            return key;

        // A Wake that was killed leaves its address behind, and the port to anybody.
        return LocalUser.GetListenerUser(url.Port) is not { } user || LocalUser.IsTrusted(user)
            ? key ?? OwnerToken.Read(folder.TokenFile)
            : throw NotRunning($"; a program of the user {user} listens there");
    }

    // Every Wake knows the token that stands in its folder.
    void VerifyOwn(HttpRequestMessage request, HttpResponseMessage response)
    {
        if (
            response.StatusCode is HttpStatusCode.Unauthorized
            && request.Headers.Authorization?.Parameter is { } sent
            && sent == OwnerToken.Read(folder.TokenFile)
        )
            throw NotRunning("; another Wake listens there");
    }
}

/// <summary>Wake does not run, or did not answer.</summary>
class NoAnswerException(string message) : CommandException(message);

/// <summary>Wake does not run, so it has heard nothing.</summary>
sealed class NotRunningException(string message, DataFolder? folder) : NoAnswerException(message)
{
    /// <summary>Where it will look for events when it starts; null when that is not known.</summary>
    public SpoolFolder? Spool => folder?.Spool;

    /// <summary>The names of the sessions it will know then, each with the key; null when that is not known.</summary>
    public IReadOnlyDictionary<string, string>? Sessions => folder?.SessionsFile.Read();
}
