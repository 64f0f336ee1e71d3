namespace Wake.Coordinator;

/// <summary>
/// What this process's sweeper hears: that a timer is due before its next poll, and that events pour in. Losing a call
/// costs at most one poll interval, so nothing here is durable and nothing waits for it.
/// </summary>
sealed class SweepSignal(TimeProvider time) : IDisposable
{
    readonly SemaphoreSlim changed = new(0);
    readonly Lock gate = new();
    long due = long.MaxValue,
        burstUntil;
    int bursts;

    /// <summary>Whether events pour in, or did a moment ago.</summary>
    public bool IsBurst => Volatile.Read(ref bursts) > 0 || time.GetTimestamp() < Interlocked.Read(ref burstUntil);

    /// <summary>More events have arrived than can be taken in one by one.</summary>
    public void BeginBurst() => Interlocked.Increment(ref bursts);

    /// <summary>They are taken in. More may follow in a moment.</summary>
    public void EndBurst()
    {
        Interlocked.Exchange(ref burstUntil, After(TimeSpan.FromMilliseconds(100)));
        Interlocked.Decrement(ref bursts);
    }

    /// <summary>Look at the timers in this long.</summary>
    public void SweepIn(TimeSpan delay)
    {
        lock (gate)
        {
            if (After(delay) is var sooner && sooner < due)
            {
                due = sooner;
                changed.Release();
            }
        }
    }

    /// <summary>Look at the timers now.</summary>
    public void SweepNow() => SweepIn(TimeSpan.Zero);

    /// <summary>Returns when it is time to look, or after this long.</summary>
    public async Task Wait(TimeSpan atMost, CancellationToken cancel)
    {
        var end = After(atMost);

        while (Remaining() is var remaining && remaining > TimeSpan.Zero)
            await changed.WaitAsync(remaining, cancel);

        // Timers that are armed from here on may be too late for the look that follows.
        lock (gate)
            due = long.MaxValue;

        TimeSpan Remaining()
        {
            lock (gate)
                return time.GetElapsedTime(time.GetTimestamp(), Math.Min(due, end));
        }
    }

    public void Dispose() => changed.Dispose();

    // By the clock that is never set.
    long After(TimeSpan delay) => time.GetTimestamp() + (long)(delay.TotalSeconds * time.TimestampFrequency);
}
