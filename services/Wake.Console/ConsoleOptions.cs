using System.ComponentModel.DataAnnotations;

namespace Wake.WebConsole;

/// <summary>The console. Environment: <c>Console__…</c>.</summary>
public sealed class ConsoleOptions : IValidatableObject
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Console";

    /// <summary>
    /// Where the HTTP API is: <c>http://gateway:8080</c>. The console asks it with the key of whoever is logged in. In
    /// <c>wake up</c> it is known. Required.
    /// </summary>
    public Uri? GatewayUrl { get; init; }

    /// <summary>
    /// The path under which a reverse proxy serves the console: <c>/wake</c>. The proxy passes it on. Default: the
    /// root.
    /// </summary>
    public string PathBase { get; init; } = "";

    /// <summary>How long a log-in lasts. A restart ends it as well.</summary>
    public TimeSpan SessionLifetime { get; init; } = TimeSpan.FromHours(12);

    /// <summary>How many browsers may have the console open at once. One more is told so.</summary>
    [Range(1, 10_000)]
    public int MaxBrowsers { get; init; } = 256;

    /// <summary>Where people log in with an account of theirs. Default: nowhere, and they log in with keys.</summary>
    public OpenIdConnectProvider? OpenIdConnect { get; init; }

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (GatewayUrl is null)
            yield return new(
                "Console:GatewayUrl is not set. Set Console__GatewayUrl, for instance to http://gateway:8080",
                [nameof(GatewayUrl)]
            );

        if (GatewayUrl is { } url && (!url.IsAbsoluteUri || url.Scheme is not ("http" or "https")))
            yield return new("Console:GatewayUrl must be an address like http://gateway:8080.", [nameof(GatewayUrl)]);

        if (PathBase.Length > 0 && (PathBase[0] != '/' || PathBase[^1] == '/'))
            yield return new("Console:PathBase must begin with a / and not end with one.", [nameof(PathBase)]);

        if (SessionLifetime <= TimeSpan.Zero)
            yield return new("Console:SessionLifetime must be positive.", [nameof(SessionLifetime)]);

        foreach (var wrong in OpenIdConnect?.Validate() ?? [])
            yield return wrong;
    }
}
