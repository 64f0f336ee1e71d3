using System.ComponentModel.DataAnnotations;

namespace Wake.Gateway;

/// <summary>Who may use the HTTP door. Environment: <c>Gateway__…</c>.</summary>
sealed class GatewayOptions : IValidatableObject
{
    public const string Section = "Gateway";

    /// <summary>
    /// Keys with the scope admin, sent as <c>Authorization: Bearer KEY</c>; they make those of everybody else. Without any,
    /// programs of this machine need no key, which suits one person's own.
    /// </summary>
    public IReadOnlyList<string> ApiKeys { get; init; } = [];

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (ApiKeys.Any(x => x.Length < 16))
            yield return new("A key in Gateway:ApiKeys is shorter than 16 characters; openssl rand -hex 24 makes a good one.", [nameof(ApiKeys)]);
    }
}
