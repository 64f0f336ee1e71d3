using Wake.Store;

namespace Wake.Coordinator;

/// <summary>
/// What has to be done about a session, decided from the facts alone: values in, value out. Which message led to the
/// question makes no difference to the answer, so one that was lost, came twice or came late does no harm.
/// </summary>
/// <param name="WakeNumber">The wake it is about: the open turn's, else the next one, else the last one.</param>
abstract record WakeDecision(int WakeNumber)
{
    /// <summary>Decides. The first line that holds counts.</summary>
    public static WakeDecision For(SessionSnapshot facts) =>
        facts switch
        {
            { Closed: true, OpenTurn: not { LeaseRemaining: not null } } => new Close(facts.LastWake),
            { OpenTurn: { LeaseRemaining: { } lease } open } => new AwaitLease(open.WakeNumber, lease),
            { OpenTurn: { } open } when !MayRun(open, facts.ManuallyWoken) => open.Parked
                ? new Park(open.WakeNumber, open.DelayRemaining)
                : new BackOff(open.WakeNumber, open.DelayRemaining),
            { Paused: true, OpenTurn: { } open } => new AwaitPause(open.WakeNumber, facts.PauseRemaining),
            { OpenTurn: { } open } => new Repeat(open.WakeNumber),
            { Paused: true, HasPendingWake: true } => new AwaitPause(facts.LastWake + 1, facts.PauseRemaining),
            { HasPendingWake: true, QuietRemaining: { } quiet } => new Collect(facts.LastWake + 1, quiet),
            { HasPendingWake: true } => new Dispatch(facts.LastWake + 1),
            _ => new Rest(facts.LastWake),
        };

    // A person ends a wait by waking the session, but not that somebody else is at work in it.
    static bool MayRun(OpenTurn open, bool manuallyWoken) =>
        open is { DelayRemaining: null, WaitsForPerson: false } || (manuallyWoken && !open.Withheld);

    /// <summary>No turn is open and something is due that starts one: open the next.</summary>
    public sealed record Dispatch(int WakeNumber) : WakeDecision(WakeNumber);

    /// <summary>The same, but the quiet window is not over: more may come that shares the turn.</summary>
    public sealed record Collect(int WakeNumber, TimeSpan QuietRemaining) : WakeDecision(WakeNumber);

    /// <summary>Nobody holds the open turn and nothing keeps it from running: send its command again.</summary>
    public sealed record Repeat(int WakeNumber) : WakeDecision(WakeNumber);

    /// <summary>There is nothing to do but wait.</summary>
    /// <param name="WakeNumber">The wake that waits.</param>
    /// <param name="CheckIn">When to look again; null: when a person acts.</param>
    public abstract record Wait(int WakeNumber, TimeSpan? CheckIn) : WakeDecision(WakeNumber);

    /// <summary>A runner holds it.</summary>
    public sealed record AwaitLease(int WakeNumber, TimeSpan? CheckIn) : Wait(WakeNumber, CheckIn);

    /// <summary>It was given back, or is withheld, and is tried again by itself.</summary>
    public sealed record BackOff(int WakeNumber, TimeSpan? CheckIn) : Wait(WakeNumber, CheckIn);

    /// <summary>It waits for a person or a date.</summary>
    public sealed record Park(int WakeNumber, TimeSpan? CheckIn) : Wait(WakeNumber, CheckIn);

    /// <summary>The session is paused. No person's waking ends that.</summary>
    public sealed record AwaitPause(int WakeNumber, TimeSpan? CheckIn) : Wait(WakeNumber, CheckIn);

    /// <summary>No turn is open and nothing waits that starts one.</summary>
    public sealed record Rest(int WakeNumber) : WakeDecision(WakeNumber);

    /// <summary>The session takes no more turns, and none is running any more.</summary>
    public sealed record Close(int WakeNumber) : WakeDecision(WakeNumber);
}
