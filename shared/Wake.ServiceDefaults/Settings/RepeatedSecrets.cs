using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;

namespace Wake.ServiceDefaults;

/// <summary>
/// Secrets that let somebody in at two places. Each place has limits, a name and dedup keys of its own, and whoever
/// knows the secret would have those of both.
/// </summary>
static partial class RepeatedSecrets
{
    /// <summary>A sentence for each.</summary>
    public static IEnumerable<string> FindProblems(IConfiguration configuration) =>
        from setting in configuration.AsEnumerable()
        where setting.Value is { Length: > 0 }
        let place = Place().Match(setting.Key)
        where place.Success
        orderby setting.Key
        group (
            Name: setting.Key.Replace(":", "__", StringComparison.Ordinal),
            Place: place.Value.ToUpperInvariant()
        ) by Key(setting.Value) into same
        let places = same.DistinctBy(x => x.Place).Select(x => x.Name).ToList()
        where places.Count > 1
        select $"{string.Join(" and ", places)} are the same secret, and whoever knows it could speak for "
            + $"{(places.Count == 2 ? "both" : "all of them")}. Give each a secret of its own.";

    // As some senders show it, and without what others put before it.
    static string Key(string secret) => Decoration().Replace(secret.Trim(), "");

    [GeneratedRegex(
        "^(GitHub:WebhookSecrets|GitHub:Webhooks:[^:]+:Secrets|Webhooks:Hooks:[^:]+:Secrets|Gateway:ApiKeys)(?=:)",
        RegexOptions.IgnoreCase
    )]
    private static partial Regex Place();

    [GeneratedRegex("^(v1,)?whsec_")]
    private static partial Regex Decoration();
}
