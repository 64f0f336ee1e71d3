using System.Net;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>Registers the scheme of API keys and a policy per scope, and knows requests of this machine.</summary>
static class ApiKeyAuthentication
{
    public static IHostApplicationBuilder AddApiKeyAuthentication(this IHostApplicationBuilder builder)
    {
        // Not AddAuthentication: it makes keys for cookies, which nobody gives out here, and stores them in the user's
        // home.
        builder.Services.AddAuthenticationCore(x => x.DefaultScheme = ApiKeyHandler.SchemeName);
        new AuthenticationBuilder(builder.Services).AddScheme<AuthenticationSchemeOptions, ApiKeyHandler>(
            ApiKeyHandler.SchemeName,
            configureOptions: null
        );

        // Wrong signatures of webhooks count by themselves.
        builder.Services.AddKeyedSingleton<AuthenticationFailureLimiter>(ApiKeyHandler.SchemeName);

        // Where there is no endpoint of ours, so that the answer is 404 or 405, a key is enough.
        var policies = builder
            .Services.AddAuthorizationBuilder()
            .SetFallbackPolicy(
                new AuthorizationPolicyBuilder()
                    .RequireAuthenticatedUser()
                    .RequireAssertion(x => x.Resource is HttpContext http && http.GetEndpoint() is not RouteEndpoint)
                    .Build()
            );
        foreach (var scope in ApiScopes.All)
            policies.AddPolicy(scope, policy => policy.AddRequirements(new ScopeRequirement(scope)));
        builder.Services.AddSingleton<IAuthorizationHandler, ScopeAuthorization>();
        builder.Services.AddSingleton<IAuthorizationMiddlewareResultHandler, ScopeAuthorization.Answer>();

        // It tells of every request that is refused.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Authorization", LogLevel.Warning);
        return builder;
    }

    /// <summary>The answer to a run that would speak for another session.</summary>
    public static IResult ForbiddenForOtherSession(RunningSession run) =>
        ProblemResults.Create(StatusCodes.Status403Forbidden, OtherSessionProblem(run));

    public static string OtherSessionProblem(RunningSession run) =>
        $"This is the token of a turn of the session {run.Key}, which may speak for that one alone.";

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
    public static IResult? RejectCrossSite(HttpContext http)
    {
        if (!OwnUser.IsCaller(http.Connection))
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
}
