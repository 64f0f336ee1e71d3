using Wake.Contracts.Http;

namespace Wake.WebConsole;

/// <summary>What has changed since the last marks. It says where to look and never what is there.</summary>
public sealed record LiveMarks
{
    // More than a page shows. Beyond that everything counts as changed.
    const int MaxNames = 500;

    readonly HashSet<string> sessions = [],
        events = [];

    /// <summary>That anything may have changed: at the beginning, and after a gap.</summary>
    public static LiveMarks Everything { get; } = new() { All = true };

    /// <summary>Whether anything may have changed.</summary>
    public bool All { get; private set; }

    /// <summary>Whether events came or went on.</summary>
    public bool Events => All || events.Count > 0;

    /// <summary>Whether something that waits for a person came or went.</summary>
    public bool People { get; private set; }

    /// <summary>Whether nothing has changed.</summary>
    public bool IsEmpty => !All && events.Count == 0 && !People && sessions.Count == 0;

    /// <summary>Whether something of any session has changed.</summary>
    public bool AnySession => All || sessions.Count > 0;

    /// <summary>Whether something of this session has changed.</summary>
    public bool Session(string key) => All || sessions.Contains(key);

    /// <summary>Whether something of this event has changed.</summary>
    public bool Event(string id) => All || events.Contains(id);

    /// <summary>Takes up a line of the ledger.</summary>
    public void Add(LedgerLine line)
    {
        if (line.Session is { } key)
            sessions.Add(key);
        if (line.Event is { } id)
            events.Add(id);
        People |=
            line.What
                is "asked"
                    or "answered"
                    or "unanswered"
                    or "parked"
                    or "released"
                    or "dispatched"
                    or "claimed"
                    or "paused"
                    or "escalated"
                    or "closed"
                    or "notified"
                    or "deadLettered"
                    or "redriven"
                    or "dropped";
        ForgetTooMany();
    }

    /// <summary>Takes up other marks.</summary>
    public void Add(LiveMarks marks)
    {
        sessions.UnionWith(marks.sessions);
        events.UnionWith(marks.events);
        (All, People) = (All || marks.All, People || marks.People);
        ForgetTooMany();
    }

    // A tab may be hidden for days.
    void ForgetTooMany()
    {
        All |= sessions.Count > MaxNames || events.Count > MaxNames;
        if (!All)
            return;

        sessions.Clear();
        events.Clear();
    }
}
