using Microsoft.AspNetCore.Http.Features;
using Wake.Store;

namespace Wake.Gateway;

/// <summary><c>/v1/events/{id}/replay</c>: the same again, because somebody wishes it.</summary>
static class ReplayApi
{
    public static void MapReplay(this IEndpointRouteBuilder routes) => routes
        .MapPost("/v1/events/{id}/replay", Replay).WithTags("events").WithName("ReplayEvent").Needs(ApiScopes.EventsWrite).HeedsIdempotencyKey()
        .WithSummary("Publish an event once more, as a new one that says which it repeats. Whoever watches it now is told.")
        .Produces<IntakeDecision>(StatusCodes.Status202Accepted).ProducesProblem(StatusCodes.Status404NotFound);

    static async Task<IResult> Replay(
        PathKey named, HttpContext http, Explain explain, EventDoor door, TimeProvider time, CancellationToken cancel, string? source = null)
    {
        if (await explain.Event(named.Value, source, cancel) is not { Event: var original })
            return Problems.Of(StatusCodes.Status404NotFound, $"No event {named.Value} was accepted here.");

        var decisions = await door.Accept(
            [
                original with
                {
                    Id = http.NewId().ToString(),
                    Source = "wake:replay",
                    ReplayOf = original.Id,
                    Urgent = original.Urgent && http.Features.GetRequiredFeature<Caller>().May(ApiScopes.SessionsWrite),

                    // Another fact, or it would be a duplicate; and wished for now, whenever the first was over.
                    DedupKey = null,
                    Expires = original.Expires > time.GetUtcNow() ? original.Expires : null,
                },
            ], cancel);
        return Results.Accepted(null, decisions[0]);
    }
}
