using System.Net;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Mvc;
using Wake.ServiceDefaults;

namespace Wake.WebConsole;

/// <summary>The forms that log in and out. They need no circuit, since they set cookies.</summary>
static class LoginEndpoints
{
    /// <summary>How somebody has logged in, as it is counted.</summary>
    public const string KeyWay = "key",
        OpenIdConnectWay = "openid";

    public static void MapLogin(this IEndpointRouteBuilder routes)
    {
        routes.MapPost(ConsoleAccess.LoginPath, LogIn);
        routes.MapPost("/logout", LogOut).WithMetadata(new RequireAntiforgeryTokenAttribute());
    }

    static async Task LogIn(HttpContext http, [FromForm] string? key, [FromForm] string? to)
    {
        try
        {
            await LetIn(http, new(key?.Trim() ?? ""), KeyWay);
            http.Response.Redirect($"{http.Request.PathBase}{ConsoleAccess.LocalPath(to)}");
        }
        catch (ApiException refused)
        {
            // The page says so. What was typed is not shown again.
            Refuse(http, Reason(refused.Status), to, KeyWay);
        }
    }

    /// <summary>Lets somebody in by a key: their browser is given the cookie.</summary>
    /// <exception cref="ApiException">The API does not take the key.</exception>
    public static async Task LetIn(HttpContext http, Credential.Key key, string way)
    {
        var sessions = http.RequestServices.GetRequiredService<ConsoleSessions>();
        var (cookie, session) = await sessions.LogIn(key, IsOwnUsersAlone(http), http.RequestAborted);
        http.Response.Cookies.Append(ConsoleSessions.Cookie, cookie, CookieOptions(http, session.Ends));
        Count(way, "accepted");
    }

    /// <summary>Shows the log-in page with what was wrong.</summary>
    public static void Refuse(HttpContext http, string reason, string? to, string way)
    {
        Count(way, reason is "away" or "provider" ? "failed" : "refused");
        http.Response.Redirect(
            $"{http.Request.PathBase}{ConsoleAccess.LoginPath}"
                + QueryString.Create("to", ConsoleAccess.LocalPath(to)).Add("refused", reason)
        );
    }

    /// <summary>A page that goes on to another by itself.</summary>
    public static Task WriteForwarder(HttpContext http, string path)
    {
        var target = WebUtility.HtmlEncode($"{http.Request.PathBase}{path}");
        http.Response.Headers.CacheControl = "no-store";
        http.Response.ContentType = "text/html; charset=utf-8";
        return http.Response.WriteAsync(
            $"<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Wake</title>"
                + $"<link rel=\"icon\" href=\"data:,\">"
                + $"<meta http-equiv=\"refresh\" content=\"0;url={target}\"><p><a href=\"{target}\">The console</a></p>"
        );
    }

    static async Task<IResult> LogOut(HttpContext http, GatewayConnection gateway, CancellationToken cancel)
    {
        // It reads nothing of the form, so nothing else looks whether it is ours.
        if (http.Features.Get<IAntiforgeryValidationFeature>() is not { IsValid: true })
            return Results.BadRequest();

        if (http.User.Identity is ConsoleIdentity { Session: var session })
            session.End();

        // Whoever has logged in by a key as well is let in by neither.
        if (
            http.RequestServices.GetService<LocalBrowsers>() is not null
            && http.Request.Cookies[LocalBrowsers.Cookie] is { Length: > 0 } own
        )
        {
            try
            {
                await gateway.Send(ApiCall.Delete("/v1/browser"), new Credential.Browser(own), cancel);
            }
            catch (ApiException)
            {
                // It is over for the API already.
            }
        }

        foreach (var cookie in (string[])[ConsoleSessions.Cookie, LocalBrowsers.Cookie])
        {
            if (http.Request.Cookies.ContainsKey(cookie))
                http.Response.Cookies.Delete(cookie, CookieOptions(http, ends: null, cookie));
        }

        return Results.LocalRedirect($"~{ConsoleAccess.LoginPath}");
    }

    // A word, since it comes back in an address that anybody can write.
    static string Reason(HttpStatusCode? status) =>
        status switch
        {
            HttpStatusCode.Unauthorized => "key",
            HttpStatusCode.Forbidden => "scope",
            HttpStatusCode.TooManyRequests => "often",
            _ => "away",
        };

    static void Count(string way, string outcome) =>
        WakeMetrics.ConsoleLogins.Add(1, new("way", way), new("outcome", outcome));

    // Where the API of this process holds its cookie to browsers of its own user: cookies know no ports, so that a
    // server of another user of this machine is sent this one as well.
    static bool IsOwnUsersAlone(HttpContext http) =>
        http.RequestServices.GetService<LocalBrowsers>() is { } local
        && local.IsFromOwnUser(http.Connection)
        && (
            http.Request.Host.Host is "localhost" or "[::1]"
            || IPAddress.TryParse(http.Request.Host.Host, out var address) && IPAddress.IsLoopback(address)
        );

    static CookieOptions CookieOptions(HttpContext http, DateTimeOffset? ends, string name = ConsoleSessions.Cookie) =>
        new()
        {
            HttpOnly = true,
            SameSite = SameSiteMode.Strict,
            Secure = http.Request.IsHttps,
            Expires = ends,
            Path = name == ConsoleSessions.Cookie && http.Request.PathBase.HasValue ? http.Request.PathBase : "/",
            IsEssential = true,
        };
}
