using System.Text.Json.Serialization;
using Wake.Contracts;

namespace Wake.Store;

/// <summary>What the intake decided about one observation; durable by the time anyone reads it.</summary>
/// <param name="Id">The observation's id, as its producer named it.</param>
/// <param name="Outcome">The decision.</param>
/// <param name="Sessions">Keys of the open sessions it was routed to; empty for a duplicate, whose original was.</param>
/// <param name="UnknownSessions">Keys it named that no open session has.</param>
/// <param name="DuplicateOf">The id of the observation that brought the fact first; null unless it is a duplicate.</param>
public sealed record IntakeDecision(
    string Id,
    IntakeOutcome Outcome,
    IReadOnlyList<string> Sessions,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? UnknownSessions,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? DuplicateOf);

/// <summary>The ways an observation can be taken in.</summary>
[JsonConverter(typeof(CamelCaseConverter<IntakeOutcome>))]
public enum IntakeOutcome
{
    /// <summary>A new fact that belongs to at least one session.</summary>
    Routed,

    /// <summary>A new fact nobody watches; a watch that comes soon still finds it.</summary>
    Unwatched,

    /// <summary>A fact already known.</summary>
    Duplicate,
}
