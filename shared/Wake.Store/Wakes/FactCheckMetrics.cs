using System.Diagnostics.Metrics;

namespace Wake.Store;

/// <summary>Metrics of the fact checks before turns. Here and not among the other metrics, so that it is done
/// for runners and terminals alike.</summary>
static class FactCheckMetrics
{
    // That of Wake's other metrics: the exporter chooses by this name.
    static readonly Meter Meter = new("Wake");

    /// <summary>Events that were asked about before their turn, by <c>answer</c> (holds, noLonger, unknown).</summary>
    public static readonly Counter<long> Answers = Meter.CreateCounter<long>(
        "wake.fact.answers",
        "{event}",
        "Events that were asked about before their turn, by the answer."
    );

    /// <summary>How long turns waited for the answers.</summary>
    public static readonly Histogram<double> Wait = Meter.CreateHistogram(
        "wake.fact.wait",
        "s",
        "How long turns waited for what was asked before them.",
        tags: null,
        new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15] }
    );

    /// <summary>Counts what one turn was answered.</summary>
    public static void Record(IEnumerable<FactCheck> answers, TimeSpan waited)
    {
        Wait.Record(waited.TotalSeconds);
        foreach (var answer in answers)
            Answers.Add(1, new KeyValuePair<string, object?>("answer", answer.Answer.ToCamelCase()));
    }
}
