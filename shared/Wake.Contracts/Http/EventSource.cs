using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>Who has observed something within the last hour.</summary>
/// <param name="Source">The source, as its events name it.</param>
/// <param name="Events">How many events of it were accepted within the hour, among the newest 20,000 of all.</param>
/// <param name="LastEvent">The id of the last of them.</param>
/// <param name="LastType">Its type.</param>
/// <param name="LastAt">When it was accepted.</param>
/// <param name="Pause">The pause that holds its events; null for none.</param>
public sealed record EventSource(
    string Source,
    int Events,
    string LastEvent,
    string LastType,
    DateTimeOffset LastAt,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Guid? Pause
);
