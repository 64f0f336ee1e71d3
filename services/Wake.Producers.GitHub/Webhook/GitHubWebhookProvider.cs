using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>GitHub as a sender of webhooks. Its HMAC covers the raw bytes, those of a form included, and no
/// timestamp.</summary>
public sealed class GitHubWebhookProvider : IWebhookProvider
{
    /// <inheritdoc />
    public string? VerificationFailure(WebhookRequest delivery, IReadOnlyList<string> secrets, DateTimeOffset now) =>
        delivery.Header("X-Hub-Signature-256") is not { } given
            ? "The delivery is not signed: X-Hub-Signature-256 is missing."
        : !given.StartsWith("sha256=", StringComparison.Ordinal)
        || !WebhookSignatures.AnyMatchesHex(given["sha256=".Length..], secrets, delivery.Body)
            ? "The signature is not right."
        : null;

    /// <inheritdoc />
    public EventMapping Map(WebhookRequest delivery)
    {
        if (IsOthers(delivery))
            return EventMapping.Ignore("sent by Forgejo or Gitea, which need a hook of their own");

        if (delivery.Header("X-GitHub-Event") is not { } name)
            return EventMapping.Ignore("no X-GitHub-Event");

        return GitHubEvents.FromWebhook(name, delivery.Payload(), delivery.DeliveryId("X-GitHub-Delivery"));
    }

    // Both also call themselves GitHub, and mean other hosts and other things by it.
    internal static bool IsOthers(WebhookRequest delivery) =>
        (delivery.Header("X-Forgejo-Event") ?? delivery.Header("X-Gitea-Event")) is not null;
}
