using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>The same for many sessions: those of the keys, or those that a filter finds, at most 1,000 at
/// once.</summary>
/// <param name="Action">What is done.</param>
/// <param name="Keys">The keys of open sessions. Either these or a filter.</param>
/// <param name="Filter">Which open sessions.</param>
/// <param name="DryRun">Say which it would be, and do nothing.</param>
/// <param name="Expect">How many a dry run has found: when it is another number by now, nothing is done (409). Default:
/// whatever the number is.</param>
/// <param name="Reason">Of <c>wake</c> what the sessions are told, and required. Of <c>pause</c> why, for
/// people.</param>
/// <param name="Until">Of <c>pause</c>: when it is over. Default: when somebody ends it.</param>
/// <param name="Interrupt">Of <c>pause</c>: whether turns that run are stopped as well.</param>
public sealed record SessionBatch(
    SessionBatchAction? Action,
    IReadOnlyList<string>? Keys = null,
    SessionFilter? Filter = null,
    bool DryRun = false,
    int? Expect = null,
    string? Reason = null,
    DateTimeOffset? Until = null,
    bool Interrupt = false
)
{
    /// <summary>The most sessions of one request.</summary>
    public const int MaxSessions = 1000;
}

/// <summary>What can be done to many sessions at once.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<SessionBatchAction>))]
public enum SessionBatchAction
{
    /// <summary>No more turns and no more watches of theirs.</summary>
    Close,

    /// <summary>Pause each, unless it has a pause of its own.</summary>
    Pause,

    /// <summary>A turn of each, now. Ends a park.</summary>
    Wake,
}

/// <summary>Which open sessions, as the list of sessions finds them. What is left out does not limit them.</summary>
/// <param name="State">What they are doing.</param>
/// <param name="Profile">Their profile.</param>
/// <param name="Subject">A subject that one of their watches matches.</param>
/// <param name="Workspace">The directory that they work in, or one above it.</param>
/// <param name="Text">A text in their key or workspace, or in a watch's subject or intent.</param>
/// <param name="After">Those whose keys come after this one: where a batch before has ended.</param>
public sealed record SessionFilter(
    SessionState? State = null,
    string? Profile = null,
    string? Subject = null,
    string? Workspace = null,
    string? Text = null,
    string? After = null
);

/// <summary>What a batch has done, or would do.</summary>
/// <param name="DryRun">Whether nothing was done.</param>
/// <param name="Sessions">The keys of the sessions that it was done to, in order.</param>
/// <param name="Unknown">The keys that are no open session's.</param>
/// <param name="After">There are more: the filter's <c>after</c> of the next batch. Null: these were all.</param>
public sealed record SessionBatchResult(
    bool DryRun,
    IReadOnlyList<string> Sessions,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Unknown = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? After = null
);
