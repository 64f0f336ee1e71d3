using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/costs</c>: what was paid, by day. What a session or a turn cost is told with it.</summary>
static class CostsApi
{
    public static void MapCosts(this IEndpointRouteBuilder routes) =>
        routes
            .MapGet("/v1/costs", Days)
            .RequireScope(ApiScopes.SessionsRead)
            .WithTags("costs")
            .WithName("ListCosts")
            .WithSummary("What all sessions together cost, by day (UTC), the newest first.")
            .Produces<IReadOnlyList<Contract.DayCost>>()
            .ProducesValidationProblem();

    static async Task<IResult> Days(Costs costs, CancellationToken cancel, int limit = 30) =>
        RequestValidation.ValidateLimit(limit)
        ?? Results.Ok(
            (await costs.ListDays(limit, cancel)).Select(x => new Contract.DayCost(
                x.Day,
                x.CostUsd,
                x.Tokens.ToContract(),
                x.Sessions
            ))
        );
}
