namespace Wake.Contracts.Http;

/// <summary>A wake to schedule.</summary>
/// <param name="Reason">What the session is told then.</param>
/// <param name="At">When. A moment that is over means now.</param>
public sealed record NewScheduledWake(string? Reason, DateTimeOffset? At);

/// <summary>A wake at a date.</summary>
/// <param name="Id">Names it, and the event it becomes.</param>
/// <param name="Session">The key of the session it wakes.</param>
/// <param name="Reason">What the session is told.</param>
/// <param name="At">When.</param>
public sealed record ScheduledWake(Guid Id, string Session, string Reason, DateTimeOffset At);
