using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/runners</c> and <c>/v1/sources</c>: who runs turns, and who observes events.</summary>
static class RunnersApi
{
    public static void MapRunners(this IEndpointRouteBuilder routes)
    {
        routes
            .MapGet("/v1/runners", ListRunners)
            .RequireScope(ApiScopes.SessionsRead)
            .WithTags("operations")
            .WithName("ListRunners")
            .WithSummary("The runners, by pool and name, with the turns that they run now.")
            .Produces<IReadOnlyList<Contract.RunnerSummary>>();
        routes
            .MapGet("/v1/sources", ListSources)
            .RequireScope(ApiScopes.SessionsRead)
            .WithTags("operations")
            .WithName("ListSources")
            .WithSummary("Who has observed something within the last hour, the busiest first.")
            .Produces<IReadOnlyList<Contract.EventSource>>();
    }

    static async Task<IResult> ListRunners(Runners runners, CancellationToken cancel) =>
        Results.Ok(
            (await runners.List(cancel)).Select(x => new Contract.RunnerSummary(
                x.Name,
                x.Pool,
                x.Connected,
                x.Slots,
                x.UrgentSlots,
                x.WarmSessions,
                x.Version,
                x.StartedAt,
                x.Running
            ))
        );

    static async Task<IResult> ListSources(
        SourceList sources,
        Pauses pauses,
        Explanations explain,
        CancellationToken cancel
    )
    {
        var found = await sources.Read(await explain.GetDatabaseTime(cancel), cancel);
        var paused = (await pauses.List(cancel)).Where(x => x.Scope is PauseScope.Source).ToLookup(x => x.Name);
        return Results.Ok(
            found.Select(x => new Contract.EventSource(
                x.Source,
                x.Events,
                x.LastEvent,
                x.LastType,
                x.LastAt,
                paused[x.Source].FirstOrDefault()?.Id
            ))
        );
    }
}
