using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/pauses</c>: stop turns from beginning, or events from waking, for a time.</summary>
static class PausesApi
{
    public static void MapPauses(this IEndpointRouteBuilder routes)
    {
        var pauses = routes.MapGroup("/v1/pauses").WithTags("pauses");

        pauses
            .MapPost("", Add)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithIdempotencyKey()
            .WithName("PauseSessions")
            .WithSummary("Pause sessions, or the events of a source or a subject: no turn of theirs begins.")
            .WithDescription(
                "Events are taken in all the same. When no pause covers a session any more, it takes one turn for all "
                    + "that came meanwhile. A pause of a source or a subject holds its events alone: what else comes "
                    + "to a session wakes it, and is told without them."
            )
            .Produces<Contract.Pause>(StatusCodes.Status201Created)
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status404NotFound);
        pauses
            .MapGet("", List)
            .RequireScope(ApiScopes.SessionsRead)
            .WithName("ListPauses")
            .WithSummary("The pauses in force, the oldest first.")
            .Produces<IReadOnlyList<Contract.Pause>>();
        pauses
            .MapDelete("/{id:guid}", End)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithName("EndPause")
            .WithSummary("End a pause. What waited for that runs, unless another pause covers it.")
            .Produces(StatusCodes.Status204NoContent)
            .ProducesProblem(StatusCodes.Status404NotFound);
    }

    static async Task<IResult> Add(
        Contract.NewPause body,
        HttpContext http,
        Pauses pauses,
        Routes routes,
        TimeProvider time,
        CancellationToken cancel
    )
    {
        var problems = RequestValidation.Collect(
            body.Scope is null ? ("scope", "is required.") : null,
            body.Scope is null or Contract.PauseScope.All
                ? body.Name is null
                    ? null
                    : ("name", "is not for all.")
                : RequestValidation.RequiredText("name", body.Name, EventLimits.MaxKeyLength),
            RequestValidation.OptionalText("reason", body.Reason, EventLimits.MaxReasonLength),
            body.Until <= time.GetUtcNow() ? ("until", "must lie ahead.") : null
        );
        if (problems.Count > 0)
            return ProblemResults.Invalid(problems);

        var scope = body.Scope!.Value;
        var route =
            scope is Contract.PauseScope.Route
                ? (await routes.List(cancel)).FirstOrDefault(x => x.Name == body.Name)
                : null;
        if (scope is Contract.PauseScope.Route && route is null)
            return NotFound(scope, body.Name!);

        var wanted = new NewPause(
            scope.ToStore(),
            body.Name,
            route?.Definition,
            body.Until,
            body.Interrupt,
            body.Reason
        )
        {
            By = SessionsApi.By(http),
        };
        return await pauses.Add(wanted, cancel, http.NewOperationId()) is { } pause
            ? Results.Created($"/v1/pauses/{pause.Id}", pause.ToContract())
            : NotFound(scope, body.Name!);
    }

    static async Task<IResult> List(Pauses pauses, CancellationToken cancel) =>
        Results.Ok((await pauses.List(cancel)).Select(x => x.ToContract()));

    static async Task<IResult> End(
        Guid id,
        HttpContext http,
        Pauses pauses,
        WakeTimers timers,
        CancellationToken cancel
    )
    {
        if (!await pauses.End(id, cancel, SessionsApi.By(http)))
            return ProblemResults.Create(StatusCodes.Status404NotFound, $"No pause {id} is in force.");

        await timers.NotifySweepers();
        return Results.NoContent();
    }

    static IResult NotFound(Contract.PauseScope scope, string name) =>
        ProblemResults.Create(
            StatusCodes.Status404NotFound,
            scope is Contract.PauseScope.Route
                ? $"There is no route {name}. wake routes lists them."
                : $"There is no open session {name}. wake sessions lists them."
        );
}
