namespace Wake.Producing;

/// <summary>Secrets a webhook is verified with, and limits on what its deliveries may publish.</summary>
/// <param name="Secrets">Those that are good now: during a rotation the old and the new one.</param>
/// <param name="RejectionReason">Why a delivery that is proven by them is not theirs to send, in a sentence; null where
/// all are.</param>
/// <param name="MayRelateTo">Whether an event of theirs may concern a subject besides its own; null where it may
/// any.</param>
public sealed record WebhookCredentials(
    IReadOnlyList<string> Secrets,
    Func<WebhookRequest, string?>? RejectionReason = null,
    Func<string, bool>? MayRelateTo = null
);
