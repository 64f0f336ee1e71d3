using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/sessions/{key}/schedule</c>: wakes that a session or a person has scheduled.</summary>
static class ScheduleApi
{
    public static void MapSchedule(this IEndpointRouteBuilder routes)
    {
        var schedule = routes.MapGroup("/v1/sessions/{key}/schedule").WithTags("sessions");

        schedule
            .MapPost("", Add)
            .RequireScope(ApiScopes.SessionsWrite)
            .AllowRunTokens()
            .WithIdempotencyKey()
            .WithName("ScheduleWake")
            .WithSummary("Wake a session at a date.")
            .Produces<Contract.ScheduledWake>(StatusCodes.Status202Accepted)
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status404NotFound);
        schedule
            .MapGet("", List)
            .RequireScope(ApiScopes.SessionsRead)
            .AllowRunTokens()
            .WithName("ListScheduledWakes")
            .WithSummary("The scheduled wakes of a session, the next one first.")
            .Produces<IReadOnlyList<Contract.ScheduledWake>>()
            .ProducesProblem(StatusCodes.Status404NotFound);
        schedule
            .MapDelete("/{id:guid}", Cancel)
            .RequireScope(ApiScopes.SessionsWrite)
            .AllowRunTokens()
            .WithName("CancelScheduledWake")
            .WithSummary("Call a scheduled wake off.")
            .Produces(StatusCodes.Status204NoContent)
            .ProducesProblem(StatusCodes.Status404NotFound);
    }

    static async Task<IResult> Add(
        PathKey named,
        Contract.NewScheduledWake body,
        HttpContext http,
        ScheduledWakes scheduled,
        CancellationToken cancel
    )
    {
        var problems = RequestValidation.Collect(
            RequestValidation.RequiredText("reason", body.Reason, EventLimits.MaxReasonLength)
        );
        if (body.At is null)
            problems.Add(("at", "is required."));
        if (problems.Count > 0)
            return ProblemResults.Invalid(problems);

        return await scheduled.Add(named.Value, body.Reason!, body.At!.Value, cancel, http.NewOperationId()) is { } wake
            ? Results.Accepted(null, wake.ToContract())
            : SessionsApi.SessionNotFound(named);
    }

    static async Task<IResult> List(
        PathKey named,
        Sessions sessions,
        ScheduledWakes scheduled,
        CancellationToken cancel
    ) =>
        await sessions.Find(named.Value, cancel) is { } session
            ? Results.Ok((await scheduled.List(session.Id, cancel)).Select(x => x.ToContract()))
            : SessionsApi.SessionNotFound(named);

    static async Task<IResult> Cancel(PathKey named, Guid id, ScheduledWakes scheduled, CancellationToken cancel) =>
        await scheduled.Cancel(named.Value, id, cancel)
            ? Results.NoContent()
            : ProblemResults.Create(StatusCodes.Status404NotFound, $"{named.Value} has no wake {id} ahead.");
}
