using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary><c>POST /github</c>: where GitHub delivers to.</summary>
static class GitHubWebhook
{
    /// <summary>GitHub drops larger payloads; as a form they may be three times as large.</summary>
    public const int MaxBody = 25 * 1024 * 1024;

    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapPost("/github", Take)
        // Deliveries prove themselves by their signature, and the body is bounded as it is read.
        .AllowAnonymous()
        .WithMetadata(new DisableRequestSizeLimitAttribute())
        .ExcludeFromDescription();

    static Task<IResult> Take(HttpContext http, HookDoor door, Doorbell bell, IOptions<GitHubOptions> options, CancellationToken cancel) =>
        options.Value.WebhookSecrets is [] ? Task.FromResult(Results.Problem(
            "GitHub webhooks are not set up here: set GitHub__WebhookSecrets__0.", statusCode: StatusCodes.Status404NotFound))
        : door.Take(http, "github", new Heard(bell, options.Value.OwnLogins), options.Value.WebhookSecrets,
            http.Request.HasFormContentType ? MaxBody * 3 : MaxBody, cancel);

    /// <summary>GitHub as everybody knows it, heard by this process: the poller is told, and one's own words are known as that.</summary>
    sealed class Heard(Doorbell bell, IReadOnlyList<string> ownLogins) : ISender
    {
        static readonly GitHubSender Sender = new();

        public bool Guessable => Sender.Guessable;

        public string? Refusal(HookRequest delivery, IReadOnlyList<string> secrets, DateTimeOffset now) => Sender.Refusal(delivery, secrets, now);

        public Mapped Map(HookRequest delivery)
        {
            var mapped = OwnWords.Quieten(Sender.Map(delivery), ownLogins);
            bell.Ring(mapped);
            return mapped;
        }
    }
}
