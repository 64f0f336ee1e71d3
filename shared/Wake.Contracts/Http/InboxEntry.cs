using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>An event in a session's inbox, now or once.</summary>
/// <param name="Session">The session's key.</param>
/// <param name="Watch">The id of the watch that matched; null when none did.</param>
/// <param name="Route">The name of the route that matched; null when none did. Neither: the event named the
/// session.</param>
/// <param name="Intent">The watch's note; null for none.</param>
/// <param name="RoutedAt">When it was routed.</param>
/// <param name="Wake">The wake it was handed over in; null while it waits.</param>
/// <param name="Turn">That wake's turn; null while it waits.</param>
public sealed record InboxEntry(
    string Session,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Guid? Watch,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Route,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Intent,
    DateTimeOffset RoutedAt,
    int? Wake,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Turn? Turn
);
