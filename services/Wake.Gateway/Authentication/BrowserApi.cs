using System.Net;
using System.Text;
using Wake.Contracts;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/browser</c> and <c>/open</c>: how a browser of this machine comes in.</summary>
static class BrowserApi
{
    /// <summary>The cookie of a browser that was let in.</summary>
    public const string Cookie = "wake";

    public static void MapBrowser(this IEndpointRouteBuilder routes)
    {
        routes
            .MapPost("/v1/browser", CreateInvitation)
            .RequireScope(ApiScopes.Admin)
            .WithName("OpenBrowser")
            .WithTags("operations")
            .WithSummary("A path that lets one browser of this machine in, once and within a minute. For wake open.")
            .Produces<Contract.Invitation>();
        routes
            .MapDelete("/v1/browser", End)
            .RequireScope(ApiScopes.Admin)
            .WithName("CloseBrowser")
            .WithTags("operations")
            .WithSummary("The browser that asks this is let in no more.")
            .Produces(StatusCodes.Status204NoContent);
        routes.MapGet("/open", Open).AllowAnonymous().ExcludeFromDescription();
    }

    static IResult CreateInvitation(HttpContext http, BrowserSessions browsers)
    {
        if (Caller.From(http) != Caller.Owner)
        {
            return ProblemResults.Create(
                StatusCodes.Status403Forbidden,
                "A browser is let in by the token of this machine's own Wake (wake open), and by no key."
            );
        }

        var (code, ends) = browsers.CreateCode();
        http.Response.Headers.CacheControl = "no-store";
        return Results.Ok(new Contract.Invitation($"/open?code={code}", ends));
    }

    static IResult End(HttpContext http, BrowserSessions browsers)
    {
        if (http.Request.Cookies[Cookie] is { } cookie)
            browsers.End(cookie);
        return Results.NoContent();
    }

    // Not by redirect: a page that another program opened does not send a cookie that is SameSite=Strict on.
    static IResult Open(HttpContext http, BrowserSessions browsers, string code = "", string? to = null)
    {
        http.Response.Headers.CacheControl = "no-store";
        if (ApiKeyAuthentication.RejectNonLocal(http) is { } elsewhere)
            return elsewhere;

        // The code stood on a command line, which all users of a machine can read.
        if (!OwnUser.IsCaller(http.Connection) || browsers.ExchangeCode(code) is not var (cookie, ends))
            return Page(
                StatusCodes.Status401Unauthorized,
                "This link lets nobody in: it was used, or its minute is over. For another: wake open"
            );

        http.Response.Cookies.Append(
            Cookie,
            cookie,
            new()
            {
                HttpOnly = true,
                SameSite = SameSiteMode.Strict,
                Expires = ends,
                Path = "/",
                IsEssential = true,
            }
        );
        var console = http.RequestServices.GetService<ConsoleRoot>()?.PathBase;
        return Page(
            StatusCodes.Status200OK,
            $"This browser is let in until {ends:u}.",
            $"{console}{(IsOwnPath(to) ? to : "/")}"
        );
    }

    // Of this very address: a link that somebody was sent must not lead elsewhere.
    static bool IsOwnPath(string? path) =>
        path is ['/', ..] && (path.Length == 1 || path[1] is not '/') && !path.Any(x => x == '\\' || char.IsControl(x));

    static IResult Page(int status, string text, string? onward = null) =>
        Results.Content(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Wake</title>"
                + (
                    onward is null
                        ? ""
                        : $"<meta http-equiv=\"refresh\" content=\"0;url={WebUtility.HtmlEncode(onward)}\">"
                )
                + $"<p>{WebUtility.HtmlEncode(text)}</p>"
                + (onward is null ? "" : $"<p><a href=\"{WebUtility.HtmlEncode(onward)}\">The console</a></p>"),
            "text/html",
            Encoding.UTF8,
            status
        );
}

/// <summary>Where the console of the same process is.</summary>
/// <param name="PathBase">What its paths begin with: <c>/wake</c>; empty for the root.</param>
public sealed record ConsoleRoot(string PathBase);
