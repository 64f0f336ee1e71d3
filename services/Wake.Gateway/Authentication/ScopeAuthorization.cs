using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authorization.Policy;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>A scope that whoever uses an endpoint must have. Each is a policy of its own name.</summary>
sealed record ScopeRequirement(string Scope) : IAuthorizationRequirement;

/// <summary>
/// What runs in a turn may use the endpoint for its own session, for which its token stands in place of a scope. An
/// endpoint whose path names a session is kept to that by <see cref="ScopeAuthorization"/>; any other keeps to it by
/// itself.
/// </summary>
sealed record AllowsRunTokens;

/// <summary>How an endpoint says who may use it. One that says nothing is nobody's.</summary>
static class EndpointScopes
{
    public static T RequireScope<T>(this T endpoint, string scope)
        where T : IEndpointConventionBuilder => endpoint.RequireAuthorization(scope);

    public static T AllowRunTokens<T>(this T endpoint)
        where T : IEndpointConventionBuilder => endpoint.WithMetadata(new AllowsRunTokens());
}

/// <summary>Checks the scope of a key, and the session of a turn's token.</summary>
sealed class ScopeAuthorization : AuthorizationHandler<ScopeRequirement>
{
    protected override Task HandleRequirementAsync(AuthorizationHandlerContext context, ScopeRequirement requirement)
    {
        if (context is { User.Identity: CallerIdentity { Caller: var caller }, Resource: HttpContext http })
        {
            var problem = caller.Run is { } run ? RunProblem(http, run) : ScopeProblem(caller, requirement.Scope);
            if (problem is null)
                context.Succeed(requirement);
            else
                context.Fail(new Denial(this, problem, caller.Run is null ? requirement.Scope : null));
        }

        return Task.CompletedTask;
    }

    static string? ScopeProblem(Caller caller, string needed) =>
        caller.HasScope(needed)
            ? null
            : $"This key lacks the scope {needed}. It has: {string.Join(", ", caller.Scopes)}.";

    static string? RunProblem(HttpContext http, RunningSession run) =>
        http.GetEndpoint() is not RouteEndpoint endpoint || endpoint.Metadata.GetMetadata<AllowsRunTokens>() is null
            ? "This is the token of a session's turn. With it the session may watch, schedule its own wakes and "
                + "look at itself; the rest is its owner's."
        : endpoint.RoutePattern.GetParameter("key") is not null && PathKey.FromRequest(http)?.Value != run.Key
            ? ApiKeyAuthentication.OtherSessionProblem(run)
        : null;

    /// <summary>Why not, and which scope is missing; null when that is not it.</summary>
    sealed class Denial(IAuthorizationHandler handler, string problem, string? missing)
        : AuthorizationFailureReason(handler, problem)
    {
        public string? MissingScope => missing;
    }

    /// <summary>Tells the caller.</summary>
    public sealed class Answer : IAuthorizationMiddlewareResultHandler
    {
        readonly AuthorizationMiddlewareResultHandler usual = new();

        public Task HandleAsync(
            RequestDelegate next,
            HttpContext context,
            AuthorizationPolicy policy,
            PolicyAuthorizationResult authorizeResult
        )
        {
            if (
                authorizeResult.AuthorizationFailure?.FailureReasons.OfType<Denial>().FirstOrDefault() is not { } denial
            )
                return usual.HandleAsync(next, context, policy, authorizeResult);

            if (denial.MissingScope is { } scope)
                context.Response.Headers.WWWAuthenticate = $"Bearer error=\"insufficient_scope\", scope=\"{scope}\"";
            return ProblemResults.Create(StatusCodes.Status403Forbidden, denial.Message).ExecuteAsync(context);
        }
    }
}
