using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Authorization;
using Wake.ServiceDefaults;

namespace Wake.Gateway;

/// <summary>
/// Who comes in. Whoever has a key, as far as its scopes reach. Where the configuration names no keys, also programs of this
/// machine that call it by its own name, which keeps out pages in a browser, whatever host name they made it resolve to.
/// </summary>
static class Access
{
    public static void UseAccess(this IApplicationBuilder app)
    {
        var ring = app.ApplicationServices.GetRequiredService<KeyRing>();
        var failures = new AuthenticationFailures(app.ApplicationServices.GetRequiredService<TimeProvider>());
        var log = app.ApplicationServices.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(Access));

        app.Use(async (http, next) =>
        {
            // Webhooks prove themselves by a signature of their own.
            if (http.Request.Path.StartsWithSegments("/health") || http.GetEndpoint()?.Metadata.GetMetadata<IAllowAnonymous>() is not null)
                await next(http);
            else if (await Refusal(http, ring, failures, log) is { } refusal)
                await refusal.ExecuteAsync(http);
            else
                await next(http);
        });
    }

    static async ValueTask<IResult?> Refusal(HttpContext http, KeyRing ring, AuthenticationFailures failures, ILogger log)
    {
        var header = http.Request.Headers.Authorization.ToString();
        if (header.Length == 0)
            return ring.Demanded || http.Connection.RemoteIpAddress is { } remote && !IPAddress.IsLoopback(remote)
                ? WithoutKey(http, "Bearer", "This needs a key: send Authorization: Bearer KEY. The wake command takes it from WAKE_API_KEY.")
                : NotOfThisMachine(http) ?? Enter(http, Caller.ThisMachine);

        if (header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)
            && await ring.Find(header[7..].Trim(), http.RequestAborted) is { } caller)
            return Enter(http, caller);

        // Keys are too long to be guessed, so whoever shares the address of one that tries comes in all the same.
        var address = http.Connection.RemoteIpAddress;
        failures.Add(address);
        if (failures.Wait(address) is { } wait)
        {
            http.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
            return Problems.Of(StatusCodes.Status429TooManyRequests, "Too many wrong keys came from this address.");
        }

        log.LogWarning("A wrong key came from {Address}.", address);
        return WithoutKey(http, "Bearer error=\"invalid_token\"",
            "This key opens nothing here: it is wrong, or it has ended. wake keys create, with a key of the scope admin, makes another.");
    }

    static IResult? Enter(HttpContext http, Caller caller)
    {
        http.Features.Set(caller);
        if (NeededScopes.Of(http) is not { } needed || caller.May(needed))
            return null;

        http.Response.Headers.WWWAuthenticate = $"Bearer error=\"insufficient_scope\", scope=\"{needed}\"";
        return Problems.Of(StatusCodes.Status403Forbidden, $"This key lacks the scope {needed}. It has: {string.Join(", ", caller.Scopes)}.");
    }

    static IResult WithoutKey(HttpContext http, string challenge, string detail)
    {
        http.Response.Headers.WWWAuthenticate = challenge;
        return Problems.Of(StatusCodes.Status401Unauthorized, detail);
    }

    static IResult? NotOfThisMachine(HttpContext http)
    {
        var host = http.Request.Host.Host;
        if (host is not "localhost" and not "[::1]" && !(IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address)))
            return Problems.Of(StatusCodes.Status403Forbidden, $"This is not {host}. Call it by localhost or its loopback address.");

        if (http.Request.Headers.Origin.ToString() is { Length: > 0 } origin
            && !string.Equals(origin, $"{http.Request.Scheme}://{http.Request.Host}", StringComparison.OrdinalIgnoreCase))
            return Problems.Of(StatusCodes.Status403Forbidden, "Pages of other origins may not come in.");

        return null;
    }
}
