using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

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
            && Secret(setting.Key, value) is { } secret
            && Placeholder().IsMatch(secret)
        select $"{setting.Key.Replace(":", "__", StringComparison.Ordinal)} is still the placeholder of an example, "
            + "which everybody knows. Put a secret of your own there.";

    // An address holds a password; any other text may speak of changing something.
    static string? Secret(string path, string value) =>
        EffectiveSetting.IsSecret(path) || path.StartsWith("ConnectionStrings:", StringComparison.OrdinalIgnoreCase)
            ? value
        : Uri.TryCreate(value, UriKind.Absolute, out var address) && address.UserInfo.Length > 0
            ? Uri.UnescapeDataString(address.UserInfo)
        : null;

    [GeneratedRegex(@"(?<![a-z])change[-_. ]?me(?![a-z])|…", RegexOptions.IgnoreCase)]
    private static partial Regex Placeholder();
}

/// <summary>Stops the start where a secret is a placeholder.</summary>
sealed class PlaceholderSecretsValidator(IConfiguration configuration)
    : IValidateOptions<PlaceholderSecretsValidator.Secrets>
{
    public ValidateOptionsResult Validate(string? name, Secrets options) =>
        PlaceholderSecrets.FindProblems(configuration).ToList() is { Count: > 0 } problems
            ? ValidateOptionsResult.Fail(problems)
            : ValidateOptionsResult.Success;

    /// <summary>Has no members: what is checked is the configuration itself.</summary>
    public sealed class Secrets;
}
