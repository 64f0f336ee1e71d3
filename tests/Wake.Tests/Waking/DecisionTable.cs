using System.Reflection;
using MassTransit;
using MassTransit.Context;
using MassTransit.Middleware;
using MassTransit.Saga;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Coordinator;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Tests.Waking;

/// <summary>
/// What the coordinator does about what it decided, for every state it can be in, everything it can hear and everything
/// it can know.
/// </summary>
public sealed class DecisionTable
{
    const string Due = "it is due";
    const string Ended = "the turn has ended";
    const string EndedEarlier = "an earlier turn has ended";

    // One behind the turns: a number that comes from the saga's row and not from the decision shows.
    const int Remembered = 6;

    static readonly Guid Session = Guid.NewGuid();
    static readonly TimeSpan RepeatAfter = TimeSpan.FromSeconds(42);

    // By the numbers they have in the database. A session that nothing was decided about has no row.
    static readonly Dictionary<int, string> States = new()
    {
        [0] = "Initial",
        [1] = "Initial",
        [3] = "Idle",
        [4] = "Dispatched",
        [5] = "Parked",
        [6] = "Closed",
    };

    readonly SessionWakeStateMachine machine = new(
        Options.Create(new CoordinatorOptions { RepeatAfter = RepeatAfter }),
        new(Options.Create(new Profiles()), Options.Create(new MessageBusOptions()))
    );

    [Theory]
    [InlineData(Due)]
    [InlineData(Ended)]
    [InlineData(EndedEarlier)]
    public async Task Has_one_answer_for_every_state_and_decision(string heard)
    {
        var answers = await Answers(heard);

        Assert.Equal(
            answers.Select(x => $"{x.Case}: {Expected(x.Before, heard, x.Decision)}"),
            answers.Select(x => $"{x.Case}: {x}")
        );
    }

    [Fact]
    public async Task Of_a_look_the_next_state_follows_from_the_decision_whatever_the_state_was()
    {
        var next = (await Answers(Due))
            .Where(x => x.Before != "Closed")
            .GroupBy(x => x.Decision.GetType().Name)
            .ToDictionary(x => x.Key, x => x.Select(y => $"{y.After} {y.Wake}").Distinct().Order().ToArray());

        Assert.Equal(9, next.Count);
        // That a quiet window is open is no news to whoever saw it end.
        Assert.Equal(["Dispatched 8", "Idle 6"], next[nameof(WakeDecision.Collect)]);
        Assert.All(next.Where(x => x.Key != nameof(WakeDecision.Collect)), x => Assert.Single(x.Value));
    }

    [Fact]
    public async Task Commands_nothing_that_the_timer_does_not_owe_from_the_same_transaction()
    {
        var answers = new[] { await Answers(Due), await Answers(Ended), await Answers(EndedEarlier) }
            .SelectMany(x => x)
            .Where(x => x.Commands.Count > 0)
            .ToList();

        Assert.NotEmpty(answers);
        Assert.All(
            answers,
            x =>
            {
                var command = Assert.Single(x.Commands);
                var write = Assert.Single(SagaStatements.For(x.Saga.Writes));
                Assert.Equal((Session, "key", x.Decision.WakeNumber), Name(command));
                Assert.Contains("owed_at = clock_timestamp() + given.repeat_after", write.CommandText);
                Assert.Equal([RepeatAfter], (TimeSpan[])write.Parameters["repeat_after"].Value!);
                Assert.Equal(x.Decision.WakeNumber, x.Wake);
                Assert.Equal("Dispatched", x.After);
            }
        );

        static (Guid, string, int) Name(ResumeSession command) =>
            (command.SessionId, command.SessionKey, command.WakeNumber);
    }

    [Fact]
    public async Task A_session_of_a_set_is_answered_as_one_that_a_message_is_about()
    {
        var told = await Answers(Due);
        var looked = Cases()
            .Select(x =>
            {
                machine.Look(x.Saga);
                return x.Saga;
            })
            .ToList();

        Assert.Equal(told.Select(x => Everything(x.Saga)), looked.Select(Everything));
        Assert.Equal(told.SelectMany(x => x.Commands), looked.Select(x => x.Command?.Message).OfType<ResumeSession>());

        static string Everything(SessionWake saga) =>
            $"{saga.Facts} {saga.CurrentState} {saga.WakeNumber} {saga.Command} {saga.DueIn} "
            + string.Join(", ", saga.Writes);
    }

    static string Expected(string state, string heard, WakeDecision decision)
    {
        var wake = decision.WakeNumber;
        var nothing = $"{state} {Remembered}";
        var rest = $"ClearTimer, Idle {Remembered}";
        var close = $"ClearTimer, Closed {Remembered}";
        var open = $"OpenTurn {wake} {RepeatAfter}, ResumeSession {wake}, look in {RepeatAfter}, Dispatched {wake}";

        return (state, heard, decision) switch
        {
            ("Closed", Ended or EndedEarlier, _) => nothing,
            (_, _, WakeDecision.Close) => close,

            (_, Due, WakeDecision.Dispatch) => open,
            (_, Due, WakeDecision.Repeat) => open.Replace("OpenTurn", "RepeatTurn"),
            (_, Due, WakeDecision.Park { CheckIn: null }) => $"ScheduleCheck, Parked {Remembered}",
            (_, Due, WakeDecision.Park { CheckIn: var check }) => Check(check, "Parked"),
            (_, Due, WakeDecision.AwaitPause { CheckIn: var check }) => Pause(check),
            (_, Due, WakeDecision.AwaitLease { CheckIn: var check }) => Check(check, "Dispatched"),
            (_, Due, WakeDecision.BackOff { CheckIn: var check }) => Check(check, "Dispatched"),
            (_, Due, WakeDecision.Rest) => rest,
            ("Initial" or "Idle" or "Closed", Due, WakeDecision.Collect) => open,
            ("Dispatched" or "Parked", Due, WakeDecision.Collect collect) => Collect(collect),

            ("Dispatched", Ended, WakeDecision.Dispatch) => open,
            ("Dispatched", Ended, WakeDecision.Collect collect) => Collect(collect),
            ("Dispatched", Ended, WakeDecision.AwaitPause { CheckIn: var check }) => Pause(check),
            ("Dispatched", Ended, WakeDecision.Rest) => rest,
            (_, Ended or EndedEarlier, _) => nothing,

            _ => throw new InvalidOperationException($"{state}, {heard}, {decision}"),
        };

        static string Check(TimeSpan? check, string next) =>
            $"ScheduleCheck {check}, look in {check}, {next} {Remembered}";

        static string Pause(TimeSpan? check) =>
            check is null
                ? $"AwaitPause, Parked {Remembered}"
                : $"AwaitPause {check}, look in {check}, Parked {Remembered}";

        static string Collect(WakeDecision.Collect collect) =>
            $"ClearCheck, look in {collect.QuietRemaining}, Idle {Remembered}";
    }

