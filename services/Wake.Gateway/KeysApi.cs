using Wake.Contracts;
using Wake.Store;

namespace Wake.Gateway;

/// <summary><c>/v1/keys</c>: make, list, rotate and revoke the keys of this API.</summary>
static class KeysApi
{
    /// <summary>How long a key lives on after it was rotated, unless told otherwise.</summary>
    static readonly TimeSpan Overlap = TimeSpan.FromDays(1);

    static readonly TimeSpan LongestOverlap = TimeSpan.FromDays(90);

    public static void MapKeys(this IEndpointRouteBuilder routes)
    {
        var keys = routes.MapGroup("/v1/keys").WithTags("keys").Needs(ApiScopes.Admin);

        keys.MapPost("", Create).WithName("CreateKey").WithSummary("Make a key. It is told this once; only its hash is kept.")
            .Produces<NewApiKey>(StatusCodes.Status201Created).ProducesValidationProblem().ProducesProblem(StatusCodes.Status409Conflict);
        keys.MapGet("", List).WithName("ListKeys").WithSummary("The keys, the oldest first, without their secrets.")
            .Produces<IReadOnlyList<ApiKey>>();
        keys.MapPost("/{id:guid}/rotate", Rotate).WithName("RotateKey")
            .WithSummary("Make another key of the same name and scopes. Both open the door until the overlap is over.")
            .Produces<NewApiKey>(StatusCodes.Status201Created).ProducesValidationProblem().ProducesProblem(StatusCodes.Status404NotFound);
        keys.MapDelete("/{id:guid}", Revoke).WithName("RevokeKey").WithSummary("End a key. Every gateway knows within five seconds.")
            .Produces(StatusCodes.Status204NoContent).ProducesProblem(StatusCodes.Status404NotFound);
    }

    /// <summary>A key to make.</summary>
    /// <param name="Name">What to call it, for instance after who will have it.</param>
    /// <param name="Scopes">What it may do.</param>
    internal sealed record NewKey(string? Name, IReadOnlyList<string>? Scopes);

    /// <summary>How to rotate a key.</summary>
    /// <param name="OverlapSeconds">How long the old one lives on; left out, a day; 0 for not at all.</param>
    internal sealed record Rotation(long? OverlapSeconds);

    static async Task<IResult> Create(NewKey body, HttpContext http, ApiKeys keys, KeyRing ring, CancellationToken cancel)
    {
        var problems = Fields.Problems(Fields.Required("name", body.Name, EventLimits.Name));
        if (body.Scopes is not { Count: > 0 } || body.Scopes.Except(ApiScopes.All).Any())
            problems.Add(("scopes", $"must be some of {string.Join(", ", ApiScopes.All)}."));
        if (problems.Count > 0)
            return Problems.Invalid(problems);

        return await keys.Create(body.Name!, [.. body.Scopes!.Distinct()], cancel) is { } key ? await Made(key, http, ring)
            : Problems.Of(StatusCodes.Status409Conflict, $"There are {ApiKeys.Max} keys, as many as there may be. Revoke some first.");
    }

    static async Task<IResult> List(ApiKeys keys, CancellationToken cancel) =>
        Results.Ok((await keys.List(cancel)).Select(x => x.Key));

    static async Task<IResult> Rotate(Guid id, Rotation? body, HttpContext http, ApiKeys keys, KeyRing ring, CancellationToken cancel)
    {
        var overlap = body?.OverlapSeconds ?? (long)Overlap.TotalSeconds;
        if (overlap < 0 || overlap > LongestOverlap.TotalSeconds)
            return Problems.Invalid("overlapSeconds",
                $"must be from 0 to {LongestOverlap.TotalSeconds:0}, which is {LongestOverlap.TotalDays:0} days.");

        return await keys.Rotate(id, TimeSpan.FromSeconds(overlap), cancel) is { } key ? await Made(key, http, ring)
            : Problems.Of(StatusCodes.Status404NotFound, $"There is no key {id}, or another has taken its place already.");
    }

    static async Task<IResult> Revoke(Guid id, ApiKeys keys, KeyRing ring, CancellationToken cancel)
    {
        if (!await keys.Revoke(id, cancel))
            return Problems.Of(StatusCodes.Status404NotFound, $"There is no key {id}. wake keys lists them.");

        await ring.Forget();
        return Results.NoContent();
    }

    static async Task<IResult> Made(NewApiKey key, HttpContext http, KeyRing ring)
    {
        await ring.Forget();
        http.Response.Headers.CacheControl = "no-store";
        return Results.Created($"/v1/keys/{key.Id}", key);
    }
}
