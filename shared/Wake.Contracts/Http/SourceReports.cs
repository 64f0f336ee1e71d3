namespace Wake.Contracts.Http;

/// <summary>How the producers are, as they say it.</summary>
/// <param name="Webhooks">The hooks that deliveries came to, by name.</param>
/// <param name="Schedules">The schedules, by name.</param>
/// <param name="Accounts">The accounts with which GitHub is asked, by name.</param>
public sealed record SourceReports(
    IReadOnlyList<WebhookReport> Webhooks,
    IReadOnlyList<ScheduleReport> Schedules,
    IReadOnlyList<AccountReport> Accounts
);

/// <summary>A hook.</summary>
/// <param name="Hook">Its name.</param>
/// <param name="LastAt">When the last delivery came.</param>
/// <param name="LastOutcome">What became of it: accepted, ignored or refused.</param>
/// <param name="GenuineAt">When the last came that was not refused; null for none.</param>
/// <param name="Rejections">The latest that were refused, the latest first; 20 at most.</param>
public sealed record WebhookReport(
    string Hook,
    DateTimeOffset LastAt,
    string LastOutcome,
    DateTimeOffset? GenuineAt,
    IReadOnlyList<RejectedDelivery> Rejections
);

/// <summary>A delivery that was refused.</summary>
/// <param name="At">When it came.</param>
/// <param name="Status">The HTTP status that it was answered with.</param>
/// <param name="Reason">Why.</param>
/// <param name="Address">Where it came from; null when that is not known.</param>
public sealed record RejectedDelivery(DateTimeOffset At, int Status, string Reason, string? Address);

/// <summary>A schedule.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Next">When it is due next; null for never.</param>
/// <param name="Fired">Its last time that was published; null for none yet.</param>
/// <param name="Missed">Its last time that was missed by more than a minute, whatever became of it; null for
/// none.</param>
public sealed record ScheduleReport(string Name, DateTimeOffset? Next, DateTimeOffset? Fired, DateTimeOffset? Missed);

/// <summary>An account with which GitHub is asked.</summary>
/// <param name="Account">Its name in the settings.</param>
/// <param name="Host">Where.</param>
/// <param name="Limit">The requests of an hour; null when that is not known.</param>
/// <param name="Remaining">Those not yet made.</param>
/// <param name="ResetAt">When a new hour begins.</param>
/// <param name="PausedUntil">Until when the host has asked for no requests; null when it has not.</param>
/// <param name="Gap">How many webhook deliveries had failed and were asked for again, the last time there were
/// any.</param>
/// <param name="GapAt">When that was; null for never.</param>
/// <param name="At">When this was said.</param>
public sealed record AccountReport(
    string Account,
    string Host,
    long? Limit,
    long? Remaining,
    DateTimeOffset? ResetAt,
    DateTimeOffset? PausedUntil,
    int? Gap,
    DateTimeOffset? GapAt,
    DateTimeOffset? At
);
