using System.ComponentModel.DataAnnotations;

namespace Wake.Gateway;

/// <summary>Who may use the HTTP door. Environment: <c>Gateway__…</c>.</summary>
public sealed class GatewayOptions : IValidatableObject
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Gateway";

    /// <summary>Keys with the scope admin, sent as <c>Authorization: Bearer KEY</c>; they make those of everybody
    /// else.</summary>
    public IReadOnlyList<string> ApiKeys { get; init; } = [];

    /// <summary>
    /// File to which every start writes a new token for programs of the same user. It has the scope admin. Null: no
    /// token. <c>wake up</c> has it in its data folder.
    /// </summary>
    public string? TokenFile { get; init; }

    /// <summary>How many may follow the ledger (<c>/v1/tail</c>) at once, and how many turns. One more is answered
    /// 503.</summary>
    [Range(1, 10_000)]
    public int MaxFollowers { get; init; } = 256;

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (ApiKeys.Any(x => x.Length < 16))
            yield return new(
                "A key in Gateway:ApiKeys is shorter than 16 characters; openssl rand -hex 24 makes a good one.",
                [nameof(ApiKeys)]
            );

        if (TokenFile is { Length: > 0 } && !Path.IsPathRooted(TokenFile))
            yield return new("Gateway:TokenFile must be an absolute path.", [nameof(TokenFile)]);

        if (ApiKeys is [] && TokenFile is not { Length: > 0 })
        {
            yield return new(
                "Nobody could come in: set Gateway__ApiKeys__0 to a key (openssl rand -hex 24 makes a good one), or "
                    + "Gateway__TokenFile to a file for the token of this process's own user.",
                [nameof(ApiKeys), nameof(TokenFile)]
            );
        }
    }
}
