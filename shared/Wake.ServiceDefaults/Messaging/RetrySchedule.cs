namespace Wake.ServiceDefaults;

/// <summary>When a message that has failed is sent again: the schedule of Standard Webhooks, over three
/// days.</summary>
public static class RetrySchedule
{
    static readonly TimeSpan[] Delays =
    [
        TimeSpan.FromSeconds(5),
        TimeSpan.FromMinutes(5),
        TimeSpan.FromMinutes(30),
        TimeSpan.FromHours(2),
        TimeSpan.FromHours(5),
        TimeSpan.FromHours(10),
        TimeSpan.FromHours(14),
        TimeSpan.FromHours(20),
        TimeSpan.FromHours(24),
    ];

    // What failed together is not sent again at one moment.
    const double Jitter = 0.1;

    /// <summary>How long to wait after an attempt, the first of which is 1; null after the last.</summary>
    public static TimeSpan? DelayAfter(int attempt) =>
        attempt <= Delays.Length ? Delays[attempt - 1] * (1 + (Jitter * Random.Shared.NextDouble())) : null;
}
