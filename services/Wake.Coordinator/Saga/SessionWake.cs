using MassTransit;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>
/// What the coordinator remembers of a session, and the questions it can answer. The memory is short: state and wake
/// number. Everything else is read from the store, under the session's lock, each time something is heard.
/// </summary>
public sealed class SessionWake : SagaStateMachineInstance
{
    /// <summary>The session.</summary>
    public Guid CorrelationId { get; set; }

    /// <summary>Its state, as the number the state machine keeps it by.</summary>
    public int CurrentState { get; set; }

    /// <summary>The wake decided last; 0 before the first.</summary>
    public int WakeNumber { get; set; }

    /// <summary>What the store says at this moment. Never stored.</summary>
    internal SessionSnapshot Facts { get; set; } = null!;

    /// <summary>The events in its inbox, the first ones; empty when nobody traces. Never stored.</summary>
    internal IReadOnlyList<PendingEventTrace> InboxEvents { get; set; } = [];

    /// <summary>The trace of the decision that was just taken.</summary>
    internal TraceContext DecisionTrace { get; set; }

    /// <summary>No more turns, and none is running any more.</summary>
    internal bool IsClosed => Facts is { Closed: true, OpenTurn: null or { LeaseRemaining: null } };

    /// <summary>Nothing is under way and something waits that starts a turn.</summary>
    internal bool HasWork => !IsClosed && TurnIsOver && Facts.HasPendingWake;

    /// <summary>Nothing is under way and nothing waits.</summary>
    internal bool HasNoWork => !IsClosed && TurnIsOver && !Facts.HasPendingWake;

    /// <summary>The wake decided last has ended.</summary>
    internal bool TurnIsOver => Facts.OpenTurn is null;

    /// <summary>A runner holds the turn and keeps its lease.</summary>
    internal bool TurnIsHeld => Facts.OpenTurn is { LeaseRemaining: not null };

    /// <summary>The turn was given back and has to wait, unless a person has woken the session meanwhile.</summary>
    internal bool TurnMustWait => !IsClosed && !CanRunNow && IsDelayed;

    /// <summary>Nobody holds the turn and nothing keeps it from running.</summary>
    internal bool TurnIsFree => !IsClosed && Facts.OpenTurn is { LeaseRemaining: null } && (CanRunNow || !IsDelayed);

    /// <summary>Whether a message speaks of the wake decided last rather than of an earlier one.</summary>
    internal bool IsCurrent(int wakeNumber) => wakeNumber == WakeNumber;

    // A person ends a pause by waking the session, but not that somebody else is at work in it.
    bool CanRunNow => Facts is { ManuallyWoken: true, OpenTurn: not { Withheld: true } };

    bool IsDelayed =>
        Facts.OpenTurn is { LeaseRemaining: null } and ({ DelayRemaining: not null } or { WaitsForPerson: true });
}
