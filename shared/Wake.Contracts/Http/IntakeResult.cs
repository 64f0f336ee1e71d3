using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>What was decided about one event; durable by the time anyone reads it.</summary>
/// <param name="Id">The event's id, as its producer named it.</param>
/// <param name="Outcome">What was decided.</param>
/// <param name="Sessions">Keys of the open sessions it was routed to; empty for a duplicate, whose original
/// was.</param>
/// <param name="UnknownSessions">Keys it named that no open session has; null when there are none.</param>
/// <param name="DuplicateOf">The id of the event that brought the fact first; null unless it is a duplicate.</param>
public sealed record IntakeResult(
    string Id,
    IntakeOutcome Outcome,
    IReadOnlyList<string> Sessions,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? UnknownSessions,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? DuplicateOf
)
{
    /// <summary>The id of the event that came first with its dedup key and is another fact; null when none
    /// did.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? CollidesWith { get; init; }

    /// <summary>What of the event was not taken as it came, and that a wake waits because its session is paused, in
    /// sentences; null when there is nothing to say.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Warnings { get; init; }
}

/// <summary>The ways an event can be taken in.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<IntakeOutcome>))]
public enum IntakeOutcome
{
    /// <summary>A new fact that belongs to at least one session.</summary>
    Routed,

    /// <summary>A new fact nobody watches; a watch that comes soon still finds it.</summary>
    Unwatched,

    /// <summary>A fact already known.</summary>
    Duplicate,
}

/// <summary>What was decided about an event, and what came of it: the answer to <c>Prefer: wait=N</c>.</summary>
/// <param name="Completed">Whether there is nothing more to wait for.</param>
/// <param name="InboxEntries">The sessions it was routed to, with the turns they took.</param>
public sealed record AwaitedDecision(bool Completed, IReadOnlyList<InboxEntry> InboxEntries)
{
    /// <summary>The event's id, as its producer named it.</summary>
    public string Id { get; init; } = "";

    /// <summary>What was decided about it.</summary>
    public IntakeOutcome Outcome { get; init; }

    /// <summary>Keys of the open sessions it was routed to; empty for a duplicate, whose original was.</summary>
    public IReadOnlyList<string> Sessions { get; init; } = [];

    /// <summary>Keys it named that no open session has; null when there are none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? UnknownSessions { get; init; }

    /// <summary>The id of the event that came first with its dedup key and is another fact; null when none
    /// did.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? CollidesWith { get; init; }

    /// <summary>What of the event was not taken as it came, and that a wake waits because its session is paused, in
    /// sentences; null when there is nothing to say.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Warnings { get; init; }

    /// <summary>The id of the event that brought the fact first; null unless it is a duplicate.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? DuplicateOf { get; init; }
}
