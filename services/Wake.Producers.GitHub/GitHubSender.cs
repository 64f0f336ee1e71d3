using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>GitHub as a sender of webhooks. Its signature covers the raw bytes, those of a form included, and no
/// timestamp.</summary>
public sealed class GitHubSender : ISender
{
    /// <inheritdoc />
    public string? Refusal(HookRequest delivery, IReadOnlyList<string> secrets, DateTimeOffset now) =>
        delivery.Header("X-Hub-Signature-256") is not { } given
            ? "The delivery is not signed: X-Hub-Signature-256 is missing."
        : !given.StartsWith("sha256=", StringComparison.Ordinal)
        || !Signatures.AnyHex(given["sha256=".Length..], secrets, delivery.Body)
            ? "The signature is not right."
        : null;

    /// <inheritdoc />
    public Mapped Map(HookRequest delivery)
    {
        if (IsOthers(delivery))
            return Mapped.Nothing("sent by Forgejo or Gitea, which need a hook of their own");

        if (delivery.Header("X-GitHub-Event") is not { } name)
            return Mapped.Nothing("no X-GitHub-Event");

        return GitHubEvents.Of(name, delivery.Payload(), delivery.Id("X-GitHub-Delivery"));
    }

    // Both also call themselves GitHub, and mean other hosts and other things by it.
    internal static bool IsOthers(HookRequest delivery) =>
        (delivery.Header("X-Forgejo-Event") ?? delivery.Header("X-Gitea-Event")) is not null;
}
