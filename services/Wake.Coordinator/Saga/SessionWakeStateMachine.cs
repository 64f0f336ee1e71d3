using System.Diagnostics;
using MassTransit;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>
/// Carries out what <see cref="WakeDecision"/> says: sends <see cref="ResumeSession"/>, sends it again, or sets the
/// session's timer. The constructor is a table of state, event, decision and answer; the verbs it uses are below it.
/// </summary>
/// <remarks>
/// <see cref="WakeDue"/> only says "look": the decision is taken from the store, under the session's lock. A message
/// that was lost, came twice or came late therefore changes nothing but the moment of looking.
/// </remarks>
sealed class SessionWakeStateMachine : MassTransitStateMachine<SessionWake>
{
    /// <summary>Writes the table.</summary>
    public SessionWakeStateMachine(IOptions<CoordinatorOptions> options, ResumeSessionRouting addresses)
    {
        var repeatAfter = options.Value.RepeatAfter;

        // The numbers 3, 4, … in this order are in the database: only ever append.
        InstanceState(x => x.CurrentState, Idle, Dispatched, Parked, Closed);

        Event(
            () => Due,
            e =>
            {
                e.CorrelateById(x => x.Message.SessionId);
                e.InsertOnInitial = true;
                e.SetSagaFactory(x => new() { CorrelationId = x.Message.SessionId });
            }
        );
        Event(
            () => Ended,
            e =>
            {
                e.CorrelateById(x => x.Message.SessionId);
                e.OnMissingInstance(missing => missing.Discard());
            }
        );

        // Whatever the state: should the saga's row and the turns ever disagree, the turns are right. A session
        // that was closed may have come back.
        During(
            [Initial, Idle, Dispatched, Parked, Closed],
            OnDue<WakeDecision.Dispatch>().Wake(repeatAfter, addresses).TransitionTo(Dispatched),
            OnDue<WakeDecision.Repeat>().RepeatWake(repeatAfter, addresses).TransitionTo(Dispatched),
            OnDue<WakeDecision.AwaitLease>().CheckAgain().TransitionTo(Dispatched),
            OnDue<WakeDecision.BackOff>().CheckAgain().TransitionTo(Dispatched),
            OnDue<WakeDecision.Park>().CheckAgain().TransitionTo(Parked),
            OnDue<WakeDecision.AwaitPause>().AwaitPause().TransitionTo(Parked),
            OnDue<WakeDecision.Rest>().ClearTimer().TransitionTo(Idle),
            OnDue<WakeDecision.Close>().ClearTimer().TransitionTo(Closed)
        );

        // It was due when the sweeper looked; what has come since shares the turn.
        During(
            [Initial, Idle, Closed],
            OnDue<WakeDecision.Collect>().Wake(repeatAfter, addresses).TransitionTo(Dispatched)
        );
        During([Dispatched, Parked], OnDue<WakeDecision.Collect>().ClearCheck().TransitionTo(Idle));

        // A follow-up is decided here and now. That the turn was over is known to the timer as well, so that a message
        // that is lost costs only time.
        During(
            Dispatched,
            OnEnded<WakeDecision.Dispatch>().Wake(repeatAfter, addresses),
            OnEnded<WakeDecision.Collect>().ClearCheck().TransitionTo(Idle),
            OnEnded<WakeDecision.AwaitPause>().AwaitPause().TransitionTo(Parked),
            OnEnded<WakeDecision.Rest>().ClearTimer().TransitionTo(Idle)
        );

        During(
            [Initial, Idle, Dispatched, Parked],
            When(Ended, x => x.Saga.Decision is WakeDecision.Close).ClearTimer().TransitionTo(Closed)
        );

        // Late words about wakes that are over, and about those that are parked already.
        During([Initial, Idle, Parked, Closed], Ignore(Ended));

        EventActivityBinder<SessionWake, WakeDue> OnDue<T>()
            where T : WakeDecision => When(Due, x => x.Saga.Decision is T);

        EventActivityBinder<SessionWake, TurnEnded> OnEnded<T>()
            where T : WakeDecision => When(Ended, x => x.Saga.IsCurrent(x.Message.WakeNumber) && x.Saga.Decision is T);
    }

    /// <summary>Nothing is under way.</summary>
    public State Idle { get; } = null!;

    /// <summary>A turn is open: its command is owed or sent, or a runner has claimed it.</summary>
    public State Dispatched { get; } = null!;

    /// <summary>The wake waits for a person or a date, or for the end of a pause.</summary>
    public State Parked { get; } = null!;

    /// <summary>The session takes no more turns, unless it is opened again.</summary>
    public State Closed { get; } = null!;

    /// <summary>It is time to look at the session.</summary>
    public Event<WakeDue> Due { get; } = null!;

    /// <summary>The turn is over.</summary>
    public Event<TurnEnded> Ended { get; } = null!;
}

/// <summary>
/// What the table's answers do. Each that owes a message arms the session's timer in the same transaction, and only the
/// claim or the end of a turn clears it: a process that dies between commit and send owes it still.
/// </summary>
static class SessionWakeVerbs
{
    public static EventActivityBinder<SessionWake, T> Wake<T>(
        this EventActivityBinder<SessionWake, T> when,
        TimeSpan repeatAfter,
        ResumeSessionRouting addresses
    )
        where T : class =>
        when.Then(x => x.Saga.WakeNumber = x.Saga.Decision.WakeNumber)
            .TraceDecision("dispatched")
            .AddWrite(x =>
                SagaStatements.OpenTurn(
                    x.CorrelationId,
                    x.WakeNumber,
                    RepeatIn(x, repeatAfter),
                    x.DecisionTrace.TraceParent,
                    x.DecisionTrace.TraceState
                )
            )
            .SendWake(repeatAfter, x => addresses.AddressFor(x, mayBeNear: true));

