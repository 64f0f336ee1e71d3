using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>A limit of the section <c>Breakers</c>, and its circuit breaker.</summary>
/// <param name="Limit">What is counted.</param>
/// <param name="Scope">What it is for.</param>
/// <param name="Name">The session's key, or the name of the route, profile or source; null for <c>all</c>.</param>
/// <param name="State">How the breaker is.</param>
/// <param name="Used">What counts now. Turns and events are counted up to the limit.</param>
/// <param name="Amount">The limit.</param>
/// <param name="Pause">The pause by which an open or half-open breaker holds turns back; to end it closes the
/// breaker.</param>
/// <param name="Since">When it opened.</param>
/// <param name="Until">When it is half-open, or since when it is.</param>
/// <param name="Trial">The key of the session whose turn is tried.</param>
public sealed record Breaker(
    BreakerLimit Limit,
    PauseScope Scope,
    string? Name,
    BreakerState State,
    decimal Used,
    decimal Amount,
    Guid? Pause,
    DateTimeOffset? Since,
    DateTimeOffset? Until,
    string? Trial
);

/// <summary>What a breaker counts.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<BreakerLimit>))]
public enum BreakerLimit
{
    /// <summary>Turns that were dispatched within the last hour.</summary>
    TurnsPerHour,

    /// <summary>What turns cost that ended within the last hour.</summary>
    UsdPerHour,

    /// <summary>What turns cost that ended today, UTC.</summary>
    UsdPerDay,

    /// <summary>Events that were accepted within the last minute.</summary>
    EventsPerMinute,

    /// <summary>Turns in a row, each caused by what the session did in the one before.</summary>
    ChainDepth,
}

/// <summary>How a breaker is.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<BreakerState>))]
public enum BreakerState
{
    /// <summary>The limit is not reached.</summary>
    Closed,

    /// <summary>No turn is dispatched; events wait.</summary>
    Open,

    /// <summary>One turn is tried. If that ends well within the limit, it closes, else it opens again, for
    /// longer.</summary>
    HalfOpen,
}
