using Microsoft.Extensions.Options;
using Wake.Coordinator;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Tests.HouseRules;

public sealed class StateTable
{
    readonly SessionWakeStateMachine machine = new(
        Options.Create(new CoordinatorOptions()),
        new(Options.Create(new Profiles()), Options.Create(new MessageBusOptions()))
    );

    [Theory]
    [InlineData("Initial")]
    [InlineData("Idle")]
    [InlineData("Dispatched")]
    [InlineData("Parked")]
    [InlineData("Closed")]
    public void Every_state_answers_every_event(string state)
    {
        var answered = machine.NextEvents(machine.GetState(state)).Select(x => x.Name).Distinct();

        Assert.Equal(["Due", "Ended"], answered.Order());
    }

    // Rows of earlier versions hold these numbers: one that moves turns idle sessions into closed ones.
    [Fact]
    public void The_numbers_of_the_states_are_those_in_the_database()
    {
        var stored = machine.States.ToDictionary(state => state.Name, Number);

        Assert.Equal(
            new Dictionary<string, int>
            {
                ["Initial"] = 1,
                ["Final"] = 2,
                ["Idle"] = 3,
                ["Dispatched"] = 4,
                ["Parked"] = 5,
                ["Closed"] = 6,
            },
            stored
        );

        int Number(MassTransit.State state)
        {
            var isStoredAs = machine.Accessor.GetStateExpression(state).Compile();
            return Enumerable.Range(0, 100).Single(number => isStoredAs(new() { CurrentState = number }));
        }
    }
}
