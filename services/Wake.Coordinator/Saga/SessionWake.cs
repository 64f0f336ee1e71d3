using MassTransit;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>
/// What the coordinator remembers of a session, which is little: state and wake number. Everything else is read from
/// the store, under the session's lock, with every message.
/// </summary>
public sealed class SessionWake : SagaStateMachineInstance
{
    /// <summary>Two of its states, by the numbers that the state machine keeps them by.</summary>
    internal const int Dispatched = 4,
        Parked = 5;

    public Guid CorrelationId { get; set; }

    /// <summary>Its state, as the number the state machine keeps it by.</summary>
    public int CurrentState { get; set; }

    /// <summary>The wake decided last; 0 before the first.</summary>
    public int WakeNumber { get; set; }

    /// <summary>What the store says at this moment. Never stored.</summary>
    internal SessionSnapshot Facts
    {
        get;
        set
        {
            field = value;
            Decision = WakeDecision.For(value);
        }
    } = null!;

    /// <summary>What follows from the facts. Never stored.</summary>
    internal WakeDecision Decision { get; private set; } = null!;

    /// <summary>The events in its inbox, the first ones; empty when nobody traces. Never stored.</summary>
    internal IReadOnlyList<PendingEventTrace> InboxEvents { get; set; } = [];

    /// <summary>The trace of the decision that was just taken.</summary>
    internal TraceContext DecisionTrace { get; set; }

    /// <summary>Whether a message speaks of the wake decided last rather than of an earlier one.</summary>
    internal bool IsCurrent(int wakeNumber) => wakeNumber == WakeNumber;
}
