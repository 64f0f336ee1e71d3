using MassTransit;
using Wake.Contracts;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>
/// What the coordinator remembers of a session, which is little: state and wake number. Everything else is read from
/// the store, under the session's lock, with every look.
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
    internal List<PendingEventTrace> InboxEvents { get; } = [];

    /// <summary>The wake that a breaker has let pass; null when none was asked.</summary>
    internal int? Admitted { get; set; }

    /// <summary>What is written with its row.</summary>
    internal List<SagaWrite> Writes { get; } = [];

    /// <summary>What is sent after the commit; null when nothing is.</summary>
    internal OwedCommand? Command { get; set; }

    /// <summary>How long until it is due again, if what is written knows.</summary>
    internal TimeSpan? DueIn { get; set; }

    /// <summary>Whether a message speaks of the wake decided last rather than of an earlier one.</summary>
    internal bool IsCurrent(int wakeNumber) => wakeNumber == WakeNumber;
}

/// <summary>A command that the session's timer owes.</summary>
/// <param name="Message">The command.</param>
/// <param name="Address">Whom it is sent to; null: it is published.</param>
/// <param name="TimeToLive">How long it may wait in a queue. It is sent again after that.</param>
sealed record OwedCommand(ResumeSession Message, Uri? Address, TimeSpan TimeToLive)
{
    public async Task Send<TBus>(TBus bus, CancellationToken cancel)
        where TBus : IPublishEndpoint, ISendEndpointProvider
    {
        if (Address is null)
        {
            await bus.Publish(Message, x => x.TimeToLive = TimeToLive, cancel);
            return;
        }

        var endpoint = await bus.GetSendEndpoint(Address);
        await endpoint.Send(Message, x => x.TimeToLive = TimeToLive, cancel);
    }
}
