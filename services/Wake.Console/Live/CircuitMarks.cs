namespace Wake.WebConsole;

/// <summary>
/// What one browser is told of changes: of the first at once, and of those that follow together, so that a storm makes
/// it look every few seconds and no more. While its tab is hidden it is told nothing, and afterwards all at once.
/// </summary>
public sealed class CircuitMarks : IDisposable
{
    /// <summary>How long after it was told of changes a browser is told again, at the soonest.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    readonly LiveFeed feed;
    readonly TimeProvider time;
    readonly ITimer timer;
    readonly Lock mutex = new();
    IDisposable? subscription;
    LiveMarks missed = new();
    long? told;
    bool hidden;

    public CircuitMarks(LiveFeed feed, TimeProvider time)
    {
        (this.feed, this.time) = (feed, time);
        timer = time.CreateTimer(_ => TellMissed(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Raised with what has changed, on any thread.</summary>
    public event Action<LiveMarks>? Changed;

    /// <summary>Begins, for whoever has opened this browser's circuit.</summary>
    public void Start(ConsoleSession session) => subscription ??= feed.Subscribe(session, Tell);

    /// <summary>Says whether the tab can be seen.</summary>
    public void SetVisible(bool visible)
    {
        lock (mutex)
            hidden = !visible;
        if (visible)
            TellMissed();
    }

    public void Dispose()
    {
        subscription?.Dispose();
        timer.Dispose();
    }

    /// <summary>Takes up what has changed.</summary>
    internal void Tell(LiveMarks marks)
    {
        lock (mutex)
            missed.Add(marks);
        TellMissed();
    }

    void TellMissed()
    {
        LiveMarks marks;
        lock (mutex)
        {
            if (hidden || missed.IsEmpty)
                return;

            if (told is { } last && Interval - time.GetElapsedTime(last) is var wait && wait > TimeSpan.Zero)
            {
                timer.Change(wait, Timeout.InfiniteTimeSpan);
                return;
            }

            (marks, missed, told) = (missed, new(), time.GetTimestamp());
        }

        Changed?.Invoke(marks);
    }
}
