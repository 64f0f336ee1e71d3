using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using Wake.Producing;
using Wake.ServiceDefaults;

namespace Wake.Producers.Webhooks;

/// <summary>Registers the configured webhooks and their endpoint.</summary>
public static class WebhooksServices
{
    /// <summary>The hooks that are configured, and the door for them.</summary>
    public static IHostApplicationBuilder AddWebhooks(this IHostApplicationBuilder builder)
    {
        builder.Services.AddValidatedOptions<WebhooksOptions>(WebhooksOptions.Section);
        builder.Services.AddWebhookReceiver();
        builder.Services.AddHostedService<ShortTokenWarning>();
        return builder;
    }

    /// <summary><c>POST /hooks/NAME</c> for every hook that is configured, and <c>OPTIONS</c> for the handshake of
    /// CloudEvents.</summary>
    public static void MapWebhooks(this IEndpointRouteBuilder routes)
    {
        routes
            .MapPost("/hooks/{name}", HandleDelivery)
            // Deliveries prove themselves, and the body is bounded as it is read.
            .AllowAnonymous()
            .WithMetadata(new DisableRequestSizeLimitAttribute())
            .ExcludeFromDescription();

        routes
            .MapMethods("/hooks/{name}", [HttpMethods.Options], CloudEventsHandshake.Answer)
            // Whoever asks has nothing to prove himself with, and learns nothing but whether he may send.
            .AllowAnonymous()
            .ExcludeFromDescription();
    }

    static Task<IResult> HandleDelivery(
        string name,
        HttpContext http,
        WebhookReceiver door,
        IOptions<WebhooksOptions> options,
        CancellationToken cancel
    ) =>
        options.Value.Hooks.TryGetValue(name, out var hook)
            // One name in keys and counters, however the address was spelt.
            ? door.Receive(
                http,
                name.ToLowerInvariant(),
                WebhookProviders.Create(hook),
                [new(hook.Secrets)],
                hook.MaxBody,
                cancel
            )
            : Task.FromResult(
                Results.Problem("There is no hook of this name.", statusCode: StatusCodes.Status404NotFound)
            );
}
