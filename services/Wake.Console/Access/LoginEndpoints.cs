using System.Net;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Mvc;

namespace Wake.WebConsole;

/// <summary>The forms that log in and out. They need no circuit, since they set cookies.</summary>
static class LoginEndpoints
{
    public static void MapLogin(this IEndpointRouteBuilder routes)
    {
        routes.MapPost(ConsoleAccess.LoginPath, LogIn);
        routes.MapPost("/logout", LogOut).WithMetadata(new RequireAntiforgeryTokenAttribute());
    }

    static async Task<IResult> LogIn(
        HttpContext http,
        ConsoleSessions sessions,
        [FromForm] string? key,
        [FromForm] string? to,
        CancellationToken cancel
    )
    {
        try
        {
            var (cookie, session) = await sessions.LogIn(key?.Trim() ?? "", cancel);
            http.Response.Cookies.Append(ConsoleSessions.Cookie, cookie, CookieOptions(http, session.Ends));
            return Results.LocalRedirect($"~{ConsoleAccess.LocalPath(to)}");
        }
        catch (ApiException refused)
        {
            // The page says so. What was typed is not shown again.
            return Results.LocalRedirect(
                $"~{ConsoleAccess.LoginPath}"
                    + QueryString.Create("to", ConsoleAccess.LocalPath(to)).Add("refused", Reason(refused.Status))
            );
        }
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

    // A proxy that ends TLS says so. Whoever else says so loses nothing but their own cookie.
    static CookieOptions CookieOptions(HttpContext http, DateTimeOffset? ends, string name = ConsoleSessions.Cookie) =>
        new()
        {
            HttpOnly = true,
            SameSite = SameSiteMode.Strict,
            Secure = http.Request.IsHttps || http.Request.Headers["X-Forwarded-Proto"] == "https",
            Expires = ends,
            Path = name == ConsoleSessions.Cookie && http.Request.PathBase.HasValue ? http.Request.PathBase : "/",
            IsEssential = true,
        };
}
