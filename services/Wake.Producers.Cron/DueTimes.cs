using Quartz;

namespace Wake.Producers.Cron;

/// <summary>Which fire times are due, the missed ones by their policy. Asked again for the same span it says the
/// same.</summary>
static class DueTimes
{
    /// <summary>Later than this a time counts as missed: a restart or a deployment is over by then.</summary>
    public static readonly TimeSpan MissedAfter = TimeSpan.FromMinutes(1);

    /// <summary>A schedule of every second must not bury its session after a weekend. More than fire within
    /// <see cref="MissedAfter"/>.</summary>
    public const int MaxCaughtUp = 100;

    /// <summary>The times in (after, now] at which to fire, the oldest first.</summary>
    public static IReadOnlyList<DateTimeOffset> Find(
        CronExpression times,
        DateTimeOffset after,
        DateTimeOffset now,
        CatchUp catchUp
    )
    {
        var inTime = Last(times, after > now - MissedAfter ? after : now - MissedAfter, now, MaxCaughtUp);
        return catchUp switch
        {
            CatchUp.All => Last(times, after, now, MaxCaughtUp),
            CatchUp.One when inTime is [] => Last(times, after, now, 1),
            _ => inTime,
        };
    }

    /// <summary>The last time in (after, now] that is missed, whatever becomes of it; null when none is.</summary>
    public static DateTimeOffset? FindMissed(CronExpression times, DateTimeOffset after, DateTimeOffset now) =>
        after < now - MissedAfter && Last(times, after, now - MissedAfter, 1) is [var missed] ? missed : null;

    // Looks back in spans that double, because an expression can only be asked forwards, and a second's over a year is
    // many.
    static List<DateTimeOffset> Last(CronExpression times, DateTimeOffset after, DateTimeOffset now, int count)
    {
        for (var back = MissedAfter; ; back *= 2)
        {
            var whole = now - after <= back;
            var found = Between(times, whole ? after : now - back, now).TakeLast(count).ToList();
            if (whole || found.Count == count)
                return found;
        }
    }

    static IEnumerable<DateTimeOffset> Between(CronExpression times, DateTimeOffset after, DateTimeOffset now)
    {
        for (var time = times.GetNextValidTimeAfter(after); time <= now; time = times.GetNextValidTimeAfter(time.Value))
            yield return time.Value;
    }
}
