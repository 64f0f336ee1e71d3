using Wake.Contracts;
using Wake.Store;

namespace Wake.Gateway;

/// <summary><c>/v1/events/{id}/replay</c>: the same again, because somebody wishes it.</summary>
static class ReplayApi
{
    public static void MapReplay(this IEndpointRouteBuilder routes) =>
        routes
            .MapPost("/v1/events/{id}/replay", Replay)
            .WithTags("events")
            .WithName("ReplayEvent")
            .Needs(ApiScopes.EventsWrite)
            .HeedsIdempotencyKey()
            .WithSummary(
                "Publish an event once more, as a new one that says which it repeats. Whoever watches it now is told."
            )
            .Produces<IntakeDecision>(StatusCodes.Status202Accepted)
            .ProducesProblem(StatusCodes.Status404NotFound);

    static async Task<IResult> Replay(
        PathKey named,
        HttpContext http,
        Explain explain,
        EventDoor door,
        TimeProvider time,
        CancellationToken cancel,
        string? source = null
    )
    {
        if (await explain.Event(named.Value, source, cancel) is not { Event: var original })
            return Unknown(named);

        var caller = Caller.Of(http);
        if (EventValidation.IsWakes(original.Type) && !caller.May(ApiScopes.SessionsWrite))
            return Problems.Of(
                StatusCodes.Status403Forbidden,
                $"A wake that was asked for is a person's word: to ask again needs the scope {ApiScopes.SessionsWrite}."
            );

        // By its first source: that of the repetition is Wake's own. What they may not tell they do not learn of
        // either.
        if (caller.Refusal(original with { Urgent = false }) is not null)
            return Unknown(named);

        var decisions = await door.Accept(
            http,
            [
                original with
                {
                    Id = http.NewId().ToString(),
                    Source = "wake:replay",
                    ReplayOf = original.Id,
                    Urgent = original.Urgent && caller.May(ApiScopes.SessionsWrite),

                    // Somebody repeats it here, and no forge: only what Wake itself has said it says again.
                    VerifiedBy = original.VerifiedBy == WakeRequested.Verified ? WakeRequested.Verified : null,
                    Namespace = caller.Namespace,

                    // Another fact, or it would be a duplicate; and wished for now, whenever the first was over.
                    DedupKey = null,
                    Expires = original.Expires > time.GetUtcNow() ? original.Expires : null,
                },
            ],
            cancel
        );
        return Results.Accepted(null, decisions[0]);
    }

    static IResult Unknown(PathKey named) =>
        Problems.Of(
            StatusCodes.Status404NotFound,
            $"No event {named.Value} was accepted here that this key may publish."
        );
}
