using System.ComponentModel.DataAnnotations;
using Wake.ServiceDefaults;

namespace Wake.Coordinator;

/// <summary>How the coordinator works. Environment: <c>Coordinator__…</c>. The defaults suit one machine and
/// many.</summary>
public sealed class CoordinatorOptions : IValidatableObject
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Coordinator";

    /// <summary>
    /// How long a command may stay unclaimed before it is sent again, and how long a message expires after. Runners
    /// that are all busy see each waiting session once per interval.
    /// </summary>
    public TimeSpan RepeatAfter { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The longest time between two looks at the timers. What is due sooner is looked at sooner.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The most sessions that are decided about in one transaction, which has their locks meanwhile. More that
    /// are due are taken at once after it. There is no minimum: a lonely session does not wait for others.
    /// </summary>
    [Range(1, 10_000)]
    public int SweepBatchSize { get; init; } = 200;

    /// <summary>Events taken in by one transaction at most. There is no minimum: a lonely event does not wait for
    /// others.</summary>
    [Range(1, 5_000)]
    public int IntakeBatchSize { get; init; } = 500;

    /// <summary>Ends of turns that are handled at the same time, each with a database connection.</summary>
    [Range(1, 1_000)]
    public int Concurrency { get; init; } = 16;

    /// <summary>
    /// How long an event is kept, counted from its acceptance, and longer while a session waits for it. That long it is
    /// known as the same when it is observed again, and can be explained. Empty: for ever. Turns and what they cost are
    /// kept in any case.
    /// </summary>
    public TimeSpan? EventRetention { get; init; } = TimeSpan.FromDays(90);

    /// <summary>
    /// How long after the deadline of a watch (<c>wake watch --expect-by</c>) its session is told that nothing came:
    /// sources that are polled tell a little later what has happened in time.
    /// </summary>
    public TimeSpan SilenceGrace { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>
    /// Users of the broker whose events may be urgent, name sessions, and say what they have verified, besides the user
    /// that this process itself is there. A publisher says who it is in the property <c>user-id</c> of its messages,
    /// and the broker refuses any other name.
    /// </summary>
    public IReadOnlyList<string> TrustedPublishers { get; init; } = [];

    /// <summary>
    /// Exchanges whose messages are trusted like that, because the broker lets nobody else write to them. They are
    /// declared, as durable topic exchanges, and bound to the queue of the events.
    /// </summary>
    public IReadOnlyList<string> TrustedExchanges { get; init; } = [];

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (RepeatAfter <= TimeSpan.Zero)
            yield return new("RepeatAfter must be positive.", [nameof(RepeatAfter)]);

        if (PollInterval <= TimeSpan.Zero)
            yield return new("PollInterval must be positive.", [nameof(PollInterval)]);

        if (SilenceGrace < TimeSpan.Zero || SilenceGrace > TimeSpan.FromHours(1))
            yield return new("SilenceGrace must be an hour at most, and not negative.", [nameof(SilenceGrace)]);

        if (EventRetention < Store.EventRetention.Minimum)
            yield return new(
                $"EventRetention must be {Store.EventRetention.Minimum.TotalDays} days at least.",
                [nameof(EventRetention)]
            );

        if (TrustedPublishers.Any(string.IsNullOrWhiteSpace))
            yield return new(
                "Coordinator:TrustedPublishers must not hold an empty one: that is whoever does not say who it is.",
                [nameof(TrustedPublishers)]
            );

        if (
            TrustedExchanges.FirstOrDefault(x =>
                string.IsNullOrWhiteSpace(x)
                || x == EventExchange.Name
                || x.StartsWith("amq.", StringComparison.Ordinal)
            ) is
            { } open
        )
            yield return new(
                $"Coordinator:TrustedExchanges: '{open}' is everybody's. Name an exchange of its own, which the "
                    + "broker lets only some write to.",
                [nameof(TrustedExchanges)]
            );
    }
}
