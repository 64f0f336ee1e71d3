using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Mvc;

namespace Wake.Gateway;

/// <summary>The statuses that an endpoint can answer because of what it is, beside those that it names
/// itself.</summary>
static class Statuses
{
    static readonly int[] OfAll =
    [
        StatusCodes.Status400BadRequest,
        StatusCodes.Status401Unauthorized,
        StatusCodes.Status403Forbidden,
        StatusCodes.Status429TooManyRequests,
        StatusCodes.Status500InternalServerError,
        StatusCodes.Status503ServiceUnavailable,
    ];

    static readonly int[] OfBodies =
    [
        StatusCodes.Status408RequestTimeout,
        StatusCodes.Status413PayloadTooLarge,
        StatusCodes.Status415UnsupportedMediaType,
    ];

    static readonly int[] OfIdempotencyKeys =
    [
        StatusCodes.Status409Conflict,
        StatusCodes.Status413PayloadTooLarge,
        StatusCodes.Status422UnprocessableEntity,
    ];

    public static T TellsAllStatuses<T>(this T endpoints)
        where T : IEndpointConventionBuilder
    {
        endpoints.Finally(endpoint =>
        {
            var body = endpoint.Metadata.OfType<IAcceptsMetadata>().Any();
            var repeats = endpoint.Metadata.OfType<Repeats.Heeded>().Any();
            var named = endpoint.Metadata.OfType<IProducesResponseTypeMetadata>().Select(x => x.StatusCode);

            foreach (
                var status in OfAll
                    .Concat(body ? OfBodies : [])
                    .Concat(repeats ? OfIdempotencyKeys : [])
                    .Except(named)
                    .ToList()
            )
                endpoint.Metadata.Add(
                    new ProducesResponseTypeMetadata(status, typeof(ProblemDetails), ["application/problem+json"])
                );
        });
        return endpoints;
    }
}
