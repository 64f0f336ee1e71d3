using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>
/// Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a completed request is replayed from the stored
/// response instead of being executed again. A refused request does not consume the key. If the outcome of an attempt
/// is unknown, the retry runs under the same <see cref="OperationId"/>, from which everything it creates takes its id.
/// </summary>
static class IdempotencyMiddleware
{
    public const string Header = "Idempotency-Key";

    const int MaxLength = 255;

    // Longer than any request takes that does not wait for turns.
    static readonly TimeSpan ClaimTimeout = TimeSpan.FromMinutes(1);

    static readonly TimeSpan StoreRetryInterval = TimeSpan.FromSeconds(1);

    /// <summary>Says that an endpoint heeds the header.</summary>
    public sealed record SupportsIdempotencyKey;

    /// <summary>Names what a request does, the same when it is done again after a crash or a failure.</summary>
    public sealed record OperationId(Guid Id, bool IsRetry);

    public static T WithIdempotencyKey<T>(this T endpoint)
        where T : IEndpointConventionBuilder => endpoint.WithMetadata(new SupportsIdempotencyKey());

    /// <summary>An id for what a request makes.</summary>
    public static Guid NewOperationId(this HttpContext http) =>
        http.Features.Get<OperationId>()?.Id ?? Guid.CreateVersion7();

    /// <summary>Whether the same request was begun before and came to an end that nobody knows.</summary>
    public static bool IsRetry(this HttpContext http) => http.Features.Get<OperationId>() is { IsRetry: true };

    public static void UseIdempotencyKeys(this IApplicationBuilder app)
    {
        var keys = app.ApplicationServices.GetRequiredService<IdempotencyKeys>();
        var log = app
            .ApplicationServices.GetRequiredService<ILoggerFactory>()
            .CreateLogger(typeof(IdempotencyMiddleware));

        app.Use(
            async (http, next) =>
            {
                if (
                    http.Request.Headers[Header] is { Count: > 0 } named
                    && http.GetEndpoint()?.Metadata.GetMetadata<SupportsIdempotencyKey>() is not null
                )
                    await (await ProcessOnce(http, next, named.ToString(), keys, log)).ExecuteAsync(http);
                else
                    await next(http);
            }
        );
    }

    static async Task<IResult> ProcessOnce(
        HttpContext http,
        RequestDelegate next,
        string named,
        IdempotencyKeys keys,
        ILogger log
    )
    {
        if (Unquoted(named) is not { } name)
            return ProblemResults.Create(
                StatusCodes.Status400BadRequest,
                $"{Header} must be a text of 1 to {MaxLength} visible characters, in quotes or without."
            );

        if (await RequestBody.ReadBounded(http.Request.BodyReader, http.RequestAborted) is not { } bytes)
            return RequestBody.TooLarge();

        var body = bytes.ToArray();
        http.Request.BodyReader.AdvanceTo(bytes.End);
        http.Request.Body = new MemoryStream(body);

        var key = Hash(Caller.From(http).Name, http.Request.Method, RequestTarget.NormalizedPath(http), name);
        var request = Hash(
            $"{http.Request.QueryString}",
            http.Request.ContentType ?? "",
            Convert.ToHexString(SHA256.HashData(body))
        );

        IdempotencyClaim claim;
        try
        {
            claim = await keys.Claim(
                key,
                request,
                ClaimTimeout + (PreferWait.RequestedDuration(http) ?? TimeSpan.Zero),
                http.RequestAborted
            );
        }
        catch (Exception down) when (PostgresErrors.IsTransient(down))
        {
            log.LogWarning("A request with an {Header} was not begun: {Reason}", Header, down.Message);
            http.Response.Headers.RetryAfter = "5";
            return ProblemResults.Create(
                StatusCodes.Status503ServiceUnavailable,
                "PostgreSQL does not answer, so nothing was accepted. Send it again."
            );
        }

        switch (claim)
        {
            case IdempotencyClaim.Granted { OperationId: var work, IsRetry: var again }:
                http.Features.Set(new OperationId(work, again));
                return await ExecuteAndStore(http, next, key, again, keys, log);

            case IdempotencyClaim.Completed answered:
                http.Response.Headers["Idempotency-Replayed"] = "true";
                return new ReplayedResponse(answered.Status, answered.Location, answered.Body);

            case IdempotencyClaim.InProgress:
                http.Response.Headers.RetryAfter = "1";
                return ProblemResults.Create(
                    StatusCodes.Status409Conflict,
                    $"The request of this {Header} is under way. Ask again for its answer."
                );

            default:
                return ProblemResults.Create(
                    StatusCodes.Status422UnprocessableEntity,
                    $"This {Header} belongs to another request. Choose a new one for each."
                );
        }
    }

