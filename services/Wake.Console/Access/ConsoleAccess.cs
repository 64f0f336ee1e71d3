using System.Security.Claims;
using Microsoft.AspNetCore.Http.Extensions;

namespace Wake.WebConsole;

/// <summary>
/// Lets in whoever is logged in, and shows everybody else the log-in page. What pages of other origins send is refused,
/// also where a browser sends the cookie along.
/// </summary>
sealed class ConsoleAccess(RequestDelegate next)
{
    /// <summary>The log-in page.</summary>
    public const string LoginPath = "/login";

    public async Task Invoke(HttpContext http, ConsoleSessions sessions)
    {
        if (IsCrossOrigin(http.Request))
        {
            http.Response.StatusCode = StatusCodes.Status403Forbidden;
            await http.Response.WriteAsync("Pages of other origins may not come in.");
            return;
        }

        if (await FindSession(http, sessions) is { } session)
            http.User = new ClaimsPrincipal(new ConsoleIdentity(session));
        else if (!http.Request.Path.StartsWithSegments(LoginPath, StringComparison.Ordinal))
        {
            if (HttpMethods.IsGet(http.Request.Method) && !http.Request.Path.StartsWithSegments("/_blazor"))
                http.Response.Redirect(
                    UriHelper.BuildRelative(
                        http.Request.PathBase,
                        LoginPath,
                        QueryString.Create("to", $"{http.Request.Path.ToUriComponent()}{http.Request.QueryString}")
                    )
                );
            else
                http.Response.StatusCode = StatusCodes.Status401Unauthorized;
            return;
        }

        await next(http);
    }

    /// <summary>Where a browser is sent after it has logged in: a page here, and never another site.</summary>
    public static string LocalPath(string? wanted) =>
        wanted is ['/', ..]
        && (wanted.Length == 1 || wanted[1] is not ('/' or '\\'))
        && !wanted.Any(x => x == '\\' || char.IsControl(x))
        && !wanted.StartsWith(LoginPath, StringComparison.Ordinal)
            ? wanted
            : "/";

    static async Task<ConsoleSession?> FindSession(HttpContext http, ConsoleSessions sessions)
    {
        // Only whoever has logged in here: the cookie of a local browser counts under its own name and judged by the
        // gateway, since cookies know no ports, and a server of another user may have been sent it.
        var local = http.RequestServices.GetService<LocalBrowsers>();
        if (
            http.Request.Cookies[ConsoleSessions.Cookie] is { Length: > 0 } cookie
            && sessions.Find(cookie) is { Credential: Credential.Key } session
            && (!session.IsOwnUsersAlone || local?.IsFromOwnUser(http.Connection) is true)
        )
            return session;

        return
            local is not null
            && http.Request.Cookies[LocalBrowsers.Cookie] is { Length: > 0 } own
            && await local.IsLetIn(http)
            ? await sessions.FindLocal(own, http.RequestAborted)
            : null;
    }

    // The scheme may be another in front of a proxy; host and port are what the browser has asked for.
    static bool IsCrossOrigin(HttpRequest request)
    {
        if (request.Headers.Origin.ToString() is { Length: > 0 } origin)
            return !Uri.TryCreate(origin, UriKind.Absolute, out var from)
                || !Uri.TryCreate($"{from.Scheme}://{request.Host}", UriKind.Absolute, out var here)
                || !string.Equals(from.Authority, here.Authority, StringComparison.OrdinalIgnoreCase);

        return request.Headers["Sec-Fetch-Site"].ToString() switch
        {
            "" or "same-origin" or "none" => false,
            // A link somewhere else that leads here.
            _ => !HttpMethods.IsGet(request.Method) || request.Headers["Sec-Fetch-Mode"] != "navigate",
        };
    }
}
