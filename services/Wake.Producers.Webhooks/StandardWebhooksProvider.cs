using System.Text;
using Wake.Producing;

namespace Wake.Producers.Webhooks;

/// <summary>Anybody who signs by the Standard Webhooks specification, Svix's older names for the headers
/// included.</summary>
sealed class StandardWebhooksProvider(PayloadPaths paths) : IWebhookProvider
{
    const string Version = "v1,",
        SecretPrefix = "whsec_";

    public string? VerificationFailure(WebhookRequest delivery, IReadOnlyList<string> secrets, DateTimeOffset now) =>
        SignatureProblem(delivery, secrets, now);

    public EventMapping Map(WebhookRequest delivery) =>
        paths.Map(
            delivery.Payload(),
            delivery,
            delivery.Header("webhook-id") is null ? "svix-id" : "webhook-id",
            isIdProven: true
        );

    /// <summary>The headers that the signature covers.</summary>
    public static IReadOnlyList<string> SignedHeaders { get; } =
    ["webhook-id", "webhook-timestamp", "svix-id", "svix-timestamp"];

    /// <summary>Why the signature does not hold; null when it does. GitLab's signing tokens are the same
    /// scheme.</summary>
    public static string? SignatureProblem(WebhookRequest delivery, IReadOnlyList<string> secrets, DateTimeOffset now)
    {
        if (
            Header("id") is not { } id
            || Header("timestamp") is not { } timestamp
            || Header("signature") is not { } signatures
        )
            return "The delivery is not signed: webhook-id, webhook-timestamp and webhook-signature are needed.";

        if (!WebhookSignatures.IsWithinTolerance(timestamp, now))
            return "The delivery is too old, or from the future.";

        var prefix = Encoding.UTF8.GetBytes($"{id}.{timestamp}.");
        foreach (var key in secrets.Select(ParseKey).OfType<byte[]>())
        {
            var code = WebhookSignatures.ComputeHmac(SignatureHash.Sha256, key, prefix, delivery.Body);

            // Other versions are for other keys; whoever sends a hundred of ours is not a sender.
            if (
                signatures
                    .Split(' ')
                    .Take(20)
                    .Any(x =>
                        x.StartsWith(Version, StringComparison.Ordinal)
                        && WebhookSignatures.MatchesBase64(x[Version.Length..], code)
                    )
            )
                return null;
        }

        return "The signature is not right.";

        string? Header(string name) => delivery.Header($"webhook-{name}") ?? delivery.Header($"svix-{name}");
    }

    /// <summary>Whether a secret is one by its looks: <c>whsec_…</c>, or <c>v1,whsec_…</c> as some show it.</summary>
    public static bool IsSecret(string secret) =>
        Unversioned(secret).StartsWith(SecretPrefix, StringComparison.Ordinal);

    /// <summary>The key a secret stands for; null when it is not base64.</summary>
    public static byte[]? ParseKey(string secret)
    {
        var text = Unversioned(secret);
        if (text.StartsWith(SecretPrefix, StringComparison.Ordinal))
            text = text[SecretPrefix.Length..];

        var key = new byte[text.Length];
        return Convert.TryFromBase64String(text, key, out var length) && length > 0 ? key[..length] : null;
    }

    static string Unversioned(string secret)
    {
        var text = secret.Trim();
        return text.StartsWith(Version, StringComparison.Ordinal) ? text[Version.Length..].TrimStart() : text;
    }
}
