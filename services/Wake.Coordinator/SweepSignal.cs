namespace Wake.Coordinator;

/// <summary>
/// Wakes this process's sweeper before its next poll. Losing a call costs at most one poll interval, so nothing here is
/// durable and nothing waits for it.
/// </summary>
sealed class SweepSignal : IDisposable
{
    readonly SemaphoreSlim called = new(0, 1);

    /// <summary>Look at the timers now.</summary>
    public void Look()
    {
        try
        {
            called.Release();
        }
        catch (SemaphoreFullException)
        {
            // It is called already.
        }
    }

    /// <summary>Returns when called, or after this long.</summary>
    public Task Wait(TimeSpan atMost, CancellationToken cancel) => called.WaitAsync(atMost, cancel);

    public void Dispose() => called.Dispose();
}
