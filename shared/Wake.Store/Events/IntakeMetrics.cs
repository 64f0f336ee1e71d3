using System.Diagnostics.Metrics;

namespace Wake.Store;

/// <summary>
/// Counts what the intake has decided. Here and not among the other metrics, so that it is done for every event,
/// whichever way it came. Names that others choose pass a <see cref="CardinalityLimiter"/>.
/// </summary>
static class IntakeMetrics
{
    // That of Wake's other metrics: the exporter chooses by this name.
    static readonly Meter Meter = new("Wake");

    /// <summary>Observations taken in, duplicates included, by <c>source</c> and <c>type</c>.</summary>
    public static readonly Counter<long> EventsObserved = Meter.CreateCounter<long>(
        "wake.events.observed",
        "{event}",
        "Observations taken in, duplicates included."
    );

    /// <summary>Events that came under the dedup key of another fact, and were taken in as what they are.</summary>
    public static readonly Counter<long> DedupKeyCollisions = Meter.CreateCounter<long>(
        "wake.events.collisions",
        "{event}",
        "Events that came under the dedup key of another fact."
    );

    /// <summary>The intake's decisions, by <c>outcome</c> (routed, unwatched, duplicate).</summary>
    public static readonly Counter<long> IntakeOutcomes = Meter.CreateCounter<long>(
        "wake.intake.outcomes",
        "{decision}",
        "What was decided about observations."
    );

    static readonly CardinalityLimiter Sources = new(),
        Types = new();

    /// <summary>Counts observations that are committed, with what was decided about each.</summary>
    public static void Record(IReadOnlyList<Observation> observations, IReadOnlyList<IntakeResult> decisions)
    {
        for (var i = 0; i < observations.Count; i++)
        {
            if (decisions[i].CollidesWith is not null)
                DedupKeyCollisions.Add(1);
            if (!EventsObserved.Enabled)
                continue;

            var observed = observations[i].Event;
            EventsObserved.Add(
                1,
                new("source", Sources.Limit(observed.Source)),
                new("type", Types.Limit(observed.Type))
            );
            IntakeOutcomes.Add(1, new KeyValuePair<string, object?>("outcome", decisions[i].Outcome.ToCamelCase()));
        }
    }
}

/// <summary>
/// Names that programs elsewhere choose, as an attribute of a metric: the first hundred are told apart, and all others
/// are one. Whoever makes names up fills neither our memory nor that of what stores the metrics.
/// </summary>
sealed class CardinalityLimiter
{
    /// <summary>OpenTelemetry's word for a value outside of a known set.</summary>
    public const string Other = "_OTHER";

    const int MaxValues = 100,
        MaxLength = 64;

    readonly HashSet<string> known = [];
    readonly Lock adding = new();

    /// <summary>The name, or <see cref="Other"/>.</summary>
    public string Limit(string name)
    {
        if (name.Length > MaxLength)
            return Other;

        lock (adding)
            return known.Contains(name) || (known.Count < MaxValues && known.Add(name)) ? name : Other;
    }
}
