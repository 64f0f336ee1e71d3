using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>Why a session does what it does.</summary>
/// <param name="Summary">What it is doing, and why.</param>
/// <param name="Session">The session.</param>
/// <param name="ClaudeSessions">The Claude sessions it has had, and why each came into use.</param>
/// <param name="Watches">What it watches.</param>
/// <param name="Pending">What waits in its inbox.</param>
/// <param name="Turns">Its newest turns, the newest first.</param>
/// <param name="Ledger">The newest decisions about it, in order.</param>
public sealed record SessionExplanation(
    string Summary,
    Session Session,
    IReadOnlyList<ClaudeSessionUse> ClaudeSessions,
    IReadOnlyList<Watch> Watches,
    IReadOnlyList<PendingEvent> Pending,
    IReadOnlyList<Turn> Turns,
    IReadOnlyList<LedgerLine> Ledger
);

/// <summary>A Claude session in a session's chain.</summary>
/// <param name="Id">The id the CLI knows.</param>
/// <param name="Reason">Why it came into use.</param>
/// <param name="Wake">The wake that began it; null when none did.</param>
/// <param name="Since">When it came into use.</param>
public sealed record ClaudeSessionUse(
    Guid Id,
    string Reason,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? Wake,
    DateTimeOffset Since
);

/// <summary>An event that waits for the next turn.</summary>
/// <param name="Id">The event's id.</param>
/// <param name="Type">Its type.</param>
/// <param name="Subject">What it is about.</param>
/// <param name="Reason">Its sentence.</param>
/// <param name="Delivery">Whether it starts a turn.</param>
/// <param name="RoutedAt">Since when it waits.</param>
public sealed record PendingEvent(
    string Id,
    string Type,
    string Subject,
    string Reason,
    Delivery Delivery,
    DateTimeOffset RoutedAt
)
{
    /// <summary>The pauses of its source or subject that hold it, in words; null when none does.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? HeldBy { get; init; }
}
