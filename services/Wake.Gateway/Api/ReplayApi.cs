using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/events/{id}/replay</c>: the same again, because somebody wishes it.</summary>
static class ReplayApi
{
    public static void MapReplay(this IEndpointRouteBuilder routes) =>
        routes
            .MapPost("/v1/events/{id}/replay", Replay)
            .WithTags("events")
            .WithName("ReplayEvent")
            .RequireScope(ApiScopes.EventsWrite)
            .WithIdempotencyKey()
            .WithSummary(
                "Publish an event once more, as a new one that says which it repeats. Whoever watches it now is told."
            )
            .Produces<Contract.IntakeResult>(StatusCodes.Status202Accepted)
            .ProducesProblem(StatusCodes.Status404NotFound);

    static async Task<IResult> Replay(
        PathKey named,
        HttpContext http,
        Explanations explain,
        EventIngress door,
        TimeProvider time,
        CancellationToken cancel,
        string? source = null
    )
    {
        if (await explain.ExplainEvent(named.Value, source, cancel) is not { Event: var original })
            return EventNotFound(named);

        var caller = Caller.From(http);
        if (EventValidation.IsReserved(original.Type) && !caller.HasScope(ApiScopes.SessionsWrite))
            return ProblemResults.Create(
                StatusCodes.Status403Forbidden,
                $"A wake that was asked for is a person's word: to ask again needs the scope {ApiScopes.SessionsWrite}."
            );

        // By its first source: that of the repetition is Wake's own. What they may not tell they do not learn of
        // either.
        if (caller.Refusal(original with { Urgent = false }) is not null)
            return EventNotFound(named);

        var decisions = await door.Accept(
            http,
            [
                original with
                {
                    Id = http.NewOperationId().ToString(),
                    Source = "wake:replay",
                    ReplayOf = original.Id,
                    Urgent = original.Urgent && caller.HasScope(ApiScopes.SessionsWrite),

                    // Somebody repeats it here, and no forge: only what Wake itself has said it says again.
                    VerifiedBy =
                        original.VerifiedBy == WakeRequested.VerifiedByWake ? WakeRequested.VerifiedByWake : null,
                    Namespace = caller.Namespace,

                    // Another fact, or it would be a duplicate; and wished for now, whenever the first was over.
                    DedupKey = null,
                    Expires = original.Expires > time.GetUtcNow() ? original.Expires : null,
                },
            ],
            cancel
        );
        return Results.Accepted(null, decisions[0].ToContract());
    }

    static IResult EventNotFound(PathKey named) =>
        ProblemResults.Create(
            StatusCodes.Status404NotFound,
            $"No event {named.Value} was accepted here that this key may publish."
        );
}
