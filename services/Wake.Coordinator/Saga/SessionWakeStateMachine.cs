using System.Diagnostics;
using MassTransit;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>
/// Carries out what <see cref="WakeDecision"/> says: sends <see cref="ResumeSession"/>, sends it again, or sets the
/// session's timer. The constructor is a table of event, decision, states, answer and next state; the answers are below
/// it.
/// </summary>
/// <remarks>
/// <see cref="WakeDue"/> only says "look": the decision is taken from the store, under the session's lock. A message
/// that was lost, came twice or came late therefore changes nothing but the moment of looking. Sessions that are due
/// together are looked at without a message, by the same rows: <see cref="Look"/>.
/// </remarks>
sealed class SessionWakeStateMachine : MassTransitStateMachine<SessionWake>
{
    readonly Dictionary<(int State, Type Decision), (Action<SessionWake> Answer, int Next)> looks = [];
    readonly State[] byNumber;
    readonly TimeSpan repeatAfter;
    readonly ResumeSessionRouting addresses;

    /// <summary>Writes the table.</summary>
    public SessionWakeStateMachine(IOptions<CoordinatorOptions> options, ResumeSessionRouting addresses)
    {
        (repeatAfter, this.addresses) = (options.Value.RepeatAfter, addresses);

        // The numbers 3, 4, … in this order are in the database: only ever append.
        InstanceState(x => x.CurrentState, Idle, Dispatched, Parked, Closed);
        byNumber = [Initial, Initial, Final, Idle, Dispatched, Parked, Closed];

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
        State[] any = [Initial, Idle, Dispatched, Parked, Closed];
        OnDue<WakeDecision.Dispatch>(any, Wake, Dispatched);
        OnDue<WakeDecision.Repeat>(any, RepeatWake, Dispatched);
        OnDue<WakeDecision.AwaitLease>(any, CheckAgain, Dispatched);
        OnDue<WakeDecision.BackOff>(any, CheckAgain, Dispatched);
        OnDue<WakeDecision.Park>(any, CheckAgain, Parked);
        OnDue<WakeDecision.AwaitPause>(any, AwaitPause, Parked);
        OnDue<WakeDecision.Rest>(any, ClearTimer, Idle);
        OnDue<WakeDecision.Close>(any, ClearTimer, Closed);

        // It was due when the sweeper looked; what has come since shares the turn.
        OnDue<WakeDecision.Collect>([Initial, Idle, Closed], Wake, Dispatched);
        OnDue<WakeDecision.Collect>([Dispatched, Parked], ClearCheck, Idle);

        // A follow-up is decided here and now. That the turn was over is known to the timer as well, so that a message
        // that is lost costs only time.
        OnEnded<WakeDecision.Dispatch>([Dispatched], WakeAfterTurn, Dispatched);
        OnEnded<WakeDecision.Collect>([Dispatched], ClearCheck, Idle);
        OnEnded<WakeDecision.AwaitPause>([Dispatched], AwaitPause, Parked);
        OnEnded<WakeDecision.Rest>([Dispatched], ClearTimer, Idle);
        OnAnyEnded<WakeDecision.Close>([Initial, Idle, Dispatched, Parked], ClearTimer, Closed);

        // Late words about wakes that are over, and about those that are parked already.
        During([Initial, Idle, Parked, Closed], Ignore(Ended));
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

    /// <summary>
    /// Looks at a session that is due, as on a <see cref="WakeDue"/>: its next state, what is written and what is sent.
    /// For those who have its lock and do the rest.
    /// </summary>
    public void Look(SessionWake saga)
    {
        var (answer, next) = looks[(saga.CurrentState, saga.Decision.GetType())];
        answer(saga);
        saga.CurrentState = next;
    }

    void OnDue<T>(State[] states, Action<SessionWake> answer, State next)
        where T : WakeDecision
    {
        During(states, When(Due, x => x.Saga.Decision is T).Answer(answer).TransitionTo(next));
        for (var number = 0; number < byNumber.Length; number++)
        {
            if (states.Contains(byNumber[number]))
                looks.Add((number, typeof(T)), (answer, Array.IndexOf(byNumber, next)));
        }
    }

    void OnEnded<T>(State[] states, Action<SessionWake> answer, State next)
        where T : WakeDecision =>
        During(
            states,
            When(Ended, x => x.Saga.IsCurrent(x.Message.WakeNumber) && x.Saga.Decision is T)
                .Answer(answer)
                .TransitionTo(next)
        );

    void OnAnyEnded<T>(State[] states, Action<SessionWake> answer, State next)
        where T : WakeDecision =>
        During(states, When(Ended, x => x.Saga.Decision is T).Answer(answer).TransitionTo(next));

    // The answers. Each that owes a message sets the session's timer in the same transaction, and only the claim or the
    // end of a turn clears it: a process that dies between commit and send owes it still.

    void Wake(SessionWake saga) => OpenTurn(saga, parent: default);

    // The turn that was ended is in another trace. Who found it due has gone on in that of the first event.
    void WakeAfterTurn(SessionWake saga) => OpenTurn(saga, Traces(saga).FirstOrDefault(x => x.TraceParent is not null));

    void OpenTurn(SessionWake saga, TraceContext parent)
    {
        saga.WakeNumber = saga.Decision.WakeNumber;
        var trace = TraceDecision(saga, "dispatched", parent);
        saga.Writes.Add(
            new SagaWrite.OpenTurn(
                saga.CorrelationId,
                saga.WakeNumber,
                RepeatIn(saga),
                trace.TraceParent,
                trace.TraceState
            )
        );
        SendWake(saga, allowAffinity: true);
    }

    // Not to the runner that has it at hand: that one may be the reason why it is repeated.
    void RepeatWake(SessionWake saga)
    {
        saga.WakeNumber = saga.Decision.WakeNumber;
        TraceDecision(saga, "repeated", parent: default);
        saga.Writes.Add(new SagaWrite.RepeatTurn(saga.CorrelationId, saga.WakeNumber, RepeatIn(saga)));
        SendWake(saga, allowAffinity: false);
    }

    static void CheckAgain(SessionWake saga)
    {
        saga.DueIn = CheckIn(saga);
        saga.Writes.Add(new SagaWrite.ScheduleCheck(saga.CorrelationId, saga.DueIn));
    }

    static void AwaitPause(SessionWake saga)
    {
        saga.DueIn = CheckIn(saga);
        saga.Writes.Add(new SagaWrite.AwaitPause(saga.CorrelationId, saga.DueIn));
    }

    static void ClearCheck(SessionWake saga)
    {
        saga.DueIn = saga.Facts.QuietRemaining;
        saga.Writes.Add(new SagaWrite.ClearCheck(saga.CorrelationId));
    }

    static void ClearTimer(SessionWake saga) => saga.Writes.Add(new SagaWrite.ClearTimer(saga.CorrelationId));

    // A command nobody takes in time is sent again, so that it may as well vanish: busy runners shall not find a heap
    // of them. A session that a person has open in a terminal which waits for it is claimed there.
    void SendWake(SessionWake saga, bool allowAffinity)
    {
        saga.DueIn = RepeatIn(saga);
        if (saga.Facts.AttendedRemaining is not null)
            saga.Writes.Add(new SagaWrite.NotifyTerminal(saga.CorrelationId));
        else
            saga.Command = new(
                new(saga.CorrelationId, saga.Facts.Key, saga.WakeNumber, saga.Facts.Urgent),
                addresses.AddressFor(saga.Facts, allowAffinity),
                repeatAfter
            );
    }

    // A terminal that is gone has not said so.
    TimeSpan RepeatIn(SessionWake saga) =>
        saga.Facts.AttendedRemaining is { } remaining && remaining < repeatAfter ? remaining : repeatAfter;

    static TimeSpan? CheckIn(SessionWake saga) => ((WakeDecision.Wait)saga.Decision).CheckIn;

    // A moment of its own in the trace of the first event, with links to those that share the wake.
    static TraceContext TraceDecision(SessionWake saga, string outcome, TraceContext parent)
    {
        using var decision = Tracing.Start(Tracing.Decide, ActivityKind.Internal, parent, Traces(saga));
        decision?.SetTag(Tracing.Session, saga.Facts.Key);
        decision?.SetTag(Tracing.WakeNumber, saga.WakeNumber);
        decision?.SetTag(Tracing.Outcome, outcome);
        decision?.SetTag(Tracing.Events, saga.InboxEvents.Select(x => x.Id).ToArray());
        return TraceContext.Current;
    }

    static IEnumerable<TraceContext> Traces(SessionWake saga) =>
        saga.InboxEvents.Select(x => new TraceContext(x.TraceParent, x.TraceState));
}

static class SessionWakeAnswers
{
    // The bus holds the command until the transaction has committed.
    public static EventActivityBinder<SessionWake, T> Answer<T>(
        this EventActivityBinder<SessionWake, T> when,
        Action<SessionWake> answer
    )
        where T : class =>
        when.Then(x => answer(x.Saga))
            .ThenAsync(x => x.Saga.Command is { } command ? command.Send(x, x.CancellationToken) : Task.CompletedTask);
}
