using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>How often a watch or a route has matched, among the newest 20,000 events. One that has not is left
/// out.</summary>
/// <param name="Watch">The id of the watch; null of a route.</param>
/// <param name="Route">The name of the route; null of a watch.</param>
/// <param name="Count">How many of these events.</param>
/// <param name="Last">When it matched last.</param>
public sealed record MatchCount(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Guid? Watch,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Route,
    int Count,
    DateTimeOffset Last
);
