using System.ComponentModel.DataAnnotations;

namespace Wake.Producers.Webhooks;

/// <summary>Who may send webhooks: by name, which is the last part of the address <c>/hooks/NAME</c>.</summary>
public sealed class WebhooksOptions : IValidatableObject
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Webhooks";

    /// <summary>Senders by the name of their hook. Environment: <c>Webhooks__Hooks__codeberg__Sender</c>.</summary>
    public Dictionary<string, HookOptions> Hooks { get; init; } = new(StringComparer.OrdinalIgnoreCase);

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var (name, hook) in Hooks)
        {
            if (hook.Problem() is { } problem)
                yield return new($"Webhooks:Hooks:{name}: {problem}", [nameof(Hooks)]);
        }
    }
}

/// <summary>One hook: who sends, and what proves it.</summary>
public sealed class HookOptions
{
    /// <summary>Who sends.</summary>
    public SenderKind? Sender { get; init; }

    /// <summary>What deliveries prove themselves with: during a rotation the old and the new one.</summary>
    public IReadOnlyList<string> Secrets { get; init; } = [];

    /// <summary>The largest body, in bytes. Those of GitLab and Forgejo carry every commit of a push.</summary>
    public int MaxBody { get; init; } = 5 * 1024 * 1024;

    /// <summary>How a generic sender signs.</summary>
    public SignatureScheme Scheme { get; init; } = SignatureScheme.HmacSha256;

    /// <summary>The header with the signature or token of a generic sender; null for the usual one of its scheme.</summary>
    public string? Header { get; init; }

    /// <summary>What stands before the signature in that header: <c>sha256=</c>.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>How the signature is written.</summary>
    public SignatureEncoding Encoding { get; init; } = SignatureEncoding.Hex;

    /// <summary>The header with the delivery's id; null when the payload has it.</summary>
    public string? IdHeader { get; init; }

    /// <summary>Where generic and Standard Webhooks payloads have what.</summary>
    public PayloadPaths Paths { get; init; } = new();

    /// <summary>What is wrong with it, in a sentence; null when nothing is.</summary>
    internal string? Problem() =>
        Sender is null ? $"Sender is not set; known are {string.Join(", ", Enum.GetNames<SenderKind>()).ToLowerInvariant()}."
        : Secrets is [] || Secrets.Any(string.IsNullOrWhiteSpace) ? "Secrets needs at least one, and none that is empty: anybody could send."
        : MaxBody is < 1024 or > 100 * 1024 * 1024 ? "MaxBody must be between 1 KB and 100 MB."
        : Sender is SenderKind.Standard && Secrets.Any(x => StandardWebhooks.Key(x) is null)
            ? "Secrets of Standard Webhooks are base64, usually after whsec_." : null;
}

/// <summary>Whose deliveries come in by a hook.</summary>
public enum SenderKind
{
    /// <summary>Anybody who signs by the Standard Webhooks specification.</summary>
    Standard,

    /// <summary>GitLab.</summary>
    GitLab,

    /// <summary>Forgejo.</summary>
    Forgejo,

    /// <summary>Gitea.</summary>
    Gitea,

    /// <summary>Anybody who sends CloudEvents with a bearer token.</summary>
    CloudEvents,

    /// <summary>Anybody else, by configuration.</summary>
    Generic,
}

/// <summary>How a generic sender proves itself.</summary>
public enum SignatureScheme
{
    /// <summary>HMAC-SHA256 of the body.</summary>
    HmacSha256,

    /// <summary>HMAC-SHA1 of the body.</summary>
    HmacSha1,

    /// <summary>HMAC-SHA512 of the body.</summary>
    HmacSha512,

    /// <summary><c>Authorization: Bearer</c> and the secret.</summary>
    Bearer,

    /// <summary>The secret itself in a header.</summary>
    Token,

    /// <summary>Slack's: HMAC-SHA256 of version, timestamp and body, refused when it is older than five minutes.</summary>
    Slack,
}

/// <summary>How a signature is written.</summary>
public enum SignatureEncoding
{
    /// <summary>Hexadecimal digits.</summary>
    Hex,

    /// <summary>Base64.</summary>
    Base64,
}
