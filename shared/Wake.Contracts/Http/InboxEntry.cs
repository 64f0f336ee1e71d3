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
)
{
    /// <summary>What was answered when the event was asked about before that turn; null when it was not.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public FactCheck? Fact { get; init; }
}

/// <summary>Whether what an event tells of was still so when its turn was to begin.</summary>
/// <param name="Answer">The answer.</param>
/// <param name="Reason">What has become of it, or why nobody knows; null when it was still so.</param>
/// <param name="At">When it was answered.</param>
public sealed record FactCheck(
    FactAnswer Answer,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Reason,
    DateTimeOffset At
);

/// <summary>Whether something is still so.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<FactAnswer>))]
public enum FactAnswer
{
    /// <summary>It is still so.</summary>
    Holds,

    /// <summary>It has ended.</summary>
    NoLonger,

    /// <summary>Nobody knows.</summary>
    Unknown,
}
