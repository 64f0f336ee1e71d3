using Wake.Contracts;

namespace Wake.Producing;

/// <summary>Where a producer hands its events over: the broker, or within one process the intake itself.</summary>
public interface IEventPublisher
{
    /// <summary>
    /// Completes when every event is accepted: the broker has confirmed it, or the intake has committed it. Until then
    /// the producer must not forget where it found them. A second attempt is harmless where the events carry a dedup
    /// key.
    /// </summary>
    /// <param name="events">Valid events (see <see cref="EventValidation"/>).</param>
    /// <param name="cancel">Ends the wait; some of the events may have been accepted by then.</param>
    Task Publish(IReadOnlyList<ExternalEventObserved> events, CancellationToken cancel);
}