    async Task<List<Answer>> Answers(string heard)
    {
        List<Answer> answers = [];
        foreach (var (name, saga) in Cases())
        {
            var state = States[saga.CurrentState];
            var answer = new Answer($"{state} ({saga.CurrentState}), {heard}, turn {name}", state, saga);
            await (
                heard == Due
                    ? Raise(machine.Due, new(Session), answer)
                    : Raise(
                        machine.Ended,
                        new(Session, heard == Ended ? Remembered : Remembered - 1, TurnOutcome.Completed),
                        answer
                    )
            );
            answers.Add(answer);
        }

        return answers;
    }

    // A session that a person has woken is urgent, and what is urgent is sent rather than published.
    static IEnumerable<(string Name, SessionWake Saga)> Cases() =>
        from number in States.Keys
        from known in DecidingAboutASession.All
        select (
            known.Name,
            new SessionWake
            {
                CorrelationId = Session,
                CurrentState = number,
                WakeNumber = Remembered,
                Facts = known.Facts with { Urgent = known.Facts.ManuallyWoken },
            }
        );

    async Task Raise<T>(Event<T> happened, T message, Answer answer)
        where T : class
    {
        await using var transaction = new SessionTransaction(null!);
        var outside = DispatchProxy.Create<ConsumeContext, Outside>();
        ((Outside)(object)outside).Hold(answer.Commands);
        var context = new ConsumeContextScope<T>(new MessageConsumeContext<T>(outside, message), transaction);
        var saga = await new SagaConsumeContextFactory<SessionTransaction, SessionWake>().CreateSagaConsumeContext(
            transaction,
            context,
            answer.Saga,
            SagaConsumeContextMode.Load
        );

        try
        {
            await new StateMachineSagaMessageFilter<SessionWake, T>(machine, happened).Send(
                saga,
                Pipe.Empty<SagaConsumeContext<SessionWake, T>>()
            );
        }
        catch (NotAcceptedStateMachineException unhandled)
        {
            answer.Fault = unhandled;
        }
    }

    /// <summary>What came of one message.</summary>
    sealed record Answer(string Case, string Before, SessionWake Saga)
    {
        public WakeDecision Decision => Saga.Decision;
        public string After => States[Saga.CurrentState];
        public int Wake => Saga.WakeNumber;
        public List<ResumeSession> Commands { get; } = [];
        public Exception? Fault { get; set; }

        public override string ToString() =>
            Fault?.Message
            ?? string.Join(
                ", ",
                [
                    .. Saga.Writes.Select(Text),
                    .. Commands.Select(x => $"ResumeSession {x.WakeNumber}"),
                    .. Saga.DueIn is { } time ? [$"look in {time}"] : Array.Empty<string>(),
                    $"{After} {Wake}",
                ]
            );

        static string Text(SagaWrite write) =>
            write switch
            {
                SagaWrite.OpenTurn open => $"OpenTurn {open.WakeNumber} {open.RepeatAfter}",
                SagaWrite.RepeatTurn repeat => $"RepeatTurn {repeat.WakeNumber} {repeat.RepeatAfter}",
                SagaWrite.ScheduleCheck { LookAgain: { } time } => $"ScheduleCheck {time}",
                SagaWrite.AwaitPause { LookAgain: { } time } => $"AwaitPause {time}",
                _ => write.GetType().Name,
            };
    }

    /// <summary>What the machine sees of the bus: endpoints that note what they are given.</summary>
    /// <remarks>Public, since what .NET makes of it derives from it.</remarks>
    public class Outside : DispatchProxy
    {
        List<ResumeSession> commands = [];

        TInterface As<TInterface>()
            where TInterface : class
        {
            var proxy = Create<TInterface, Outside>();
            ((Outside)(object)proxy).Hold(commands);
            return proxy;
        }

        internal void Hold(List<ResumeSession> given) => commands = given;

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            switch (targetMethod!.Name)
            {
                case "get_ReceiveContext":
                    return As<ReceiveContext>();
                case "get_PublishEndpointProvider":
                    return As<IPublishEndpointProvider>();
                case "get_SendEndpointProvider":
                    return As<ISendEndpointProvider>();
                case "GetPublishSendEndpoint" or "GetSendEndpoint":
                    return Task.FromResult(As<ISendEndpoint>());
                case "Send":
                    commands.Add((ResumeSession)args![0]!);
                    return Task.CompletedTask;
                default:
                    return targetMethod.ReturnType is { IsValueType: true } type && type != typeof(void)
                        ? Activator.CreateInstance(type)
                        : null;
            }
        }
    }
}
