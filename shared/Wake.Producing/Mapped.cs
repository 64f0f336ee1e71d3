using Wake.Contracts;
using Wake.ServiceDefaults;

namespace Wake.Producing;

/// <summary>What a delivery means: events, or nothing and why.</summary>
/// <param name="Events">The events, each valid; empty when it is ignored.</param>
/// <param name="Ignored">Why there are none; null when there are some.</param>
public sealed record Mapped(IReadOnlyList<ExternalEventObserved> Events, string? Ignored)
{
    /// <summary>
    /// The subject of a commit whose checks have moved, whether or not that is an event. Whoever adds the checks of a commit
    /// up looks at it now instead of at its next tick.
    /// </summary>
    public string? Ring { get; private init; }

    /// <summary>The trace of what happened, where the delivery tells it as CloudEvents do; the request may come from a relay.</summary>
    public KeptTrace Trace { get; init; }

    /// <summary>The same, of a commit whose checks have moved.</summary>
    public Mapped Rings(string? commit) => this with { Ring = commit };

    /// <summary>The same, concerning these subjects too.</summary>
    public Mapped Concerns(IEnumerable<string> subjects) => this with
    {
        Events = [.. Events.Select(x => x with
        {
            Related = (x.Related ?? []).Union(subjects).Take(EventLimits.Listed).ToArray() is { Length: > 0 } all ? all : null,
        })],
    };

    /// <summary>No event.</summary>
    public static Mapped Nothing(string why) => new([], why);

    /// <summary>This event; nothing if it is not one that can be accepted, as hostile or strange payloads yield them.</summary>
    public static Mapped Of(ExternalEventObserved observed) =>
        EventValidation.Problems(observed) is [var (field, problem), ..] ? Nothing($"not an event: {field} {problem}")
        : EventJson.Write(observed).Length > EventLimits.Bytes ? Nothing("not an event: it is too large")
        : new([observed], null);

    /// <summary>All of these together; why the first was ignored when there is no event at all.</summary>
    public static Mapped All(IReadOnlyCollection<Mapped> parts) => new(
        [.. parts.SelectMany(x => x.Events)],
        parts.Any(x => x.Events.Count > 0) ? null : parts.Select(x => x.Ignored).FirstOrDefault() ?? "empty")
    {
        Trace = parts.Select(x => x.Trace).Distinct().ToList() is [var one] ? one : default,
    };
}
