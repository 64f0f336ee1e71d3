using System.Diagnostics;
using System.Text.Json;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>What is seen of one attempt from outside: its span, and the metrics it adds to. Disposed when it is over,
/// settled or not.</summary>
sealed class TurnMeasures : IDisposable
{
    readonly Activity? span;
    readonly TimeProvider time;
    readonly long started;
    string outcome = "lost";

    /// <summary>It begins.</summary>
    public TurnMeasures(ClaimedTurn turn, TimeProvider time)
    {
        (this.time, started) = (time, time.GetTimestamp());

        span = Tracing.Start(
            Tracing.Turn,
            ActivityKind.Internal,
            default,
            turn.Events.Select(x => new KeptTrace(x.TraceParent, x.TraceState))
        );
        span?.SetTag(Tracing.Session, turn.SessionKey);
        span?.SetTag(Tracing.WakeNumber, turn.WakeNumber);
        span?.SetTag(Tracing.Attempt, turn.Attempt);
        span?.SetTag(Tracing.Events, turn.Events.Take(Tracing.MaxEvents).Select(x => x.Id).ToArray());

        // Whoever held it has said nothing, and may be dead: whoever takes it after them tells.
        if (turn.Deaths > 0)
            Measures.LeasesLost.Add(1);
        if (turn.Attempt > 1)
            return;

        Measures.CoalesceSize.Record(turn.Events.Count);
        if (turn.Waited is { } waited)
            Measures.Latency.Record(waited.TotalSeconds);
    }

    /// <summary>What it came to is in the store.</summary>
    public void Settled(Reaction reaction, TurnCost cost)
    {
        outcome = reaction switch
        {
            Reaction.End end => JsonNamingPolicy.CamelCase.ConvertName(end.Outcome.ToString()),
            Reaction.GiveBack { How: TurnReturn.Park } or Reaction.StopWork { How: TurnReturn.Park } => "parked",
            _ => "retried",
        };
        Measures.TurnCost.Add((double)cost.Usd);
    }

    public void Dispose()
    {
        Measures.TurnDuration.Record(
            time.GetElapsedTime(started).TotalSeconds,
            new KeyValuePair<string, object?>("outcome", outcome)
        );
        span?.SetTag(Tracing.Outcome, outcome);
        if (outcome is "lost" or "failed")
            span?.SetStatus(ActivityStatusCode.Error);
        span?.Dispose();
    }
}
