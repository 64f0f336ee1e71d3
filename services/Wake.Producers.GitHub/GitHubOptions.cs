using System.ComponentModel.DataAnnotations;

namespace Wake.Producers.GitHub;

/// <summary>How Wake hears from GitHub. Environment: <c>GitHub__WebhookSecrets__0</c>.</summary>
public sealed class GitHubOptions : IValidatableObject
{
    /// <summary>The configuration section.</summary>
    public const string Section = "GitHub";

    /// <summary>The secrets that deliveries may be signed with: during a rotation the old and the new one. None: no webhooks.</summary>
    public IReadOnlyList<string> WebhookSecrets { get; init; } = [];

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (WebhookSecrets.Any(string.IsNullOrWhiteSpace))
            yield return new("GitHub:WebhookSecrets must not hold an empty one: anybody could sign with it.", [nameof(WebhookSecrets)]);
    }
}
