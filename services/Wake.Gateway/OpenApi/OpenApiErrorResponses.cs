using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Mvc;

namespace Wake.Gateway;

/// <summary>The statuses that an endpoint can answer because of what it is, beside those that it names
/// itself.</summary>
static class OpenApiErrorResponses
{
    static readonly int[] CommonStatuses =
    [
        StatusCodes.Status400BadRequest,
        StatusCodes.Status401Unauthorized,
        StatusCodes.Status403Forbidden,
        StatusCodes.Status429TooManyRequests,
        StatusCodes.Status500InternalServerError,
        StatusCodes.Status503ServiceUnavailable,
    ];

    static readonly int[] RequestBodyStatuses =
    [
        StatusCodes.Status408RequestTimeout,
        StatusCodes.Status413PayloadTooLarge,
        StatusCodes.Status415UnsupportedMediaType,
    ];

    static readonly int[] IdempotencyStatuses =
    [
        StatusCodes.Status409Conflict,
        StatusCodes.Status413PayloadTooLarge,
        StatusCodes.Status422UnprocessableEntity,
    ];

    public static T WithCommonErrorResponses<T>(this T endpoints)
        where T : IEndpointConventionBuilder
    {
        endpoints.Finally(endpoint =>
        {
            var body = endpoint.Metadata.OfType<IAcceptsMetadata>().Any();
            var repeats = endpoint.Metadata.OfType<IdempotencyMiddleware.SupportsIdempotencyKey>().Any();
            var named = endpoint.Metadata.OfType<IProducesResponseTypeMetadata>().Select(x => x.StatusCode);

            foreach (
                var status in CommonStatuses
                    .Concat(body ? RequestBodyStatuses : [])
                    .Concat(repeats ? IdempotencyStatuses : [])
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
