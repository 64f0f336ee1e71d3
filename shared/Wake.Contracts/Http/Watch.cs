using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>A watch to make.</summary>
/// <param name="Session">The key of the session to wake.</param>
/// <param name="Subject">The subject to match; <c>*</c> stands for anything.</param>
/// <param name="Types">The event types to match, with <c>*</c> for anything. Default: all.</param>
/// <param name="Where">
/// Conditions all of which must hold, each like <c>data.conclusion = failure</c> or <c>actor != octocat</c>. Default:
/// none.
/// </param>
/// <param name="Until">
/// The event types whose first event ends it, also one that wakes nobody. That event is told as well, if the rest
/// matches. Default: none.
/// </param>
/// <param name="Once">Whether the first event that it wakes the session with ends it; an ambient event does not.
/// Default: false.</param>
/// <param name="Intent">A note to the session, shown when it wakes. Default: none.</param>
/// <param name="Expires">When it ends by itself. Default: with the session.</param>
public sealed record NewWatch(
    string? Session,
    string? Subject,
    IReadOnlyList<string>? Types,
    IReadOnlyList<string>? Where,
    IReadOnlyList<string>? Until,
    bool Once,
    string? Intent,
    DateTimeOffset? Expires
)
{
    /// <summary>What is done about failures of CI before and while the session tries to mend them; <c>{}</c> for the
    /// defaults. Default: each failure is told as it comes.</summary>
    public CiPolicy? Ci { get; init; }

    /// <summary>Where the results of turns are reported that its events wake. Default: what the route that has brought
    /// the event says, or the profile; nowhere unless one is set.</summary>
    public ReportPolicy? Report { get; init; }

    /// <summary>
    /// By when an event is to have woken the session: if none has by then, the session is told so, once. At most 28
    /// days ahead, and before the watch expires. Default: nothing is expected.
    /// </summary>
    public DateTimeOffset? ExpectBy { get; init; }

    /// <summary>
    /// What becomes of the session when the pull request or issue is merged or closed, or the branch deleted, whatever
    /// types the watch matches. <c>close</c> needs a subject without <c>*</c>. Default: <c>keep</c>.
    /// </summary>
    public EndPolicy? OnEnd { get; init; }

    /// <summary>With <c>close</c>: how many seconds after the end it closes, unless something else has woken it by
    /// then. Default: 0.</summary>
    public int? CloseAfterSeconds { get; init; }
}

/// <summary>What became of the deadline of a watch.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<WatchExpectation>))]
public enum WatchExpectation
{
    /// <summary>The deadline has not passed, or nobody has looked since.</summary>
    Waiting,

    /// <summary>An event has woken the session in time.</summary>
    Came,

    /// <summary>None had, and the session is told so.</summary>
    Silent,
}

/// <summary>"Wake this session when events match."</summary>
/// <param name="Id">Names the watch.</param>
/// <param name="Session">The key of the session it wakes.</param>
/// <param name="Subject">The subject it matches; <c>*</c> stands for anything.</param>
/// <param name="Types">The event types it matches, with <c>*</c> for anything; null matches all.</param>
/// <param name="Where">Conditions all of which must hold; null for none.</param>
/// <param name="Until">The event types whose first event ends it, told or not, and also one that wakes nobody; null for
/// none.</param>
/// <param name="Once">Whether the first event that it wakes the session with ends it.</param>
/// <param name="Intent">A note to the session, shown when it wakes; null for none.</param>
/// <param name="Expires">When it ends by itself; null: with the session.</param>
/// <param name="Created">When it was made.</param>
public sealed record Watch(
    Guid Id,
    string Session,
    string Subject,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Types,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Where,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Until,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool Once,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Intent,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? Expires,
    DateTimeOffset Created
)
{
    /// <summary>What is done about failures of CI; null: each is told as it comes.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public CiPolicy? Ci { get; init; }

    /// <summary>Where the results of turns are reported that its events wake; null: what the route or the profile
    /// says.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ReportPolicy? Report { get; init; }

    /// <summary>By when an event is to have woken the session; null: nothing is expected.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? ExpectBy { get; init; }

    /// <summary>What became of that; null where nothing is expected.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public WatchExpectation? Expectation { get; init; }

    /// <summary><c>close</c> where its session closes when the subject is over; null: the session goes on.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public EndPolicy? OnEnd { get; init; }

    /// <summary>How many seconds after that; null: at once.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? CloseAfterSeconds { get; init; }
}

/// <summary>A watch that was just made: the fields of <see cref="Watch"/>, and what it found.</summary>
/// <param name="Found">How many events of the last five minutes it matched.</param>
/// <param name="Ended">Whether one of them has ended it already.</param>
public sealed record CreatedWatch(int Found, bool Ended)
{
    /// <summary>Names the watch.</summary>
    public Guid Id { get; init; }

    /// <summary>The key of the session it wakes.</summary>
    public string Session { get; init; } = "";

    /// <summary>The subject it matches; <c>*</c> stands for anything.</summary>
    public string Subject { get; init; } = "";

    /// <summary>The event types it matches, with <c>*</c> for anything; null matches all.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Types { get; init; }

    /// <summary>Conditions all of which must hold; null for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Where { get; init; }

    /// <summary>The event types whose first event ends it; null for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Until { get; init; }

    /// <summary>Whether the first event that it wakes the session with ends it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Once { get; init; }

    /// <summary>A note to the session, shown when it wakes; null for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Intent { get; init; }

    /// <summary>When it ends by itself; null: with the session.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? Expires { get; init; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset Created { get; init; }

    /// <summary>What is done about failures of CI; null: each is told as it comes.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public CiPolicy? Ci { get; init; }

    /// <summary>Where the results of turns are reported that its events wake; null: what the route or the profile
    /// says.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ReportPolicy? Report { get; init; }

    /// <summary>By when an event is to have woken the session; null: nothing is expected.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? ExpectBy { get; init; }

    /// <summary>What became of that; null where nothing is expected.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public WatchExpectation? Expectation { get; init; }

    /// <summary><c>close</c> where its session closes when the subject is over; null: the session goes on.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public EndPolicy? OnEnd { get; init; }

    /// <summary>How many seconds after that; null: at once.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? CloseAfterSeconds { get; init; }
}
