using System.Reflection;
using Microsoft.AspNetCore.Http.Features;

namespace Wake.Gateway;

/// <summary>
/// A session key or event id in a path, as its owner wrote it. Read from the raw request line: the server leaves %2F in a
/// path as it is and undoes every other escape, after which a key that holds a slash and one that holds "%2F" look alike.
/// </summary>
sealed record PathKey(string Value)
{
    public static ValueTask<PathKey?> BindAsync(HttpContext http, ParameterInfo parameter) => ValueTask.FromResult(In(http));

    /// <summary>The one in a request; null when there is none.</summary>
    public static PathKey? In(HttpContext http)
    {
        var target = http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        var path = Uri.TryCreate(target, UriKind.Absolute, out var absolute) && absolute.Scheme != Uri.UriSchemeFile
            ? target[(target.IndexOf('/', target.IndexOf("//", StringComparison.Ordinal) + 2) is var at and >= 0 ? at : target.Length)..]
            : target;

        var segments = path.Split('?', '#')[0].Split('/');
        var index = Array.FindIndex(segments, x => x is "sessions" or "events") + 1;

        return index > 0 && index < segments.Length && segments[index].Length > 0
            ? new PathKey(Uri.UnescapeDataString(segments[index]))
            : null;
    }
}
