using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Wake.Contracts;
using Wake.ServiceDefaults;

namespace Wake.Producing;

/// <summary>
/// Receives a webhook delivery: reads the body within limits, verifies the signature, maps it to events and publishes
/// them. Answers 2xx also to what it ignores: GitLab disables webhooks that keep failing.
/// </summary>
public sealed class WebhookReceiver(
    IEventPublisher publisher,
    AuthenticationFailureLimiter failures,
    TimeProvider time,
    ILogger<WebhookReceiver> log,
    IDeliveryLog? deliveries = null
)
{
    // Within the ten seconds that forges wait for an answer.
    static readonly TimeSpan PublishTimeout = TimeSpan.FromSeconds(8);

    readonly WebhookBodyReader bodies = new();

    /// <summary>Takes one delivery.</summary>
    /// <param name="http">The request.</param>
    /// <param name="hook">The name of the hook it came in by.</param>
    /// <param name="sender">Who is expected to send here.</param>
    /// <param name="credentials">What the sender proves itself with.</param>
    /// <param name="limit">The largest body, in bytes.</param>
    /// <param name="cancel">Ends it.</param>
    /// <param name="details">What is added to what a genuine delivery means, before it is handed over; null:
    /// nothing.</param>
    public async Task<IResult> Receive(
        HttpContext http,
        string hook,
        IWebhookProvider sender,
        IReadOnlyList<WebhookCredentials> credentials,
        int limit,
        CancellationToken cancel,
        Func<EventMapping, CancellationToken, Task<EventMapping>>? details = null
    )
    {
        var body = await bodies.Read(http.Request, limit, cancel);
        if (body is WebhookBodyReader.WebhookBody.Rejected refused)
        {
            // The rest of it is not read, so nothing can follow it.
            http.Response.Headers.Connection = "close";
            return Problem(http, hook, refused.Status, refused.Why);
        }

        using var whole = (WebhookBodyReader.WebhookBody.Complete)body;
        var delivery = new WebhookRequest(
            hook,
            http.Request.Headers.Select(x => KeyValuePair.Create(x.Key, x.Value.FirstOrDefault() ?? "")),
            whole.Bytes
        );

        // Before anything is said about its address: what is genuine gets in, whoever else sends from there.
        var (proven, why) = Authenticate(sender, delivery, credentials);
        if (proven is null)
            return RejectUnauthenticated(http, hook, why!);

        if (proven.RejectionReason?.Invoke(delivery) is { } notTheirs)
            return Forbidden(http, hook, notTheirs);

        try
        {
            return sender.Map(delivery) switch
            {
                { IsMalformed: true, IgnoredReason: var reason } => Problem(
                    http,
                    hook,
                    StatusCodes.Status400BadRequest,
                    reason!
                ),
                { IsForbidden: true, IgnoredReason: var reason } => Forbidden(http, hook, reason!),
                var mapped => await Publish(
                    http,
                    hook,
                    proven.MayRelateTo is { } which ? mapped.WithRelatedOnly(which) : mapped,
                    details,
                    cancel
                ),
            };
        }
        catch (JsonException wrong)
        {
            return Problem(
                http,
                hook,
                StatusCodes.Status400BadRequest,
                $"The body is not JSON: {EventJson.DescribeError(wrong)}"
            );
        }
    }

    async Task<IResult> Publish(
        HttpContext http,
        string hook,
        EventMapping mapped,
        Func<EventMapping, CancellationToken, Task<EventMapping>>? details,
        CancellationToken cancel
    )
    {
        using var origin = mapped.Trace.TraceParent is null
            ? null
            : Tracing.Start(Tracing.WebhookDelivery, ActivityKind.Consumer, mapped.Trace, [TraceContext.Current]);
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(PublishTimeout);
        try
        {
            if (details is not null)
                mapped = await details(mapped, bound.Token);

            if (mapped.Events is [])
            {
                CountDelivery(hook, "ignored");
                return Results.Ok(new { ignored = mapped.IgnoredReason });
            }

            await publisher.Publish(mapped.Events, bound.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            http.Response.Headers.RetryAfter = "5";
            return Problem(
                http,
                hook,
                StatusCodes.Status503ServiceUnavailable,
                "Nobody takes events at the moment. Send it again."
            );
        }

        CountDelivery(hook, "accepted");
        return Results.Accepted(null, new { accepted = mapped.Events.Select(x => x.EffectiveDedupKey) });
    }

    (WebhookCredentials? Proven, string? Why) Authenticate(
        IWebhookProvider sender,
        WebhookRequest delivery,
        IReadOnlyList<WebhookCredentials> credentials
    )
    {
        string? why = null;
        foreach (var one in credentials)
        {
            if ((why = sender.VerificationFailure(delivery, one.Secrets, time.GetUtcNow())) is null)
                return (one, null);
        }

        return (null, why ?? "There is nothing that it could prove itself with.");
    }

    IResult RejectUnauthenticated(HttpContext http, string hook, string why)
    {
        var address = http.Connection.RemoteIpAddress;
        failures.RecordFailure(address);
        if (failures.RetryAfter(address) is { } wait)
            return TooManyRequests(http, hook, wait);

        log.LogWarning("A delivery to {Hook} from {Address} is not genuine: {Reason}", hook, address, why);
        return Problem(http, hook, StatusCodes.Status401Unauthorized, why);
    }

    IResult Forbidden(HttpContext http, string hook, string why)
    {
        log.LogWarning("A delivery to {Hook} is genuine and refused: {Reason}", hook, why);
        return Problem(http, hook, StatusCodes.Status403Forbidden, why);
    }

    IResult TooManyRequests(HttpContext http, string hook, TimeSpan wait)
    {
        http.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        return Problem(
            http,
            hook,
            StatusCodes.Status429TooManyRequests,
            "Too many deliveries from this address were not genuine."
        );
    }

    IResult Problem(HttpContext http, string hook, int status, string why)
    {
        WakeMetrics.WebhookDeliveries.Add(1, new("hook", hook), new("outcome", "refused"));
        deliveries?.Note(hook, "refused", status, why, http.Connection.RemoteIpAddress);
        return Results.Problem(why, statusCode: status);
    }

    void CountDelivery(string hook, string outcome)
    {
        WakeMetrics.WebhookDeliveries.Add(1, new("hook", hook), new("outcome", outcome));
        deliveries?.Note(hook, outcome);
    }
}
