using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>What would become of an event: the answer to <c>dryRun=true</c>.</summary>
/// <param name="Id">The event's id, as its producer named it.</param>
/// <param name="Outcome">What would be decided.</param>
/// <param name="Sessions">Who would receive it, and why.</param>
/// <param name="UnknownSessions">Keys it names that no open session has; null when there are none.</param>
/// <param name="DuplicateOf">The id of the event that brought the fact first; null unless it is a duplicate.</param>
public sealed record DryRunResult(
    string Id,
    IntakeOutcome Outcome,
    IReadOnlyList<DryRunInboxEntry> Sessions,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? UnknownSessions,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? DuplicateOf
)
{
    /// <summary>The id of the event that came first with its dedup key and is another fact; null when none
    /// did.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? CollidesWith { get; init; }

    /// <summary>What of the event was not taken as it came, in sentences; null when nothing was.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Warnings { get; init; }

    /// <summary>
    /// How many sessions would receive it that are not named here, because the caller may not read of sessions; null
    /// when it may.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Withheld { get; init; }
}

/// <summary>A session that would receive it.</summary>
/// <param name="Session">Its key.</param>
/// <param name="Wakes">Whether it would be woken, rather than given it with its next turn.</param>
/// <param name="Begins">Whether the session would only begin with this.</param>
/// <param name="Watch">The id of the watch that matches; null when none does.</param>
/// <param name="Route">The name of the route that matches; null when none does. Neither: the event names the
/// session.</param>
/// <param name="Intent">The watch's note; null for none.</param>
/// <param name="Prompt">In which form it would receive it.</param>
/// <param name="Words">What the route says to it; null when it says nothing.</param>
/// <param name="Text">
/// What it would read, about all the events asked about together: with the first that wakes it, null with the others,
/// and beyond a hundred sessions. What waits for it already comes on top of that.
/// </param>
public sealed record DryRunInboxEntry(
    string Session,
    bool Wakes,
    bool Begins,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Guid? Watch,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Route,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Intent,
    PromptForm Prompt,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Words,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Text
)
{
    /// <summary>The pauses of its source or subject that would hold it, in words; null when none would.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? HeldBy { get; init; }
}

/// <summary>How much a session has to be told.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<PromptForm>))]
public enum PromptForm
{
    /// <summary>Everything: it has no context yet.</summary>
    Full,

    /// <summary>What is new: it has the context of its earlier turns.</summary>
    Delta,
}
