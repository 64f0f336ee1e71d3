namespace Wake.Store;

/// <summary>"Wake this session when events match."</summary>
/// <param name="Id">Names the watch.</param>
/// <param name="Session">The key of the session it wakes.</param>
/// <param name="Subject">The subject it matches; <c>*</c> stands for anything.</param>
/// <param name="Types">The event types it matches, with <c>*</c> for anything; null matches all.</param>
/// <param name="Where">Conditions (see <see cref="EventCondition"/>) all of which must hold; null: none.</param>
/// <param name="Until">The event types whose first event ends it, told or not, and also one that wakes nobody; null:
/// none.</param>
/// <param name="Once">Whether the first event that it wakes the session with ends it.</param>
/// <param name="Intent">A note of the session to itself, shown when it wakes.</param>
/// <param name="Expires">When it ends; null: with the session.</param>
/// <param name="Created">When it was made.</param>
public sealed record Watch(
    Guid Id,
    string Session,
    string Subject,
    IReadOnlyList<string>? Types,
    IReadOnlyList<string>? Where,
    IReadOnlyList<string>? Until,
    bool Once,
    string? Intent,
    DateTimeOffset? Expires,
    DateTimeOffset Created
)
{
    /// <summary>What is done about failures of CI; null: each is told as it comes.</summary>
    public CiPolicy? Ci { get; init; }

    /// <summary>Where the results of turns are reported that its events wake; null: what the route or the profile
    /// says.</summary>
    public ReportPolicy? Report { get; init; }

    /// <summary>By when an event is to have woken the session; null: nothing is expected.</summary>
    public DateTimeOffset? ExpectBy { get; init; }

    /// <summary>What became of that; null where nothing is expected.</summary>
    public WatchExpectation? Expectation { get; init; }

    /// <summary>How long after the end of its subject the session closes; null: it goes on.</summary>
    public TimeSpan? CloseAfter { get; init; }
}

/// <summary>What became of the deadline of a watch.</summary>
public enum WatchExpectation
{
    /// <summary>The deadline has not passed, or nobody has looked since.</summary>
    Waiting,

    /// <summary>An event has woken the session in time.</summary>
    Came,

    /// <summary>None had, and the session is told so.</summary>
    Silent,
}

/// <summary>What a watch to be made shall tell of.</summary>
/// <param name="Subject">The subject to match; <c>*</c> stands for anything.</param>
public sealed record WatchDefinition(string Subject)
{
    /// <summary>The event types to match; null matches all.</summary>
    public IReadOnlyList<string>? Types { get; init; }

    /// <summary>Conditions all of which must hold.</summary>
    public IReadOnlyList<string>? Where { get; init; }

    /// <summary>The event types whose first event ends it.</summary>
    public IReadOnlyList<string>? Until { get; init; }

    /// <summary>The first event that it wakes the session with ends it.</summary>
    public bool Once { get; init; }

    /// <summary>A note of the session to itself.</summary>
    public string? Intent { get; init; }

    /// <summary>When it ends by itself; null: with the session.</summary>
    public DateTimeOffset? Expires { get; init; }

    /// <summary>What is done about failures of CI; null: each is told as it comes.</summary>
    public CiPolicy? Ci { get; init; }

    /// <summary>Where the results of turns are reported that its events wake; null: what the route or the profile
    /// says.</summary>
    public ReportPolicy? Report { get; init; }

    /// <summary>By when an event is to have woken the session, or it is told that none has; null: no matter.</summary>
    public DateTimeOffset? ExpectBy { get; init; }

    /// <summary>How long after the end of its subject the session closes; null: it goes on.</summary>
    public TimeSpan? CloseAfter { get; init; }
}
