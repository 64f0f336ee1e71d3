namespace Wake.Contracts;

/// <summary>
/// How large an event may be. Lengths count UTF-16 units. The keys are bounded so that they fit an index entry of
/// PostgreSQL (2,704 bytes) even at four bytes a character; the rest so that a burst fits in memory.
/// </summary>
public static class EventLimits
{
    /// <summary>The whole event as JSON, in bytes.</summary>
    public const int MaxBytes = 256 * 1024;

    /// <summary><see cref="ExternalEventObserved.Id"/>, <see cref="ExternalEventObserved.Source"/> and
    /// <see cref="ExternalEventObserved.Type"/>.</summary>
    public const int MaxNameLength = 256;

    /// <summary>A subject, a dedup key, a session key, an actor.</summary>
    public const int MaxKeyLength = 512;

    /// <summary><see cref="ExternalEventObserved.Reason"/>.</summary>
    public const int MaxReasonLength = 4096;

    /// <summary>Entries of <see cref="ExternalEventObserved.Related"/> and
    /// <see cref="ExternalEventObserved.Sessions"/>.</summary>
    public const int MaxListEntries = 100;

    /// <summary>Events in one HTTP request.</summary>
    public const int MaxBatchSize = 1000;
}
