using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/runners</c> and <c>/v1/sources</c>: who runs turns, and who observes events.</summary>
static class RunnersApi
{
    // More refused deliveries of a hook than anybody reads.
    const int MaxRejections = 20;

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
            .MapPost(
                "/v1/runners/{name}/drain",
                (string name, HttpContext http, Runners runners, CancellationToken cancel) =>
                    Drain(name, true, http, runners, cancel)
            )
            .RequireScope(ApiScopes.SessionsWrite)
            .WithTags("operations")
            .WithName("DrainRunner")
            .WithSummary("Have a runner begin no more turns. Those that run end as ever.")
            .WithDescription(
                "It holds for whichever process goes by that name, also after a restart, until it is ended. Processes "
                    + "that have stayed after their turns end."
            )
            .Produces(StatusCodes.Status204NoContent)
            .ProducesProblem(StatusCodes.Status404NotFound);
        routes
            .MapDelete(
                "/v1/runners/{name}/drain",
                (string name, HttpContext http, Runners runners, CancellationToken cancel) =>
                    Drain(name, false, http, runners, cancel)
            )
            .RequireScope(ApiScopes.SessionsWrite)
            .WithTags("operations")
            .WithName("EndDrain")
            .WithSummary("Have a drained runner take turns again.")
            .Produces(StatusCodes.Status204NoContent)
            .ProducesProblem(StatusCodes.Status404NotFound);
        routes
            .MapGet("/v1/sources", ListSources)
            .RequireScope(ApiScopes.SessionsRead)
            .WithTags("operations")
            .WithName("ListSources")
            .WithSummary("Who has observed something within the last hour, the busiest first.")
            .Produces<IReadOnlyList<Contract.EventSource>>();
        routes
            .MapGet("/v1/sources/reports", ListReports)
            .RequireScope(ApiScopes.SessionsRead)
            .WithTags("operations")
            .WithName("ListSourceReports")
            .WithSummary("How the producers are: webhooks with the deliveries that were refused, schedules, accounts.")
            .WithDescription(
                "As they say it themselves. Of the webhooks that a process without a database serves nothing is noted."
            )
            .Produces<Contract.SourceReports>();
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
            )
            {
                Warm = x.State.Warm,
                MemoryBytes = x.State.MemoryBytes,
                ClaudeVersion = x.State.ClaudeVersion,
                Problem = x.State.Problem,
                Drained = x.DrainedAt,
                Reported = x.ReportedAt,
            })
        );

    static async Task<IResult> Drain(
        string name,
        bool drained,
        HttpContext http,
        Runners runners,
        CancellationToken cancel
    ) =>
        await runners.Drain(name, drained, SessionsApi.By(http), cancel)
            ? Results.NoContent()
            : ProblemResults.Create(
                StatusCodes.Status404NotFound,
                $"There is no runner {name}. wake runners lists them."
            );

    static async Task<IResult> ListReports(SourceReports reports, CancellationToken cancel) =>
        Results.Ok(
            new Contract.SourceReports(
                [
                    .. (await reports.ListWebhooks(MaxRejections, cancel)).Select(x => new Contract.WebhookReport(
                        x.Hook,
                        x.LastAt,
                        x.LastOutcome,
                        x.GenuineAt,
                        [
                            .. x.Rejections.Select(y => new Contract.RejectedDelivery(
                                y.At,
                                y.Status ?? 0,
                                y.Reason ?? "",
                                y.Address
                            )),
                        ]
                    )),
                ],
                [
                    .. (await reports.ListSchedules(cancel)).Select(x => new Contract.ScheduleReport(
                        x.Name,
                        x.NextAt,
                        x.FiredAt,
                        x.MissedAt
                    )),
                ],
                [
                    .. (await reports.ListAccounts(cancel)).Select(x => new Contract.AccountReport(
                        x.Account,
                        x.Host,
                        x.Limit,
                        x.Remaining,
                        x.ResetAt,
                        x.PausedUntil,
                        x.Gap,
                        x.GapAt,
                        x.At
                    )),
                ]
            )
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
