using System.Reflection;
using Microsoft.AspNetCore.Routing.Patterns;
using Wake.ServiceDefaults;

namespace Wake.Gateway;

/// <summary>A session key or event id in a path, as its owner wrote it: the first parameter of the endpoint, from the
/// path as it was sent.</summary>
sealed record PathKey(string Value)
{
    public static ValueTask<PathKey?> BindAsync(HttpContext http, ParameterInfo parameter) =>
        ValueTask.FromResult(FromRequest(http));

    /// <summary>The one in a request; null when there is none.</summary>
    public static PathKey? FromRequest(HttpContext http)
    {
        if (http.GetEndpoint() is not RouteEndpoint { RoutePattern.PathSegments: var pattern })
            return null;

        var (index, segments) = (
            pattern.ToList().FindIndex(x => x.Parts is [RoutePatternParameterPart]),
            RequestTarget.Segments(http)
        );
        return index >= 0 && index < segments.Length && segments[index].Length > 0
            ? new PathKey(segments[index])
            : null;
    }
}
