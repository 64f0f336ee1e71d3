using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary><c>POST /github</c>: where GitHub delivers to.</summary>
static class GitHubWebhook
{
    /// <summary>GitHub drops larger payloads; as a form they may be three times as large.</summary>
    public const int MaxBody = 25 * 1024 * 1024;

    static readonly GitHubWebhookProvider Sender = new();

    public static void Map(IEndpointRouteBuilder routes) =>
        routes
            .MapPost("/github", HandleDelivery)
            // Deliveries prove themselves by their signature, and the body is bounded as it is read.
            .AllowAnonymous()
            .WithMetadata(new DisableRequestSizeLimitAttribute())
            .ExcludeFromDescription();

    static Task<IResult> HandleDelivery(
        HttpContext http,
        WebhookReceiver door,
        RepollRequests repollRequests,
        IOptions<GitHubOptions> options,
        CancellationToken cancel
    )
    {
        if (options.Value.Credentials is not { Count: > 0 } credentials)
        {
            return Task.FromResult(
                Results.Problem(
                    "GitHub webhooks are not set up here: set GitHub__WebhookSecrets__0.",
                    statusCode: StatusCodes.Status404NotFound
                )
            );
        }

        var listening = new CapturingProvider();
        return door.Receive(
            http,
            "github",
            listening,
            credentials,
            http.Request.HasFormContentType ? MaxBody * 3 : MaxBody,
            cancel,
            Enrich
        );

        // What only this process knows: which words are its own, what else there is to tell, and a poller to be told.
        async Task<EventMapping> Enrich(EventMapping mapped, CancellationToken bound)
        {
            if (http.RequestServices.GetService<OwnComments>() is { } own)
                mapped = await own.Drop(mapped, bound);
            mapped = options.Value.ReviewBots.Apply(mapped);
            mapped = SelfAuthoredFilter.MakeAmbient(mapped, options.Value.OwnLogins);
            if (http.RequestServices.GetService<DeliveryEnricher>() is { } details)
                mapped = await details.Enrich(mapped, bound);
            if (listening.Delivery is { } delivery)
            {
                var name = delivery.Header("X-GitHub-Event");
                if (http.RequestServices.GetService<WebhookCheckAggregator>() is { } checks)
                    mapped = await checks.RecordDelivery(mapped, name, delivery.Payload(), bound);
                if (http.RequestServices.GetService<WebhookMergeStates>() is { } mergeStates)
                    await mergeStates.RecordDelivery(name, delivery.Payload(), bound);
            }

            repollRequests.Request(mapped);
            return mapped;
        }
    }

    // The payload says more than its events do, to whoever adds checks up.
    sealed class CapturingProvider : IWebhookProvider
    {
        public WebhookRequest? Delivery { get; private set; }

        public string? VerificationFailure(
            WebhookRequest delivery,
            IReadOnlyList<string> secrets,
            DateTimeOffset now
        ) => Sender.VerificationFailure(delivery, secrets, now);

        public EventMapping Map(WebhookRequest delivery)
        {
            var mapped = Sender.Map(delivery);
            Delivery = GitHubWebhookProvider.IsOthers(delivery) ? null : delivery;
            return mapped;
        }
    }
}
