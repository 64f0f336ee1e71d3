using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/breakers</c>: the limits, and the breakers that are open.</summary>
static class BreakersApi
{
    public static void MapBreakers(this IEndpointRouteBuilder routes) =>
        routes
            .MapGroup("/v1/breakers")
            .WithTags("pauses")
            .MapGet("", List)
            .RequireScope(ApiScopes.SessionsRead)
            .WithName("ListBreakers")
            .WithSummary("The breakers that are not closed, then the limits by how much of them is used.")
            .WithDescription(
                "Of the limits that each session has, those are listed of which half is used. An open breaker is a "
                    + "pause: to end that closes it."
            )
            .Produces<IReadOnlyList<Contract.Breaker>>();

    static async Task<IResult> List(Breakers breakers, CancellationToken cancel) =>
        Results.Ok((await breakers.List(cancel)).Select(x => x.ToContract()));
}
