using System.Globalization;
using Microsoft.Extensions.Options;

namespace Wake.Producers.Webhooks;

/// <summary>
/// The handshake by which senders of CloudEvents ask whether they may send (HTTP 1.1 Web Hooks for Event Delivery
/// 1.0.1, section 4). It is answered at once and never by a call to the address that the sender names, which could be
/// anybody's.
/// </summary>
static class CloudEventsHandshake
{
    public static IResult Answer(string name, HttpContext http, IOptions<WebhooksOptions> options)
    {
        if (!options.Value.Hooks.TryGetValue(name, out var hook))
            return Results.Problem("There is no hook of this name.", statusCode: StatusCodes.Status404NotFound);

        http.Response.Headers.Allow = hook.AllowedOrigins is []
            ? HttpMethods.Post
            : $"{HttpMethods.Options}, {HttpMethods.Post}";
        if (hook.AllowedOrigins is [])
            return Results.Problem(
                "This hook allows no origins: set its AllowedOrigins.",
                statusCode: StatusCodes.Status405MethodNotAllowed
            );

        if (
            http.Request.Headers["WebHook-Request-Origin"] is not [{ Length: > 0 and <= 253 } origin]
            || Uri.CheckHostName(origin) is UriHostNameType.Unknown
        )
            return Results.Problem(
                "WebHook-Request-Origin is missing or is no name of a host.",
                statusCode: StatusCodes.Status400BadRequest
            );

        if (!hook.AllowedOrigins.Any(x => x == "*" || x.Equals(origin, StringComparison.OrdinalIgnoreCase)))
            return Results.Problem(
                "This origin is not among the AllowedOrigins of the hook.",
                statusCode: StatusCodes.Status403Forbidden
            );

        http.Response.Headers["WebHook-Allowed-Origin"] = origin;

        // Deliveries per minute. There is no limit that one that asks would have to be told.
        if (http.Request.Headers["WebHook-Request-Rate"] is [{ } rate])
        {
            http.Response.Headers["WebHook-Allowed-Rate"] =
                int.TryParse(rate, NumberStyles.None, CultureInfo.InvariantCulture, out var minute) && minute > 0
                    ? minute.ToString(CultureInfo.InvariantCulture)
                    : "*";
        }

        return Results.Ok();
    }
}
