using Wake.Contracts;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/caller</c>: who asks, and what they may do.</summary>
static class CallerApi
{
    public static void MapCaller(this IEndpointRouteBuilder routes) =>
        routes
            .MapGet("/v1/caller", Show)
            .RequireScope(ApiScopes.SessionsRead)
            .WithName("ShowCaller")
            .WithTags("keys")
            .WithSummary("Whose credential this is, and what it may do. For a program that offers no more than that.")
            .Produces<Contract.Caller>();

    static IResult Show(HttpContext http)
    {
        var caller = Caller.From(http);
        return Results.Ok(new Contract.Caller(caller.Id, caller.Scopes));
    }
}