    static async Task<IResult> ExecuteAndStore(
        HttpContext http,
        RequestDelegate next,
        byte[] key,
        bool again,
        IdempotencyKeys keys,
        ILogger log
    )
    {
        var (sender, answer) = (http.Response.Body, new MemoryStream());
        http.Response.Body = answer;
        try
        {
            await next(http);
        }
        catch (Exception failed)
        {
            // Unless PostgreSQL has refused it, it may have committed, and its answer be what failed.
            await StoreWithRetries(
                () =>
                    PostgresErrors.RejectionReason(failed) is not null && !again
                        ? keys.Discard(key, CancellationToken.None)
                        : keys.Release(key, CancellationToken.None),
                log
            );
            throw;
        }
        finally
        {
            http.Response.Body = sender;
        }

        var (status, body) = (http.Response.StatusCode, answer.ToArray());
        await StoreWithRetries(
            () =>
                status switch
                {
                    >= 200 and < 300 => keys.Complete(
                        key,
                        status,
                        http.Response.Headers.Location,
                        body,
                        CancellationToken.None
                    ),
                    // A refusal of the first attempt: nothing was done.
                    >= 400 and < 500 when !again => keys.Discard(key, CancellationToken.None),
                    _ => keys.Release(key, CancellationToken.None),
                },
            log
        );
        return new CapturedResponse(body);
    }

    // The request is done or refused all the same; whoever asks again before this is settled hears that it is under
    // way.
    static async Task StoreWithRetries(Func<Task> settle, ILogger log)
    {
        if (!await IsSettled())
            _ = Insist();

        async Task Insist()
        {
            for (var waited = StoreRetryInterval; waited < ClaimTimeout; waited += StoreRetryInterval)
            {
                await Task.Delay(StoreRetryInterval);
                if (await IsSettled())
                    return;
            }
        }

        async Task<bool> IsSettled()
        {
            try
            {
                await settle();
                return true;
            }
            catch (Exception failed) when (PostgresErrors.IsFailure(failed))
            {
                log.LogWarning(
                    "What became of a request with an {Header} was not noted: {Reason}",
                    Header,
                    failed.Message
                );
                return false;
            }
        }
    }

    // The draft says a quoted string; nearly everybody sends it without quotes.
    static string? Unquoted(string header)
    {
        var text = header.Trim();
        if (text is ['"', .. var inner, '"'])
            text = inner.Replace("\\\"", "\"").Replace("\\\\", "\\");
        return text.Length is > 0 and <= MaxLength && text.All(x => x is >= ' ' and <= '~') ? text : null;
    }

    static byte[] Hash(params string[] parts) => SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', parts)));

    /// <summary>An answer whose status and headers stand.</summary>
    sealed class CapturedResponse(byte[] body) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext) =>
            body is [] ? Task.CompletedTask : httpContext.Response.Body.WriteAsync(body).AsTask();
    }

    /// <summary>An answer that was given before.</summary>
    sealed class ReplayedResponse(int status, string? location, byte[] body) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            httpContext.Response.StatusCode = status;
            httpContext.Response.ContentType = "application/json; charset=utf-8";
            if (location is not null)
                httpContext.Response.Headers.Location = location;
            return httpContext.Response.Body.WriteAsync(body).AsTask();
        }
    }
}
