using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;

namespace Wake.ServiceDefaults;

/// <summary>Secrets that are still what stands in an example, and so known to everybody.</summary>
static partial class PlaceholderSecrets
{
    /// <summary>A sentence for each.</summary>
    public static IEnumerable<string> FindProblems(IConfiguration configuration) =>
        from section in SettingsSection.Names.Append("ConnectionStrings")
        from setting in configuration.GetSection(section).AsEnumerable()
        where
            setting.Value is { Length: > 0 } value
            && FindSecret(setting.Key, value) is { } secret
            && Placeholder().IsMatch(secret)
        select $"{setting.Key.Replace(":", "__", StringComparison.Ordinal)} is still the placeholder of an example, "
            + "which everybody knows. Put a secret of your own there.";

    /// <summary>What is secret of a setting: all of it, or the user and the password in an address; null when nothing
    /// is. Any other text may speak of changing something.</summary>
    internal static string? FindSecret(string path, string value) =>
        EffectiveSetting.IsSecret(path) || path.StartsWith("ConnectionStrings:", StringComparison.OrdinalIgnoreCase)
            ? value
        : Uri.TryCreate(value, UriKind.Absolute, out var address) && address.UserInfo.Length > 0
            ? Uri.UnescapeDataString(address.UserInfo)
        : null;

    [GeneratedRegex(@"(?<![a-z])change[-_. ]?me(?![a-z])|…", RegexOptions.IgnoreCase)]
    private static partial Regex Placeholder();
}
