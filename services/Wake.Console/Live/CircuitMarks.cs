namespace Wake.WebConsole;

/// <summary>What one browser is told of changes. While its tab is hidden it is told nothing, and afterwards all at
/// once.</summary>
public sealed class CircuitMarks(LiveFeed feed) : IDisposable
{
    readonly Lock mutex = new();
    IDisposable? subscription;
    LiveMarks missed = new();
    bool hidden;

    /// <summary>Raised with what has changed, on any thread.</summary>
    public event Action<LiveMarks>? Changed;

    /// <summary>Begins, for whoever has opened this browser's circuit.</summary>
    public void Start(ConsoleSession session) => subscription ??= feed.Subscribe(session, Tell);

    /// <summary>Says whether the tab can be seen.</summary>
    public void SetVisible(bool visible)
    {
        LiveMarks? late = null;
        lock (mutex)
        {
            hidden = !visible;
            if (visible && !missed.IsEmpty)
                (late, missed) = (missed, new());
        }

        if (late is not null)
            Changed?.Invoke(late);
    }

    public void Dispose() => subscription?.Dispose();

    void Tell(LiveMarks marks)
    {
        lock (mutex)
        {
            if (hidden)
            {
                missed.Add(marks);
                return;
            }
        }

        Changed?.Invoke(marks);
    }
}
