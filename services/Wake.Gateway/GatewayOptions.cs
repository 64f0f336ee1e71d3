using System.ComponentModel.DataAnnotations;

namespace Wake.Gateway;

/// <summary>Who may use the HTTP door. Environment: <c>Gateway__…</c>.</summary>
sealed class GatewayOptions : IValidatableObject
{
    public const string Section = "Gateway";

    /// <summary>
    /// Keys that open the door, sent as <c>Authorization: Bearer KEY</c>. Without any only this machine may come in, which
    /// suits one person's own.
    /// </summary>
    public IReadOnlyList<string> ApiKeys { get; init; } = [];

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (ApiKeys.Any(x => x.Length < 16))
            yield return new("A key in Gateway:ApiKeys is shorter than 16 characters; openssl rand -hex 24 makes a good one.", [nameof(ApiKeys)]);
    }
}
