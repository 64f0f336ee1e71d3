namespace Wake.Store;

/// <summary>An event in a session's inbox, now or once.</summary>
/// <param name="Session">The session's key.</param>
/// <param name="Watch">The watch that matched; null when none did.</param>
/// <param name="Route">The route that matched; null when none did. Neither: the event named the session.</param>
/// <param name="Intent">The watch's note.</param>
/// <param name="RoutedAt">When it was routed.</param>
/// <param name="Wake">The wake it was handed over in; null while it waits.</param>
/// <param name="Turn">That wake's turn.</param>
public sealed record InboxEntry(
    string Session,
    Guid? Watch,
    string? Route,
    string? Intent,
    DateTimeOffset RoutedAt,
    int? Wake,
    Turn? Turn
)
{
    /// <summary>What was answered about it before that turn; null when it was not asked about.</summary>
    public FactCheck? Fact { get; init; }

    /// <summary>The same for who may publish and not read: who was told, and how the turn stands. What else it was told
    /// others have published.</summary>
    public InboxEntry WithoutDetails() =>
        this with
        {
            Watch = null,
            Route = null,
            Intent = null,
            Fact = null,
            Turn = Turn is null
                ? null
                : Turn with
                {
                    Note = null,
                    Runner = null,
                    ClaudeSessionId = null,
                    CostUsd = 0,
                    DurationMs = 0,
                    Tokens = default,
                    Reasons = [],
                    Fresh = null,
                },
        };
}
