using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>One turn of a session.</summary>
/// <param name="Number">The wake it executes, counted per session from 1.</param>
/// <param name="State">Where it stands.</param>
/// <param name="Outcome">How it ended; null before.</param>
/// <param name="Note">What there is to say about its state or ending; null for nothing.</param>
/// <param name="Attempt">How often a runner has claimed it.</param>
/// <param name="Runner">The runner that claimed it last; null before.</param>
/// <param name="ClaudeSessionId">The Claude session it ended in; null before.</param>
/// <param name="DispatchedAt">When the wake was decided.</param>
/// <param name="StartedAt">When a runner first claimed it; null before.</param>
/// <param name="EndedAt">When it ended; null before.</param>
/// <param name="CostUsd">What it cost in US dollars, all attempts together.</param>
/// <param name="DurationMs">How long it ran in milliseconds, all attempts together.</param>
/// <param name="Tokens">What the model read and wrote, all attempts together.</param>
/// <param name="Reasons">The reasons of its events, in the order observed; empty until it is claimed.</param>
public sealed record Turn(
    int Number,
    TurnState State,
    TurnOutcome? Outcome,
    string? Note,
    int Attempt,
    string? Runner,
    Guid? ClaudeSessionId,
    DateTimeOffset DispatchedAt,
    DateTimeOffset? StartedAt,
    DateTimeOffset? EndedAt,
    decimal CostUsd,
    long DurationMs,
    TokenUsage Tokens,
    IReadOnlyList<string> Reasons
)
{
    /// <summary>Set when the turn left the session's Claude session for a fresh one, which knows no more of it than a
    /// recap.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public FreshSession? Fresh { get; init; }
}

/// <summary>A Claude session that was begun in place of another.</summary>
/// <param name="Left">The one that was left.</param>
/// <param name="Begun">The one that was begun.</param>
/// <param name="Why">Why the other could not be resumed.</param>
public sealed record FreshSession(Guid Left, Guid Begun, string Why);

/// <summary>Where a turn stands.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<TurnState>))]
public enum TurnState
{
    /// <summary>No runner has claimed it.</summary>
    Dispatched,

    /// <summary>It waits until another process no longer has the Claude session open; its note says which.</summary>
    Waiting,

    /// <summary>A runner has it.</summary>
    Running,

    /// <summary>It waits for a person or a date.</summary>
    Parked,

    /// <summary>It is over.</summary>
    Ended,
}

/// <summary>Tokens, as the Claude API counts them: those read from a cache or written to it are not among the
/// input.</summary>
/// <param name="Input">Tokens read.</param>
/// <param name="Output">Tokens written.</param>
/// <param name="CacheRead">Tokens read from the cache.</param>
/// <param name="CacheCreation">Tokens read and put into the cache.</param>
public readonly record struct TokenUsage(long Input, long Output, long CacheRead, long CacheCreation);
