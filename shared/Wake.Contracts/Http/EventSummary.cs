using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>An event in a list. <c>GET /v1/explain/events/{id}</c> tells all about it.</summary>
/// <param name="Id">The event's id, as its producer named it.</param>
/// <param name="Source">Who observed it.</param>
/// <param name="Type">Its type.</param>
/// <param name="Subject">What it is about.</param>
/// <param name="Reason">Its sentence.</param>
/// <param name="Delivery">Whether it starts turns.</param>
/// <param name="Urgent">Whether it starts them at once.</param>
/// <param name="Outcome">Whether it was routed to any session.</param>
/// <param name="SessionCount">To how many it was routed.</param>
/// <param name="AcceptedAt">When it was accepted.</param>
/// <param name="Time">When it happened; null when its producer did not say.</param>
/// <param name="Actor">Who caused it; null when its producer did not say.</param>
/// <param name="ReplayOf">The id of the event that it repeats; null when it repeats none.</param>
public sealed record EventSummary(
    string Id,
    string Source,
    string Type,
    string Subject,
    string Reason,
    Delivery Delivery,
    bool Urgent,
    IntakeOutcome Outcome,
    int SessionCount,
    DateTimeOffset AcceptedAt,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? Time,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Actor,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? ReplayOf
);
