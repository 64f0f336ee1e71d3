using System.Text;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Wake.ServiceDefaults;

/// <summary>
/// What a request asks for, as it was sent. The server leaves %2F in a path as it is and undoes every other escape,
/// after which a name that holds a slash and one that holds "%2F" look alike; and it resolves the dots in a path before
/// anybody sees them.
/// </summary>
public static class RequestTarget
{
    /// <summary>The segments of the path, each a text of its own without escapes.</summary>
    public static string[] Segments(HttpContext http) =>
        [.. Path(RawTarget(http)).Split('/')[1..].Select(Uri.UnescapeDataString)];

    /// <summary>The path, spelt in one way whichever characters were escaped. Equal where, and only where, all segments
    /// are.</summary>
    public static string NormalizedPath(HttpContext http) =>
        new PathString(
            $"/{string.Join('/', Segments(http)
        .Select(x => x.Replace("%", "%25", StringComparison.Ordinal).Replace("/", "%2F", StringComparison.Ordinal)))}"
        ).ToUriComponent();

    /// <summary>What keeps it from being answered, as a sentence; null when nothing does.</summary>
    internal static string? Problem(HttpContext http)
    {
        var sent = RawTarget(http);
        var bytes = Decoded(sent);
        return bytes.Contains((byte)0) ? "The address contains the character U+0000, which nothing here can hold."
            : !Utf8.IsValid(bytes) ? "The address is not UTF-8."
            : Path(sent).Split('/').Any(x => Uri.UnescapeDataString(x) is "." or "..")
                ? "The address has a . or .. in its path. Send the path that is meant."
            : null;
    }

    static string RawTarget(HttpContext http) => http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;

    // A proxy is asked for the whole address.
    static string Path(string target)
    {
        if (target is not ['/', ..])
            target =
                target.IndexOf("//", StringComparison.Ordinal) is >= 0 and var host
                && target.IndexOf('/', host + 2) is >= 0 and var at
                    ? target[at..]
                    : "/";
        return target.Split('?', '#')[0];
    }

    static byte[] Decoded(string target)
    {
        var sent = Encoding.UTF8.GetBytes(target);
        var (bytes, length) = (new byte[sent.Length], 0);
        for (var i = 0; i < sent.Length; i++)
        {
            var escaped =
                sent[i] == '%'
                && i + 2 < sent.Length
                && char.IsAsciiHexDigit((char)sent[i + 1])
                && char.IsAsciiHexDigit((char)sent[i + 2]);
            bytes[length++] = escaped ? Convert.FromHexString([(char)sent[i + 1], (char)sent[i + 2]])[0] : sent[i];
            i += escaped ? 2 : 0;
        }

        return bytes[..length];
    }
}
