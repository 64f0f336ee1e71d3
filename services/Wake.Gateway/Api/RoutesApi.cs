using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/routes</c>: which events belong to which session, begun at first use.</summary>
static class RoutesApi
{
    public static void MapRoutes(this IEndpointRouteBuilder endpoints)
    {
        endpoints
            .MapGet("/v1/matches", ListMatches)
            .RequireScope(ApiScopes.SessionsRead)
            .WithTags("routes")
            .WithName("ListMatches")
            .WithSummary("How often watches and routes have matched, among the newest 20,000 events.")
            .Produces<IReadOnlyList<Contract.MatchCount>>();

        var routes = endpoints.MapGroup("/v1/routes").WithTags("routes");

        routes
            .MapGet("", List)
            .RequireScope(ApiScopes.SessionsRead)
            .WithName("ListRoutes")
            .WithSummary("The routes, by name.")
            .Produces<IReadOnlyList<Contract.Route>>();
        routes
            .MapPut("/{name}", Put)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithName("PutRoute")
            .WithSummary("Make a route, or change it, from the next event on.")
            .WithDescription(
                "What no machine could make a workspace of is refused. What may keep its sessions from working, as "
                    + "far as this machine can say, is answered as warnings: their runners may be on another."
            )
            .Produces<Contract.Route>()
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status409Conflict);
        routes
            .MapDelete("/{name}", Delete)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithName("DeleteRoute")
            .WithSummary("End a route. The sessions it began stay.")
            .Produces(StatusCodes.Status204NoContent)
            .ProducesProblem(StatusCodes.Status404NotFound);
    }

    static async Task<IResult> ListMatches(MatchCounts matches, CancellationToken cancel) =>
        Results.Ok(
            (await matches.List(cancel)).Select(x => new Contract.MatchCount(x.Watch, x.Route, x.Count, x.LastAt))
        );

    static async Task<IResult> List(Routes routes, CancellationToken cancel) =>
        Results.Ok((await routes.List(cancel)).Select(x => x.ToContract()));

    static async Task<IResult> Put(
        string name,
        Contract.RouteDefinition body,
        Routes routes,
        IOptions<Profiles> profiles,
        CancellationToken cancel
    )
    {
        var wanted = body.ToStore();
        if (wanted.Problems(name).ToList() is { Count: > 0 } problems)
            return ProblemResults.Invalid(problems);

        return await routes.Put(name, wanted, cancel) is { } route
            ? Results.Ok(
                route.ToContract(WorkspaceDirectory.Warning(wanted, profiles.Value) is { } warning ? [warning] : null)
            )
            : ProblemResults.Create(
                StatusCodes.Status409Conflict,
                $"The route {name} stands in the configuration of the coordinator; change it there."
            );
    }

    static async Task<IResult> Delete(string name, Routes routes, CancellationToken cancel) =>
        await routes.Delete(name, cancel)
            ? Results.NoContent()
            : ProblemResults.Create(
                StatusCodes.Status404NotFound,
                $"There is no route {name}, or it stands in the configuration of the coordinator."
            );
}
