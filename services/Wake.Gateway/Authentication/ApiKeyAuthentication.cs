using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Authorization;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>
/// Authenticates requests and checks scopes: API keys, the owner token of the data folder, tokens of turns, and browser
/// cookies. Owner token and cookie are accepted only on a loopback host name, which defeats DNS rebinding.
/// </summary>
static class ApiKeyAuthentication
{
    public static void UseApiKeyAuthentication(this IApplicationBuilder app)
    {
        var keyCache = app.ApplicationServices.GetRequiredService<ApiKeyCache>();
        var browsers = app.ApplicationServices.GetRequiredService<BrowserSessions>();
        var failures = new AuthenticationFailureLimiter(app.ApplicationServices.GetRequiredService<TimeProvider>());
        var log = app
            .ApplicationServices.GetRequiredService<ILoggerFactory>()
            .CreateLogger(typeof(ApiKeyAuthentication));

        app.Use(
            async (http, next) =>
            {
                // Webhooks prove themselves by a signature of their own.
                if (
                    http.Request.Path.StartsWithSegments("/health")
                    || http.GetEndpoint()?.Metadata.GetMetadata<IAllowAnonymous>() is not null
                )
                    await next(http);
                else if (await Authenticate(http, keyCache, browsers, failures, log) is { } refusal)
                    await refusal.ExecuteAsync(http);
                else
                    await next(http);
            }
        );
    }

    static async ValueTask<IResult?> Authenticate(
        HttpContext http,
        ApiKeyCache keyCache,
        BrowserSessions browsers,
        AuthenticationFailureLimiter failures,
        ILogger log
    )
    {
        var header = http.Request.Headers.Authorization.ToString();
        if (header.Length == 0)
        {
            return http.Request.Cookies[BrowserApi.Cookie] is { Length: > 0 } cookie && browsers.IsValid(cookie)
                ? RejectNonLocal(http) ?? RejectCrossSite(http) ?? Authorize(http, Caller.Browser)
                : Unauthorized(http, "Bearer", keyCache.MissingKeyHint);
        }

        if (
            header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)
            && await keyCache.Find(header[7..].Trim(), http.RequestAborted) is { } caller
        )
            return (caller == Caller.Owner ? RejectNonLocal(http) : null) ?? Authorize(http, caller);

        // Only failed attempts are throttled. Keys cannot be guessed, so a valid key from a throttled address is still
        // accepted.
        var address = http.Connection.RemoteIpAddress;
        failures.RecordFailure(address);
        if (failures.RetryAfter(address) is { } wait)
        {
            http.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
            return ProblemResults.Create(
                StatusCodes.Status429TooManyRequests,
                "Too many wrong keys came from this address."
            );
        }

        log.LogWarning("A wrong key came from {Address}.", address);
        return Unauthorized(
            http,
            "Bearer error=\"invalid_token\"",
            "The key is invalid or has expired. Create another with wake keys create (needs a key with the scope "
                + "admin)."
        );
    }

    static IResult? Authorize(HttpContext http, Caller caller)
    {
        http.Features.Set(caller);
        if (caller.Run is { } run)
            return AuthorizeRun(http, run);

        if (EndpointScopes.RequiredBy(http) is not { } needed || caller.HasScope(needed))
            return null;

        http.Response.Headers.WWWAuthenticate = $"Bearer error=\"insufficient_scope\", scope=\"{needed}\"";
        return ProblemResults.Create(
            StatusCodes.Status403Forbidden,
            $"This key lacks the scope {needed}. It has: {string.Join(", ", caller.Scopes)}."
        );
    }

    static IResult? AuthorizeRun(HttpContext http, RunningSession run)
    {
        if (http.GetEndpoint() is not RouteEndpoint endpoint)
            return null;

        if (endpoint.Metadata.GetMetadata<AllowsRunTokens>() is null)
        {
            return ProblemResults.Create(
                StatusCodes.Status403Forbidden,
                "This is the token of a session's turn. With it the session may watch, schedule its own wakes and "
                    + "look at itself; the rest is its owner's."
            );
        }

        return endpoint.RoutePattern.GetParameter("key") is not null && PathKey.FromRequest(http)?.Value != run.Key
            ? ForbiddenForOtherSession(run)
            : null;
    }

    /// <summary>The answer to a run that would speak for another session.</summary>
    public static IResult ForbiddenForOtherSession(RunningSession run) =>
        ProblemResults.Create(
            StatusCodes.Status403Forbidden,
            $"This is the token of a turn of the session {run.Key}, which may speak for that one alone."
        );

    static IResult Unauthorized(HttpContext http, string challenge, string detail)
    {
        http.Response.Headers.WWWAuthenticate = challenge;
        return ProblemResults.Create(StatusCodes.Status401Unauthorized, detail);
    }

    /// <summary>Why a request is not one of this machine; null when it is.</summary>
    public static IResult? RejectNonLocal(HttpContext http)
    {
        var host = http.Request.Host.Host;
        if (
            host is not "localhost" and not "[::1]"
            && !(IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address))
        )
            return ProblemResults.Create(
                StatusCodes.Status403Forbidden,
                $"This is not {host}. Call it by localhost or its loopback address."
            );

        if (
            http.Request.Headers.Origin.ToString() is { Length: > 0 } origin
            && !string.Equals(
                origin,
                $"{http.Request.Scheme}://{http.Request.Host}",
                StringComparison.OrdinalIgnoreCase
            )
        )
            return ProblemResults.Create(StatusCodes.Status403Forbidden, "Pages of other origins may not come in.");

        return null;
    }

    // A cookie knows no ports: a page that another server of this machine gave out, of another user perhaps, sends it
    // too, and that server may have been sent it. So it counts in the browser that it was given to, and for pages of
    // this very origin.
    static IResult? RejectCrossSite(HttpContext http)
    {
        if (!IsFromOwnUser(http.Connection))
            return ProblemResults.Create(
                StatusCodes.Status403Forbidden,
                "This cookie was given to a browser of another user."
            );

        return http.Request.Headers["Sec-Fetch-Site"].ToString() switch
        {
            "same-origin" or "none" => null,
            "" when HttpMethods.IsGet(http.Request.Method) || http.Request.Headers.Origin.Count > 0 => null,
            _ => ProblemResults.Create(StatusCodes.Status403Forbidden, "Pages of other origins may not come in."),
        };
    }

    /// <summary>
    /// Whether the user at the other end is the one this process runs as. Where the system does not say, so it is
    /// taken.
    /// </summary>
    public static bool IsFromOwnUser(ConnectionInfo connection)
    {
        if (!OperatingSystem.IsLinux())
            return true;

        return connection is { LocalIpAddress: { } here, RemoteIpAddress: { } there }
            && LocalUser.GetPeerUser(new(here, connection.LocalPort), new(there, connection.RemotePort)) is { } user
            && LocalUser.IsTrusted(user);
    }
}
