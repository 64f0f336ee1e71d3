namespace Wake.Store;

/// <summary>Which events are listed. What is null does not limit them.</summary>
public sealed record EventQuery
{
    /// <summary>What they are about; <c>*</c> stands for anything.</summary>
    public string? Subject { get; init; }

    /// <summary>Their type; <c>*</c> stands for anything.</summary>
    public string? Type { get; init; }

    /// <summary>Who observed them; <c>*</c> stands for anything.</summary>
    public string? Source { get; init; }

    /// <summary>A text in their reason, subject or id, in any case.</summary>
    public string? Text { get; init; }

    /// <summary>What became of them.</summary>
    public EventOutcome? Outcome { get; init; }

    /// <summary>The key of a session that they were routed to.</summary>
    public string? Session { get; init; }

    /// <summary>Those accepted at this moment or later.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Those accepted before this moment.</summary>
    public DateTimeOffset? Until { get; init; }
}

/// <summary>What became of an event, for one session at least.</summary>
public enum EventOutcome
{
    /// <summary>It was routed to a session.</summary>
    Routed,

    /// <summary>It was routed to none.</summary>
    Unwatched,

    /// <summary>It is the first of the events that caused a turn.</summary>
    Woke,

    /// <summary>A turn that another one caused took it with it.</summary>
    Coalesced,

    /// <summary>It was observed more than once.</summary>
    Duplicate,

    /// <summary>It expired before a turn took it, or did no longer hold by then.</summary>
    Stale,
}

/// <summary>An event as a list shows it.</summary>
/// <param name="Id">The event's id, as its producer named it.</param>
/// <param name="Source">Who observed it.</param>
/// <param name="Type">Its type.</param>
/// <param name="Subject">What it is about.</param>
/// <param name="Reason">Its sentence.</param>
/// <param name="Wakes">Whether it starts turns.</param>
/// <param name="Urgent">Whether it starts them at once.</param>
/// <param name="Actor">Who caused it.</param>
/// <param name="Time">When it happened.</param>
/// <param name="AcceptedAt">When it was accepted.</param>
/// <param name="ReplayOf">The id of the event that it repeats.</param>
/// <param name="Sessions">How many sessions it was routed to.</param>
public sealed record EventSummary(
    string Id,
    string Source,
    string Type,
    string Subject,
    string Reason,
    bool Wakes,
    bool Urgent,
    string? Actor,
    DateTimeOffset? Time,
    DateTimeOffset AcceptedAt,
    string? ReplayOf,
    int Sessions
);
