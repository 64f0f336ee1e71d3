using System.ComponentModel.DataAnnotations;
using System.Security.Claims;

namespace Wake.WebConsole;

/// <summary>The OpenID Connect provider at which people log in.</summary>
public sealed class OpenIdConnectProvider
{
    internal static readonly IReadOnlyList<string> UsualScopes = ["openid", "profile", "email"];

    /// <summary>
    /// The provider's issuer, below which its <c>/.well-known/openid-configuration</c> is:
    /// <c>https://login.example.com/realms/wake</c>. Required.
    /// </summary>
    public Uri? Authority { get; init; }

    /// <summary>
    /// The name by which the provider knows this console. It has to allow the redirect to
    /// <c>https://CONSOLE/login/openid/callback</c>. Required.
    /// </summary>
    public string ClientId { get; init; } = "";

    /// <summary>The secret that belongs to it. Default: none, for a public client.</summary>
    public string? ClientSecret { get; init; }

    /// <summary>What is asked of the provider. Default: <c>openid</c>, <c>profile</c> and <c>email</c>.</summary>
    public IReadOnlyList<string> Scopes { get; init; } = [];

    /// <summary>
    /// The claim by which the ledger has a person. It should be one that people cannot choose for themselves. Where it
    /// is missing, or an address that is not verified, <c>sub</c> is taken.
    /// </summary>
    public string NameClaim { get; init; } = "email";

    /// <summary>The claim that says what a person may do, one value or several.</summary>
    public string RoleClaim { get; init; } = "roles";

    /// <summary>What people may do. The highest that somebody has counts; who has none is not let in.</summary>
    public OpenIdConnectRoles Roles { get; init; } = new();

    /// <summary>What is wrong with it, as sentences.</summary>
    internal IEnumerable<ValidationResult> Validate()
    {
        if (
            Authority is not { IsAbsoluteUri: true } url
            || url.Scheme != "https" && !(url.Scheme == "http" && url.IsLoopback)
        )
            yield return new(
                "Console:OpenIdConnect:Authority must be an https address: https://login.example.com/realms/wake.",
                [nameof(Authority)]
            );

        if (ClientId.Length == 0)
            yield return new("Console:OpenIdConnect:ClientId is not set.", [nameof(ClientId)]);

        if (Scopes is not [] && !Scopes.Contains("openid"))
            yield return new("Console:OpenIdConnect:Scopes must have openid among them.", [nameof(Scopes)]);

        if (Roles.ByRank.All(x => x.Role.Key is not { Length: > 0 }))
            yield return new(
                "Console:OpenIdConnect:Roles has no key, so nobody could log in. Set one of Roles:Viewer:Key, "
                    + "Roles:Operator:Key and Roles:Admin:Key.",
                [nameof(Roles)]
            );
    }

    /// <summary>As whom the ledger has somebody; null when the provider does not say.</summary>
    internal string? FindPerson(ClaimsPrincipal principal)
    {
        var named = principal.FindFirst(NameClaim)?.Value;
        return
            string.IsNullOrWhiteSpace(named)
            || NameClaim == "email"
                && principal.FindFirst("email_verified") is { Value: var verified }
                && !verified.Equals("true", StringComparison.OrdinalIgnoreCase)
            ? principal.FindFirst("sub")?.Value
            : named;
    }
}

/// <summary>The roles, each above the one before.</summary>
public sealed class OpenIdConnectRoles
{
    /// <summary>Who looks.</summary>
    public OpenIdConnectRole Viewer { get; init; } = new();

    /// <summary>Who looks, answers, and wakes, pauses and closes sessions.</summary>
    public OpenIdConnectRole Operator { get; init; } = new();

    /// <summary>Who may do everything.</summary>
    public OpenIdConnectRole Admin { get; init; } = new();

    internal IReadOnlyList<(string Name, OpenIdConnectRole Role)> ByRank =>
        [("admin", Admin), ("operator", Operator), ("viewer", Viewer)];

    /// <summary>The key of the highest role that somebody has; null when they have none.</summary>
    internal string? FindKey(ClaimsPrincipal principal, string claim)
    {
        var values = principal.FindAll(claim).Select(x => x.Value).ToHashSet(StringComparer.Ordinal);
        return ByRank
            .Where(x =>
                x.Role.Key is { Length: > 0 } && (x.Role.Values is [] ? [x.Name] : x.Role.Values).Any(values.Contains)
            )
            .Select(x => x.Role.Key)
            .FirstOrDefault();
    }
}

/// <summary>What somebody in a role is let in by.</summary>
public sealed class OpenIdConnectRole
{
    /// <summary>
    /// A key of the API with what this role may do, and the scope <c>people:name</c>, without which the ledger could
    /// not have who did something. Default: none, and nobody has this role.
    /// </summary>
    public string? Key { get; init; }

    /// <summary>Values of the claim that mean this role. Default: its name, <c>viewer</c>, <c>operator</c> or
    /// <c>admin</c>.</summary>
    public IReadOnlyList<string> Values { get; init; } = [];
}
