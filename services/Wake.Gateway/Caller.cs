using Wake.Store;

namespace Wake.Gateway;

/// <summary>Who came in, and what they may do.</summary>
/// <param name="Id">Tells callers apart; no secret.</param>
/// <param name="Scopes">What they may do.</param>
sealed record Caller(string Id, IReadOnlyList<string> Scopes)
{
    /// <summary>A program of this machine, where none needs a key.</summary>
    public static Caller ThisMachine { get; } = new("", [ApiScopes.Admin]);

    public bool May(string scope) => Scopes.Contains(scope) || Scopes.Contains(ApiScopes.Admin);
}

/// <summary>What a caller must be allowed to use an endpoint.</summary>
sealed record NeededScope(string Scope);

/// <summary>How an endpoint says so. One that says nothing needs <see cref="ApiScopes.Admin"/>.</summary>
static class NeededScopes
{
    public static T Needs<T>(this T endpoint, string scope) where T : IEndpointConventionBuilder => endpoint.WithMetadata(new NeededScope(scope));

    /// <summary>What the endpoint of a request needs; null where there is no endpoint of ours, so that the answer is 404 or 405.</summary>
    public static string? Of(HttpContext http) => http.GetEndpoint() is RouteEndpoint ours
        ? ours.Metadata.GetMetadata<NeededScope>()?.Scope ?? ApiScopes.Admin : null;
}
