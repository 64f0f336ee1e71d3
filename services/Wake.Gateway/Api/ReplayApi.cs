using Microsoft.AspNetCore.Mvc;
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
            .WithMetadata(new RequestSizeLimitAttribute(RequestBody.MaxBytes))
            .WithSummary(
                "Publish an event once more, as a new one that says which it repeats. Whoever watches it now is told."
            )
            .WithDescription(
                "A body says what is to be otherwise; without one it is the same again. With dryRun=true it answers "
                    + "200 with which sessions would receive it, and why, and publishes nothing; a key without the "
                    + "scope sessions:read is told only how many."
            )
            .Produces<Contract.DryRunResult>()
            .ProducesValidationProblem()
            .Produces<Contract.IntakeResult>(StatusCodes.Status202Accepted)
            .ProducesProblem(StatusCodes.Status404NotFound);

    static async Task<IResult> Replay(
        PathKey named,
        HttpContext http,
        Explanations explain,
        EventIngress door,
        TimeProvider time,
        CancellationToken cancel,
        Contract.ReplayChanges? body = null,
        string? source = null,
        bool dryRun = false
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

        var changes = body ?? new();
        var changed = changes != new Contract.ReplayChanges();
        if (changed && EventValidation.IsReserved(original.Type))
            return ProblemResults.Invalid("type", "of the event is Wake's own, and what Wake says is not changed.");

        // By its first source: that of the repetition is Wake's own. What they may not tell they do not learn of
        // either.
        if (caller.Refusal(original with { Urgent = false }) is not null)
            return EventNotFound(named);

        var edited = original with
        {
            Type = changes.Type ?? original.Type,
            Subject = changes.Subject ?? original.Subject,
            Reason = changes.Reason ?? original.Reason,
            Delivery = changes.Delivery ?? original.Delivery,
            Data = changes.Data ?? original.Data,
            Urgent = original.Urgent && caller.HasScope(ApiScopes.SessionsWrite),
        };
        if (changed)
        {
            // As if it came by the door, where nobody has a source of Wake's own.
            if (EventValidation.Problems(edited with { Source = "replay" }) is { Count: > 0 } problems)
                return ProblemResults.Invalid(problems);
            if (EventJson.Serialize(edited).Length is > EventLimits.MaxBytes and var size)
                return ProblemResults.Invalid(
                    "data",
                    $"makes an event of {size} bytes; {EventLimits.MaxBytes} are allowed."
                );
            if (caller.Refusal(edited) is { } refusal)
                return refusal;
        }

        var repeated = edited with
        {
            Id = http.NewOperationId().ToString(),
            Source = "wake:replay",
            ReplayOf = original.Id,

            // A wake is whoever's who asks for it now. Of a fact it stays who caused it.
            Actor = EventValidation.IsReserved(original.Type) ? SessionsApi.By(http) : original.Actor,

            // Somebody repeats it here, and no forge: only what Wake itself has said it says again.
            VerifiedBy = original.VerifiedBy == WakeRequested.VerifiedByWake ? WakeRequested.VerifiedByWake : null,
            Namespace = caller.Namespace,

            // Another fact, or it would be a duplicate; and wished for now, whenever the first was over.
            DedupKey = null,
            Expires = original.Expires > time.GetUtcNow() ? original.Expires : null,
        };
        if (dryRun)
        {
            var tried = (await door.DryRun([repeated], cancel))[0];
            return Results.Ok((caller.HasScope(ApiScopes.SessionsRead) ? tried : tried.WithoutSessions()).ToContract());
        }

        return Results.Accepted(null, (await door.Accept(http, [repeated], cancel))[0].ToContract());
    }

    static IResult EventNotFound(PathKey named) =>
        ProblemResults.Create(
            StatusCodes.Status404NotFound,
            $"No event {named.Value} was accepted here that this key may publish."
        );
}
