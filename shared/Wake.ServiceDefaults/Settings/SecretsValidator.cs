using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace Wake.ServiceDefaults;

/// <summary>Stops the start where a secret is a placeholder, or stands in two places.</summary>
sealed class SecretsValidator(IConfiguration configuration) : IValidateOptions<SecretsValidator.Secrets>
{
    public ValidateOptionsResult Validate(string? name, Secrets options) =>
        FindProblems(configuration).ToList() is { Count: > 0 } problems
            ? ValidateOptionsResult.Fail(problems)
            : ValidateOptionsResult.Success;

    /// <summary>A sentence for each.</summary>
    public static IEnumerable<string> FindProblems(IConfiguration configuration) =>
        PlaceholderSecrets.FindProblems(configuration).Concat(RepeatedSecrets.FindProblems(configuration));

    /// <summary>Has no members: what is checked is the configuration itself.</summary>
    public sealed class Secrets;
}
