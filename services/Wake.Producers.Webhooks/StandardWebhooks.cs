using System.Text;
using Wake.Producing;

namespace Wake.Producers.Webhooks;

/// <summary>Anybody who signs by the Standard Webhooks specification, Svix's older names for the headers included.</summary>
sealed class StandardWebhooks(PayloadPaths paths) : ISender
{
    public bool Guessable => false;

    public string? Refusal(HookRequest delivery, IReadOnlyList<string> secrets, DateTimeOffset now) => Check(delivery, secrets, now);

    public Mapped Map(HookRequest delivery) =>
        paths.Map(delivery.Payload(), delivery, delivery.Header("webhook-id") is null ? "svix-id" : "webhook-id");

    /// <summary>Why the signature does not hold; null when it does. GitLab's signing tokens are the same scheme.</summary>
    public static string? Check(HookRequest delivery, IReadOnlyList<string> secrets, DateTimeOffset now)
    {
        if (Header("id") is not { } id || Header("timestamp") is not { } timestamp || Header("signature") is not { } signatures)
            return "The delivery is not signed: webhook-id, webhook-timestamp and webhook-signature are needed.";

        if (!Signatures.IsRecent(timestamp, now))
            return "The delivery is too old, or from the future.";

        var prefix = Encoding.UTF8.GetBytes($"{id}.{timestamp}.");
        foreach (var key in secrets.Select(Key).OfType<byte[]>())
        {
            var code = Signatures.Of(SignatureHash.Sha256, key, prefix, delivery.Body);

            // Other versions are for other keys; whoever sends a hundred of ours is not a sender.
            if (signatures.Split(' ').Take(20).Any(x => x.StartsWith("v1,", StringComparison.Ordinal) && Signatures.IsBase64(x[3..], code)))
                return null;
        }

        return "The signature is not right.";

        string? Header(string name) => delivery.Header($"webhook-{name}") ?? delivery.Header($"svix-{name}");
    }

    /// <summary>The key a secret stands for; null when it is not base64.</summary>
    public static byte[]? Key(string secret)
    {
        var text = secret.StartsWith("whsec_", StringComparison.Ordinal) ? secret["whsec_".Length..] : secret;
        var key = new byte[text.Length];
        return Convert.TryFromBase64String(text, key, out var length) && length > 0 ? key[..length] : null;
    }
}
