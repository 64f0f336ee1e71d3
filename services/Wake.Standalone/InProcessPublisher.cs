using Wake.Contracts;
using Wake.Gateway;
using Wake.Producing;

namespace Wake.Standalone;

/// <summary>The producers' way to the intake of the same process: accepted means committed.</summary>
sealed class InProcessPublisher(EventIngress door) : IEventPublisher
{
    public Task Publish(IReadOnlyList<ExternalEventObserved> events, CancellationToken cancel) =>
        door.Accept(events, cancel);
}
