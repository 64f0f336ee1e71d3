using Wake.Contracts;
using Wake.ServiceDefaults;

namespace Wake.Producing;

/// <summary>What a delivery means: events, or nothing and why.</summary>
/// <param name="Events">The events, each valid; empty when it is ignored.</param>
/// <param name="Ignored">Why there are none; null when there are some.</param>
public sealed record Mapped(IReadOnlyList<ExternalEventObserved> Events, string? Ignored)
{
    /// <summary>
    /// The subject of a commit whose checks have moved, whether or not that is an event. Whoever adds the checks of a
    /// commit up looks at it now instead of at its next tick.
    /// </summary>
    public string? Ring { get; private init; }

    /// <summary>Whether the delivery could not be read, so that its sender is told so instead of that it is
    /// ignored.</summary>
    public bool Unreadable { get; private init; }

    /// <summary>Whether it is about what its sender may not speak of.</summary>
    public bool Forbidden { get; private init; }

    /// <summary>The trace of what happened, where the delivery tells it as CloudEvents do; the request may come from a
    /// relay.</summary>
    public KeptTrace Trace { get; init; }

    /// <summary>The same, of a commit whose checks have moved.</summary>
    public Mapped Rings(string? commit) => this with { Ring = commit };

    /// <summary>The same, concerning these subjects too.</summary>
    public Mapped Concerns(IEnumerable<string> subjects) =>
        this with
        {
            Events =
            [
                .. Events.Select(x =>
                    x with
                    {
                        Related = (x.Related ?? []).Union(subjects).Take(EventLimits.Listed).ToArray()
                            is { Length: > 0 } all
                            ? all
                            : null,
                    }
                ),
            ],
        };

    /// <summary>The same, or, of what is outdated, one that starts no turn.</summary>
    public Mapped Outdated(bool outdated) =>
        outdated ? this with { Events = [.. Events.Select(x => x with { Delivery = Delivery.Ambient })] } : this;

    /// <summary>No event.</summary>
    public static Mapped Nothing(string why) => new([], why);

    /// <summary>No event, because the sender has not kept to what was agreed: it is told why, with 400.</summary>
    public static Mapped Refused(string why) => new([], why) { Unreadable = true };

    /// <summary>No event, because its sender may not tell it: it is told why, with 403.</summary>
    public static Mapped NotTheirs(string why) => new([], why) { Forbidden = true };

    /// <summary>The same, concerning only these subjects besides its own. What a text mentions is no reason to refuse
    /// it.</summary>
    public Mapped ConcerningOnly(Func<string, bool> which) =>
        this with
        {
            Events =
            [
                .. Events.Select(x =>
                    x with
                    {
                        Related = x.Related?.Where(which).ToArray() is { Length: > 0 } left ? left : null,
                    }
                ),
            ],
        };

    /// <summary>The same, told in this name where nobody has verified it.</summary>
    public Mapped InNamespace(string nameSpace) =>
        this with
        {
            Events = [.. Events.Select(x => x.VerifiedBy is null ? x with { Namespace = nameSpace } : x)],
        };

    /// <summary>The same within what its sender may say.</summary>
    public Mapped LimitedTo(EventRights rights) =>
        Events.Select(rights.WithinRelated).ToList() is var events
        && events.Select(rights.Refusal).FirstOrDefault(x => x is not null) is { } why
            ? NotTheirs(why)
            : this with
            {
                Events = events,
            };

    /// <summary>This event; nothing if it is not one that can be accepted, as hostile or strange payloads yield
    /// them.</summary>
    public static Mapped Of(ExternalEventObserved observed) =>
        EventValidation.Problems(observed) is [var (field, problem), ..] ? Nothing($"not an event: {field} {problem}")
        : EventJson.Write(observed).Length > EventLimits.Bytes ? Nothing("not an event: it is too large")
        : new([observed], null);

    /// <summary>All of these together; why the first was ignored when there is no event at all.</summary>
    public static Mapped All(IReadOnlyCollection<Mapped> parts) =>
        new(
            [.. parts.SelectMany(x => x.Events)],
            parts.Any(x => x.Events.Count > 0) ? null : parts.Select(x => x.Ignored).FirstOrDefault() ?? "empty"
        )
        {
            Trace = parts.Select(x => x.Trace).Distinct().ToList() is [var one] ? one : default,
        };
}