    // Not to the runner that has it at hand: that one may be the reason why it is repeated.
    public static EventActivityBinder<SessionWake, WakeDue> RepeatWake(
        this EventActivityBinder<SessionWake, WakeDue> when,
        TimeSpan repeatAfter,
        ResumeSessionRouting addresses
    ) =>
        when.Then(x => x.Saga.WakeNumber = x.Saga.Decision.WakeNumber)
            .TraceDecision("repeated")
            .AddWrite(x => SagaStatements.RepeatTurn(x.CorrelationId, x.WakeNumber, RepeatIn(x, repeatAfter)))
            .SendWake(repeatAfter, x => addresses.AddressFor(x, mayBeNear: false));

    public static EventActivityBinder<SessionWake, WakeDue> CheckAgain(
        this EventActivityBinder<SessionWake, WakeDue> when
    ) => when.AddWrite(x => SagaStatements.ScheduleCheck(x.CorrelationId, CheckIn(x))).DueIn(CheckIn);

    public static EventActivityBinder<SessionWake, T> AwaitPause<T>(this EventActivityBinder<SessionWake, T> when)
        where T : class => when.AddWrite(x => SagaStatements.AwaitPause(x.CorrelationId, CheckIn(x))).DueIn(CheckIn);

    public static EventActivityBinder<SessionWake, T> ClearCheck<T>(this EventActivityBinder<SessionWake, T> when)
        where T : class =>
        when.AddWrite(x => SagaStatements.ClearCheck(x.CorrelationId)).DueIn(x => x.Facts.QuietRemaining);

    public static EventActivityBinder<SessionWake, T> ClearTimer<T>(this EventActivityBinder<SessionWake, T> when)
        where T : class => when.AddWrite(x => SagaStatements.ClearTimer(x.CorrelationId));

    // A command nobody takes in time is sent again, so that it may as well vanish: busy runners shall not find a heap
    // of them. A session that a person has open in a terminal which waits for it is claimed there.
    static EventActivityBinder<SessionWake, T> SendWake<T>(
        this EventActivityBinder<SessionWake, T> when,
        TimeSpan repeatAfter,
        Func<SessionSnapshot, Uri?> address
    )
        where T : class =>
        when.DueIn(x => RepeatIn(x, repeatAfter))
            .IfElse(
                x => x.Saga.Facts.AttendedRemaining is not null,
                terminal => terminal.AddWrite(x => SagaStatements.NotifyTerminal(x.CorrelationId)),
                runners =>
                    runners.IfElse(
                        x => address(x.Saga.Facts) is null,
                        anyone => anyone.Publish(Command<T>, x => x.TimeToLive = repeatAfter),
                        some => some.Send(x => address(x.Saga.Facts)!, Command<T>, x => x.TimeToLive = repeatAfter)
                    )
            );

    // A terminal that is gone has not said so.
    static TimeSpan RepeatIn(SessionWake saga, TimeSpan repeatAfter) =>
        saga.Facts.AttendedRemaining is { } remaining && remaining < repeatAfter ? remaining : repeatAfter;

    static ResumeSession Command<T>(BehaviorContext<SessionWake, T> context)
        where T : class =>
        new(context.Saga.CorrelationId, context.Saga.Facts.Key, context.Saga.WakeNumber, context.Saga.Facts.Urgent);

    // A moment of its own in the trace of the first event, with links to those that share the wake. The sweeper has
    // gone on in that trace; the turn that was ended is in another.
    static EventActivityBinder<SessionWake, T> TraceDecision<T>(
        this EventActivityBinder<SessionWake, T> when,
        string outcome
    )
        where T : class =>
        when.Then(x =>
        {
            var saga = x.Saga;
            var events = saga.InboxEvents.Select(y => new TraceContext(y.TraceParent, y.TraceState)).ToList();
            var first = x.Message is TurnEnded ? events.Find(y => y.TraceParent is not null) : default;
            using var decision = Tracing.Start(Tracing.Decide, ActivityKind.Internal, first, events);
            decision?.SetTag(Tracing.Session, saga.Facts.Key);
            decision?.SetTag(Tracing.WakeNumber, saga.WakeNumber);
            decision?.SetTag(Tracing.Outcome, outcome);
            decision?.SetTag(Tracing.Events, saga.InboxEvents.Select(y => y.Id).ToArray());
            saga.DecisionTrace = TraceContext.Current;
        });

    static TimeSpan? CheckIn(SessionWake saga) => ((WakeDecision.Wait)saga.Decision).CheckIn;

    static EventActivityBinder<SessionWake, T> DueIn<T>(
        this EventActivityBinder<SessionWake, T> when,
        Func<SessionWake, TimeSpan?> dueIn
    )
        where T : class => when.Then(x => x.GetPayload<SessionTransaction>().DueIn = dueIn(x.Saga));

    static EventActivityBinder<SessionWake, T> AddWrite<T>(
        this EventActivityBinder<SessionWake, T> when,
        Func<SessionWake, Npgsql.NpgsqlBatchCommand> statement
    )
        where T : class => when.Then(x => x.GetPayload<SessionTransaction>().AddWrite(statement(x.Saga)));
}
