namespace Wake.Contracts;

/// <summary>The event by which a person wakes a session: at once, also from a park, whatever it watches.</summary>
public static class WakeRequested
{
    /// <summary>One such event; every call is a wish of its own.</summary>
    public static ExternalEventObserved Of(string session, string reason) => new()
    {
        Id = Guid.CreateVersion7().ToString(),
        Source = "wake:request",
        Type = "wake.requested",
        Subject = $"session:{session}"[..Math.Min(EventLimits.Key, session.Length + 8)],
        Reason = reason,
        Urgent = true,
        Sessions = [session],
    };
}
