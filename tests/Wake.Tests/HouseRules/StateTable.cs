using Microsoft.Extensions.Options;
using Wake.Coordinator;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Tests.HouseRules;

public sealed class StateTable
{
    [Theory]
    [InlineData("Initial")]
    [InlineData("Idle")]
    [InlineData("Dispatched")]
    [InlineData("Parked")]
    [InlineData("Closed")]
    public void Every_state_answers_every_event(string state)
    {
        var machine = new SessionWakeStateMachine(
            Options.Create(new CoordinatorOptions()),
            new(Options.Create(new Profiles()), Options.Create(new MessageBusOptions()))
        );

        var answered = machine.NextEvents(machine.GetState(state)).Select(x => x.Name).Distinct();

        Assert.Equal(["Due", "Ended"], answered.Order());
    }

    [Fact]
    public void The_numbers_of_the_states_are_those_in_the_database()
    {
        var machine = new SessionWakeStateMachine(
            Options.Create(new CoordinatorOptions()),
            new(Options.Create(new Profiles()), Options.Create(new MessageBusOptions()))
        );
        string[] stored = ["Initial", "Final", "Idle", "Dispatched", "Parked", "Closed"];

        Assert.Equal(stored.Order(), machine.States.Select(x => x.Name).Order());
    }
}
