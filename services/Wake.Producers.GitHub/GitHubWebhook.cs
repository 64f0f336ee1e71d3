using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary><c>POST /github</c>: where GitHub delivers to.</summary>
static class GitHubWebhook
{
    /// <summary>GitHub drops larger payloads; as a form they may be three times as large.</summary>
    public const int MaxBody = 25 * 1024 * 1024;

    static readonly GitHubSender Sender = new();

    public static void Map(IEndpointRouteBuilder routes) =>
        routes
            .MapPost("/github", Take)
            // Deliveries prove themselves by their signature, and the body is bounded as it is read.
            .AllowAnonymous()
            .WithMetadata(new DisableRequestSizeLimitAttribute())
            .ExcludeFromDescription();

    static Task<IResult> Take(
        HttpContext http,
        HookDoor door,
        Doorbell bell,
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

        var listening = new Listening();
        return door.Take(
            http,
            "github",
            listening,
            credentials,
            http.Request.HasFormContentType ? MaxBody * 3 : MaxBody,
            cancel,
            Heard
        );

        // What only this process knows: which words are its own, what else there is to tell, and a poller to be told.
        async Task<Mapped> Heard(Mapped mapped, CancellationToken bound)
        {
            mapped = SelfAuthoredFilter.MakeAmbient(mapped, options.Value.OwnLogins);
            if (http.RequestServices.GetService<DeliveryDetails>() is { } details)
                mapped = await details.Add(mapped, bound);
            if (http.RequestServices.GetService<DeliveredChecks>() is { } checks && listening.Delivery is { } delivery)
            {
                mapped = await checks.Heard(mapped, delivery.Header("X-GitHub-Event"), delivery.Payload(), bound);
            }

            bell.Ring(mapped);
            return mapped;
        }
    }

    // The payload says more than its events do, to whoever adds checks up.
    sealed class Listening : ISender
    {
        public HookRequest? Delivery { get; private set; }

        public string? Refusal(HookRequest delivery, IReadOnlyList<string> secrets, DateTimeOffset now) =>
            Sender.Refusal(delivery, secrets, now);

        public Mapped Map(HookRequest delivery)
        {
            var mapped = Sender.Map(delivery);
            Delivery = GitHubSender.IsOthers(delivery) ? null : delivery;
            return mapped;
        }
    }
}
