using System.Text.Json;

namespace Wake.Producing;

/// <summary>A kind of program that sends webhooks: how a delivery proves where it is from, and what it means.</summary>
public interface IWebhookProvider
{
    /// <summary>Why the delivery is not genuine, in a sentence without any secret; null when it is.</summary>
    /// <param name="delivery">The delivery.</param>
    /// <param name="secrets">Those that are good now: during a rotation the old and the new one.</param>
    /// <param name="now">The time, for schemes that refuse what is old.</param>
    string? VerificationFailure(WebhookRequest delivery, IReadOnlyList<string> secrets, DateTimeOffset now);

    /// <summary>What it means. Pure.</summary>
    /// <exception cref="JsonException">The body is not what this sender sends.</exception>
    EventMapping Map(WebhookRequest delivery);
}
