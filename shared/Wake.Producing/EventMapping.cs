using Wake.Contracts;
using Wake.ServiceDefaults;

namespace Wake.Producing;

/// <summary>What a delivery means: events, or nothing and why.</summary>
/// <param name="Events">The events, each valid; empty when it is ignored.</param>
/// <param name="IgnoredReason">Why there are none; null when there are some.</param>
public sealed record EventMapping(IReadOnlyList<ExternalEventObserved> Events, string? IgnoredReason)
{
    /// <summary>
    /// The subject of what has moved, whether or not that is an event: a commit whose checks have, or a pull request.
    /// Whoever polls it looks at it now instead of at its next tick.
    /// </summary>
    public string? RepollSubject { get; private init; }

    /// <summary>Whether the delivery could not be read, so that its sender is told so instead of that it is
    /// ignored.</summary>
    public bool IsMalformed { get; private init; }

    /// <summary>Whether it is about what its sender may not speak of.</summary>
    public bool IsForbidden { get; private init; }

    /// <summary>The trace of what happened, where the delivery tells it as CloudEvents do; the request may come from a
    /// relay.</summary>
    public TraceContext Trace { get; init; }

    /// <summary>The same, with a subject to be polled again.</summary>
    public EventMapping WithRepoll(string? subject) => this with { RepollSubject = subject };

    /// <summary>The same, concerning these subjects too.</summary>
    public EventMapping WithRelated(IEnumerable<string> subjects) =>
        this with
        {
            Events =
            [
                .. Events.Select(x =>
                    x with
                    {
                        Related = (x.Related ?? []).Union(subjects).Take(EventLimits.MaxListEntries).ToArray()
                            is { Length: > 0 } all
                            ? all
                            : null,
                    }
                ),
            ],
        };

    /// <summary>The same, or, of what is outdated, one that starts no turn.</summary>
    public EventMapping AmbientIfOutdated(bool outdated) =>
        outdated ? this with { Events = [.. Events.Select(x => x with { Delivery = Delivery.Ambient })] } : this;

    /// <summary>No event.</summary>
    public static EventMapping Ignore(string why) => new([], why);

    /// <summary>No event, because the sender has not kept to what was agreed: it is told why, with 400.</summary>
    public static EventMapping RejectMalformed(string why) => new([], why) { IsMalformed = true };

    /// <summary>No event, because its sender may not tell it: it is told why, with 403.</summary>
    public static EventMapping RejectForbidden(string why) => new([], why) { IsForbidden = true };

    /// <summary>The same, concerning only these subjects besides its own. What a text mentions is no reason to refuse
    /// it.</summary>
    public EventMapping WithRelatedOnly(Func<string, bool> which) =>
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
    public EventMapping InNamespace(string nameSpace) =>
        this with
        {
            Events = [.. Events.Select(x => x.VerifiedBy is null ? x with { Namespace = nameSpace } : x)],
        };

    /// <summary>The same within what its sender may say.</summary>
    public EventMapping LimitedTo(PublishPermissions rights) =>
        Events.Select(rights.WithAllowedRelated).ToList() is var events
        && events.Select(rights.DenialReason).FirstOrDefault(x => x is not null) is { } why
            ? RejectForbidden(why)
            : this with
            {
                Events = events,
            };

    /// <summary>This event; nothing if it is not one that can be accepted, as hostile or strange payloads yield
    /// them.</summary>
    public static EventMapping FromEvent(ExternalEventObserved observed) =>
        EventValidation.Problems(observed) is [var (field, problem), ..] ? Ignore($"not an event: {field} {problem}")
        : EventJson.Serialize(observed).Length > EventLimits.MaxBytes ? Ignore("not an event: it is too large")
        : new([observed], null);

    /// <summary>All of these together; why the first was ignored when there is no event at all.</summary>
    public static EventMapping Combine(IReadOnlyCollection<EventMapping> parts) =>
        new(
            [.. parts.SelectMany(x => x.Events)],
            parts.Any(x => x.Events.Count > 0) ? null : parts.Select(x => x.IgnoredReason).FirstOrDefault() ?? "empty"
        )
        {
            Trace = parts.Select(x => x.Trace).Distinct().ToList() is [var one] ? one : default,
        };
}
