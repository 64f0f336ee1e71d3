using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/costs</c>: what was paid, by day. What a session or a turn cost is told with it.</summary>
static class CostsApi
{
    // A year.
    const int MaxDays = 366;

    public static void MapCosts(this IEndpointRouteBuilder routes)
    {
        routes
            .MapGet("/v1/costs", Days)
            .RequireScope(ApiScopes.SessionsRead)
            .WithTags("costs")
            .WithName("ListCosts")
            .WithSummary("What all sessions together cost, by day (UTC), the newest first.")
            .Produces<IReadOnlyList<Contract.DayCost>>()
            .ProducesValidationProblem();
        routes
            .MapGet("/v1/costs/profiles", Profiles)
            .RequireScope(ApiScopes.SessionsRead)
            .WithTags("costs")
            .WithName("ListProfileCosts")
            .WithSummary("What the sessions of each profile cost within the last days (UTC), the dearest first.")
            .Produces<IReadOnlyList<Contract.ProfileCost>>()
            .ProducesValidationProblem();
    }

    static async Task<IResult> Profiles(Costs costs, CancellationToken cancel, int days = 30, int limit = 100) =>
        RequestValidation.ValidateLimit(limit)
        ?? (
            days is < 1 or > MaxDays
                ? ProblemResults.Invalid("days", $"must be from 1 to {MaxDays}.")
                : Results.Ok(
                    (await costs.ListProfiles(days, limit, cancel)).Select(x => new Contract.ProfileCost(
                        x.Profile,
                        x.CostUsd,
                        x.CostTodayUsd,
                        x.Sessions
                    ))
                )
        );

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
