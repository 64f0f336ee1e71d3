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

    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapPost("/github", Take)
        // Deliveries prove themselves by their signature, and the body is bounded as it is read.
        .AllowAnonymous()
        .WithMetadata(new DisableRequestSizeLimitAttribute())
        .ExcludeFromDescription();

    static Task<IResult> Take(HttpContext http, HookDoor door, Doorbell bell, IOptions<GitHubOptions> options, CancellationToken cancel)
    {
        if (options.Value.WebhookSecrets is [])
        {
            return Task.FromResult(Results.Problem(
                "GitHub webhooks are not set up here: set GitHub__WebhookSecrets__0.", statusCode: StatusCodes.Status404NotFound));
        }

        return door.Take(http, "github", Sender, options.Value.WebhookSecrets, http.Request.HasFormContentType ? MaxBody * 3 : MaxBody, cancel, Heard);

        // What only this process knows: which words are its own, what else there is to tell, and a poller to be told.
        async Task<Mapped> Heard(Mapped mapped, CancellationToken bound)
        {
            mapped = OwnWords.Quieten(mapped, options.Value.OwnLogins);
            if (http.RequestServices.GetService<DeliveryDetails>() is { } details)
                mapped = await details.Add(mapped, bound);
            bell.Ring(mapped);
            return mapped;
        }
    }
}
