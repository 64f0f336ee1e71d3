using Wake.Contracts;

namespace Wake.Producing;

/// <summary>One look at a forge, by webhook or by poll, and how what it saw becomes an event.</summary>
/// <param name="Source">Who looked: <c>github:webhook</c>, <c>github:poll</c>.</param>
/// <param name="DeliveryId">The delivery's id. Null when polled: the fact itself then names the observation.</param>
/// <param name="Actor">The login of who caused it; null when unknown, as after an account was deleted.</param>
/// <param name="ActorType"><c>User</c>, <c>Bot</c> or <c>Organization</c>, where the forge says it.</param>
public sealed record ObservationSource(
    string Source,
    string? DeliveryId,
    string? Actor = null,
    string? ActorType = null
)
{
    // Commits arriving is mostly the session's own doing. Whoever waits for more waits for their checks or for a
    // review.
    static readonly string[] Ambient =
    [
        ".pull_request.synchronized",
        ".merge_request.synchronized",
        ".push",
        ".ref.deleted",
    ];

    /// <summary>
    /// A fact. Its key is type and subject, and what tells it from others of its kind; a fact that happens once needs
    /// nothing more, and one that lacks a part of it is no event.
    /// </summary>
    public EventMapping CreateEvent(
        string type,
        string subject,
        ReadOnlySpan<string?> discriminator,
        string reason,
        EventData data,
        IEnumerable<string>? related = null
    )
    {
        var key = $"{type}|{subject}";
        foreach (var part in discriminator)
        {
            if (part is null)
                return EventMapping.Ignore("the payload lacks what tells this from others of its kind");
            key += $"|{part}";
        }

        return EventMapping.FromEvent(
            new()
            {
                Id = DeliveryId ?? (key.Length <= EventLimits.MaxNameLength ? key : key[..EventLimits.MaxNameLength]),
                Source = Source,
                Type = type,
                Subject = subject,
                Related = related?.Distinct().Take(EventLimits.MaxListEntries).ToArray() is { Length: > 0 } others
                    ? others
                    : null,
                DedupKey = key,
                Reason = EventText.TruncateReason(reason),
                Delivery = Ambient.Any(x => type.EndsWith(x, StringComparison.Ordinal))
                    ? Delivery.Ambient
                    : Delivery.Wake,
                VerifiedBy = Source.Split(':')[0],
                Actor = Actor is null ? null : EventText.Truncate(Actor, EventText.MaxTitleLength),
                Data = data.Add("actor", Actor).Add("actorType", ActorType).ToElement(),
            }
        );
    }
}
