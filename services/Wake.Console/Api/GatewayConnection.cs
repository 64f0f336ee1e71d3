using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Options;
using Wake.Contracts.Http;

namespace Wake.WebConsole;

/// <summary>The connection to the HTTP API that all who use this console share. Each call carries the credential of one
/// of them.</summary>
public sealed partial class GatewayConnection : IDisposable
{
    // Longer than PostgreSQL takes for the largest list; nobody looks at a page for longer.
    static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(30);

    // More than the largest page of a list: as many sessions as it may have, with their longest keys.
    const int MaxAnswerBytes = 32 * 1024 * 1024;

    readonly Uri url;
    readonly string authority;
    readonly HttpClient http;
    readonly TimeProvider time;

    public GatewayConnection(IOptions<ConsoleOptions> options, TimeProvider time)
    {
        this.time = time;
        url = options.Value.GatewayUrl!;
        authority = url.GetLeftPart(UriPartial.Authority);

        // A key goes to the address it is meant for and to no other; and no proxy knows this machine's loopback.
        http = new(
            new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                UseCookies = false,
                UseProxy = !url.IsLoopback,
                PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            }
        )
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = MaxAnswerBytes,
        };
    }

    /// <summary>Who has this credential, and what they may do.</summary>
    /// <exception cref="ApiException">Nobody has it, or the API does not answer.</exception>
    internal Task<Caller> FindCaller(Credential credential, CancellationToken cancel) =>
        Send<Caller>(ApiCall.Get("/v1/caller"), credential, cancel);

    /// <summary>Makes a call and reads the answer.</summary>
    /// <exception cref="ApiException">It was refused, or there was no answer.</exception>
    internal async Task<T> Send<T>(ApiCall call, Credential credential, CancellationToken cancel)
    {
        var (body, _) = await Send(call, credential, cancel);
        return Read<T>(body);
    }

    /// <summary>Makes a call to a list and reads one page.</summary>
    /// <exception cref="ApiException">It was refused, or there was no answer.</exception>
    internal async Task<Page<T>> SendForPage<T>(ApiCall call, Credential credential, CancellationToken cancel)
    {
        var (body, links) = await Send(call, credential, cancel);
        return new(
            Read<T[]>(body),
            NextPage().Match(links) is { Success: true } link ? Uri.UnescapeDataString(link.Groups[1].Value) : null
        );
    }

    /// <summary>Opens a stream of server-sent events.</summary>
    /// <param name="path">Which.</param>
    /// <param name="credential">Of whom.</param>
    /// <param name="after">The id of the last event that is known; null to begin where the stream begins.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="ApiException">It was refused, or there was no answer.</exception>
    internal Task<EventSubscription> OpenEventStream(
        string path,
        Credential credential,
        string? after,
        CancellationToken cancel
    ) =>
        WithinTimeout(
            async bound =>
            {
                using var request = Request(ApiCall.Get(path), credential);
                request.Headers.Accept.Add(new("text/event-stream"));
                if (after is not null)
                    request.Headers.Add("Last-Event-ID", after);
                var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, bound);
                return response.IsSuccessStatusCode
                    ? new EventSubscription(await response.Content.ReadAsStreamAsync(bound), time)
                    : throw await Refusal(response, bound);
            },
            cancel
        );

    /// <summary>Whether the API answers at all, for the health of this service.</summary>
    internal async Task<bool> IsAlive(CancellationToken cancel)
    {
        using var response = await http.GetAsync(new Uri($"{url.AbsoluteUri.TrimEnd('/')}/health/live"), cancel);
        return response.IsSuccessStatusCode;
    }

    public void Dispose() => http.Dispose();

    internal Task<(byte[] Body, string Links)> Send(ApiCall call, Credential credential, CancellationToken cancel) =>
        WithinTimeout(
            async bound =>
            {
                using var request = Request(call, credential);
                using var response = await http.SendAsync(request, bound);
                return response.IsSuccessStatusCode
                    ? (
                        await response.Content.ReadAsByteArrayAsync(bound),
                        response.Headers.TryGetValues("Link", out var links) ? string.Join(", ", links) : ""
                    )
                    : throw await Refusal(response, bound);
            },
            cancel
        );

    static async Task<T> WithinTimeout<T>(Func<CancellationToken, Task<T>> talk, CancellationToken cancel)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(RequestTimeout);
        try
        {
            return await WithTransportErrors(() => talk(bound.Token));
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new ApiException($"The API did not answer within {RequestTimeout.TotalSeconds:0} seconds.");
        }
    }

    static async Task<T> WithTransportErrors<T>(Func<Task<T>> talk)
    {
        try
        {
            return await talk();
        }
        catch (Exception broken) when (broken is HttpRequestException or IOException)
        {
            throw new ApiException($"The API does not answer: {broken.GetBaseException().Message}");
        }
    }

    static T Read<T>(byte[] body)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(body, JsonSerializerOptions.Web)
                ?? throw new JsonException("It is null.");
        }
        catch (JsonException wrong)
        {
            throw new ApiException(
                $"The API answers something this console does not understand. Is it of another version? {wrong.Message}"
            );
        }
    }

    static async Task<ApiException> Refusal(HttpResponseMessage response, CancellationToken cancel)
    {
        using (response)
        {
            return new(
                response.Content.Headers.ContentType?.MediaType == "application/problem+json"
                    ? Read<ApiProblem>(await response.Content.ReadAsByteArrayAsync(cancel)).ToText()
                    : $"The API answers {(int)response.StatusCode}. Is that Wake?",
                response.StatusCode
            );
        }
    }

    // The path is as it is written here: a Uri would by itself undo escapes that a key needs.
    HttpRequestMessage Request(ApiCall call, Credential credential)
    {
        var request = new HttpRequestMessage(
            call.Method,
            new Uri(
                url.AbsoluteUri.TrimEnd('/') + call.Path,
                new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }
            )
        );
        if (call.Body is not null)
            request.Content = new StringContent(call.Body, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));

        // Where an answer is lost, the same press of a button is not done twice.
        if (call.Method == HttpMethod.Post)
            request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
        credential.Apply(request.Headers, authority);
        return request;
    }

    [GeneratedRegex("<[^>]*[?&]cursor=([^&>]+)[^>]*>; rel=\"next\"")]
    private static partial Regex NextPage();
}

/// <summary>A page of a list.</summary>
/// <param name="Rows">The rows.</param>
/// <param name="Next">The cursor of the next page; null when this is the last.</param>
public sealed record Page<T>(IReadOnlyList<T> Rows, string? Next);
