using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/dead-letters</c>: messages that could not be handled. The coordinator does what is wanted of
/// them.</summary>
static class DeadLettersApi
{
    public static void MapDeadLetters(this IEndpointRouteBuilder routes)
    {
        var letters = routes.MapGroup("/v1/dead-letters").WithTags("operations");

        letters
            .MapGet("", List)
            .RequireScope(ApiScopes.SessionsRead)
            .WithName("ListDeadLetters")
            .WithSummary("Messages that could not be handled and lie aside in RabbitMQ, the latest first.")
            .WithDescription(
                "Of each queue the first 1,000. A Wake in one process has no broker, and none of these: what is wrong "
                    + "in its spool folder lies in spool/bad."
            )
            .Produces<IReadOnlyList<Contract.DeadLetter>>()
            .ProducesValidationProblem();
        letters
            .MapPost("/redrive", Redrive)
            .RequireScope(ApiScopes.SessionsWrite)
            .WithIdempotencyKey()
            .WithName("RedriveDeadLetters")
            .WithSummary("Send dead letters again, within seconds. What still cannot be handled comes back.")
            .Produces<Contract.DeadLetterCount>(StatusCodes.Status202Accepted)
            .ProducesValidationProblem();
        letters
            .MapPost("/drop", Drop)
            .RequireScope(ApiScopes.Admin)
            .WithIdempotencyKey()
            .WithName("DropDeadLetters")
            .WithSummary("Take dead letters away for good, within seconds.")
            .Produces<Contract.DeadLetterCount>(StatusCodes.Status202Accepted)
            .ProducesValidationProblem();
    }

    static async Task<IResult> List(DeadLetters letters, CancellationToken cancel, int limit = 100) =>
        RequestValidation.ValidateLimit(limit)
        ?? Results.Ok(
            (await letters.List(limit, cancel)).Select(x => new Contract.DeadLetter(
                x.Id,
                x.Queue,
                x.Reason,
                x.Body,
                x.SeenAt,
                (Contract.DeadLetterWish?)x.Wish
            ))
        );

    static Task<IResult> Redrive(
        Contract.DeadLetterSelection body,
        HttpContext http,
        DeadLetters letters,
        CancellationToken cancel
    ) =>
        body.Trust && !Caller.From(http).HasScope(ApiScopes.Admin)
            ? Task.FromResult(
                ProblemResults.Create(
                    StatusCodes.Status403Forbidden,
                    "trust needs a key with the scope admin: Wake answers for what is sent again."
                )
            )
            : Request(DeadLetterWish.Redrive, body, http, letters, cancel);

    static Task<IResult> Drop(
        Contract.DeadLetterSelection body,
        HttpContext http,
        DeadLetters letters,
        CancellationToken cancel
    ) => Request(DeadLetterWish.Drop, body, http, letters, cancel);

    static async Task<IResult> Request(
        DeadLetterWish wish,
        Contract.DeadLetterSelection body,
        HttpContext http,
        DeadLetters letters,
        CancellationToken cancel
    )
    {
        var problems = RequestValidation.Collect(
            (body.Ids is null) != body.All ? ("ids", "or all is required, and not both.") : null,
            body.Ids is { Count: 0 or > ListLimits.MaxRows }
                ? ("ids", $"must have from 1 to {ListLimits.MaxRows} entries.")
                : null,
            body.Trust && wish is DeadLetterWish.Drop ? ("trust", "is for those that are sent again.") : null
        );
        if (problems.Count > 0)
            return ProblemResults.Invalid(problems);

        var count = await letters.Request(body.All ? null : body.Ids, wish, body.Trust, SessionsApi.By(http), cancel);
        return Results.Accepted(null, new Contract.DeadLetterCount(count));
    }
}
