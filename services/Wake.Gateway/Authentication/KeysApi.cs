using Wake.Contracts;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/keys</c>: make, list, rotate and revoke the keys of this API.</summary>
static class KeysApi
{
    /// <summary>How long a key lives on after it was rotated, unless told otherwise.</summary>
    static readonly TimeSpan DefaultOverlap = TimeSpan.FromDays(1);

    static readonly TimeSpan MaxOverlap = TimeSpan.FromDays(90);

    public static void MapKeys(this IEndpointRouteBuilder routes)
    {
        var keys = routes.MapGroup("/v1/keys").WithTags("keys").RequireScope(ApiScopes.Admin);

        keys.MapPost("", Create)
            .WithName("CreateKey")
            .WithSummary("Make a key. It is told this once; only its hash is kept.")
            .Produces<Contract.NewApiKey>(StatusCodes.Status201Created)
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status409Conflict);
        keys.MapGet("", List)
            .WithName("ListKeys")
            .WithSummary("The keys, the oldest first, without their secrets.")
            .Produces<IReadOnlyList<Contract.ApiKey>>();
        keys.MapPost("/{id:guid}/rotate", Rotate)
            .WithName("RotateKey")
            .WithSummary(
                "Make another key of the same name, scopes and limits. Both open the door until the overlap is over."
            )
            .Produces<Contract.NewApiKey>(StatusCodes.Status201Created)
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status404NotFound);
        keys.MapDelete("/{id:guid}", Revoke)
            .WithName("RevokeKey")
            .WithSummary("End a key. Every gateway knows within five seconds.")
            .Produces(StatusCodes.Status204NoContent)
            .ProducesProblem(StatusCodes.Status404NotFound);
    }

    static async Task<IResult> Create(
        Contract.NewKey body,
        HttpContext http,
        ApiKeys keys,
        ApiKeyCache keyCache,
        CancellationToken cancel
    )
    {
        var problems = RequestValidation.Collect(
            RequestValidation.RequiredText("name", body.Name, EventLimits.MaxNameLength)
        );
        if (body.Scopes is not { Count: > 0 } || body.Scopes.Except(ApiScopes.All).Any())
            problems.Add(("scopes", $"must be some of {string.Join(", ", ApiScopes.All)}."));
        problems.AddRange(ValidateLimits(body));
        if (problems.Count > 0)
            return ProblemResults.Invalid(problems);

        return
            await keys.Create(
                body.Name!,
                [.. body.Scopes!.Distinct()],
                body.ToPublishPermissions(),
                body.Namespace,
                cancel
            )
                is { } key
            ? await KeyCreated(key, http, keyCache)
            : ProblemResults.Create(
                StatusCodes.Status409Conflict,
                $"There are {ApiKeys.Max} keys, as many as there may be. Revoke some first."
            );
    }

    static IEnumerable<(string, string)> ValidateLimits(Contract.NewKey body)
    {
        foreach (
            var (field, list) in ((string, IReadOnlyList<string>?)[])
                [("sources", body.Sources), ("types", body.Types), ("subjects", body.Subjects)]
        )
        {
            if (list is null)
                continue;
            if (
                list.Count > EventLimits.MaxListEntries
                || list.Any(x => x is null || EventValidation.TextProblem(x, EventLimits.MaxKeyLength) is not null)
            )
                yield return (field, $"is a list of at most {EventLimits.MaxListEntries} beginnings.");
            else if (new PublishPermissions { Subjects = list }.Problem() is { } problem)
                yield return (field, problem);
            else if (list is not [] && body.Scopes?.Contains(ApiScopes.EventsWrite) is not true)
                yield return (field, $"limits what is published, and so needs the scope {ApiScopes.EventsWrite}.");
            else if (list is not [] && body.Scopes?.Contains(ApiScopes.Admin) is true)
                yield return (field, $"limits nothing beside the scope {ApiScopes.Admin}, which makes any other key.");
        }

        if (
            body.Namespace is { } name
            && (
                string.IsNullOrWhiteSpace(name)
                    ? "must not be blank."
                    : EventValidation.TextProblem(name, EventLimits.MaxNameLength)
            )
                is { } wrong
        )
            yield return ("namespace", wrong);
    }

    static async Task<IResult> List(ApiKeys keys, CancellationToken cancel) =>
        Results.Ok((await keys.List(cancel)).Select(x => x.Key.ToContract()));

    static async Task<IResult> Rotate(
        Guid id,
        Contract.Rotation? body,
        HttpContext http,
        ApiKeys keys,
        ApiKeyCache keyCache,
        CancellationToken cancel
    )
    {
        var overlap = body?.OverlapSeconds ?? (long)DefaultOverlap.TotalSeconds;
        if (overlap < 0 || overlap > MaxOverlap.TotalSeconds)
            return ProblemResults.Invalid(
                "overlapSeconds",
                $"must be from 0 to {MaxOverlap.TotalSeconds:0}, which is {MaxOverlap.TotalDays:0} days."
            );

        return await keys.Rotate(id, TimeSpan.FromSeconds(overlap), cancel) is { } key
            ? await KeyCreated(key, http, keyCache)
            : ProblemResults.Create(
                StatusCodes.Status404NotFound,
                $"There is no key {id}, or another has taken its place already."
            );
    }

    static async Task<IResult> Revoke(Guid id, ApiKeys keys, ApiKeyCache keyCache, CancellationToken cancel)
    {
        if (!await keys.Revoke(id, cancel))
            return ProblemResults.Create(StatusCodes.Status404NotFound, $"There is no key {id}. wake keys lists them.");

        await keyCache.Invalidate();
        return Results.NoContent();
    }

    static async Task<IResult> KeyCreated(NewApiKey key, HttpContext http, ApiKeyCache keyCache)
    {
        await keyCache.Invalidate();
        http.Response.Headers.CacheControl = "no-store";
        return Results.Created($"/v1/keys/{key.Id}", key.ToContract());
    }
}
