using System.Text.Json.Serialization;

namespace Wake.Store;

/// <summary>"Wake this session when events match."</summary>
/// <param name="Id">Names the watch.</param>
/// <param name="Session">The key of the session it wakes.</param>
/// <param name="Subject">The subject it matches; <c>*</c> stands for anything.</param>
/// <param name="Types">The event types it matches, with <c>*</c> for anything; null matches all.</param>
/// <param name="Intent">A note of the session to itself, shown when it wakes.</param>
/// <param name="Expires">When it ends; null: with the session.</param>
/// <param name="Created">When it was made.</param>
public sealed record Watch(
    Guid Id,
    string Session,
    string Subject,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Types,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Intent,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? Expires,
    DateTimeOffset Created);
