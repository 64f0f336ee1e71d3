using System.Diagnostics;
using System.Text.Json;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>What is seen of one attempt from outside: its span, and the metrics it adds to. Disposed when it is over,
/// settled or not.</summary>
sealed class TurnTelemetry : IDisposable
{
    readonly Activity? span;
    readonly TimeProvider time;
    readonly long started;
    string outcome = "lost";

    /// <summary>It begins.</summary>
    public TurnTelemetry(ClaimedTurn turn, TimeProvider time)
    {
        (this.time, started) = (time, time.GetTimestamp());

        // The command of a follow-up comes in the trace of the turn before it.
        var decision = new TraceContext(turn.TraceParent, turn.TraceState);
        span = Tracing.Start(
            Tracing.Turn,
            ActivityKind.Internal,
            decision.IsOfCurrentTrace ? default : decision,
            turn.Events.Select(x => new TraceContext(x.TraceParent, x.TraceState))
        );
        span?.SetTag(Tracing.Session, turn.SessionKey);
        span?.SetTag(Tracing.WakeNumber, turn.WakeNumber);
        span?.SetTag(Tracing.Attempt, turn.Attempt);
        span?.SetTag(Tracing.Events, turn.Events.Take(Tracing.MaxEvents).Select(x => x.Id).ToArray());

        // An expired lease is counted by the runner that takes the turn over: the previous one may be dead.
        if (turn.CrashedAttempts > 0)
            WakeMetrics.LeasesLost.Add(1);
        if (turn.Attempt > 1)
            return;

        WakeMetrics.CoalesceSize.Record(turn.Events.Count);
        if (turn.WakeLatency is { } waited)
            WakeMetrics.WakeLatency.Record(waited.TotalSeconds);
    }

    /// <summary>What it came to is in the store.</summary>
    public void SetOutcome(Reaction reaction, TurnCost cost)
    {
        outcome = reaction switch
        {
            Reaction.End end => JsonNamingPolicy.CamelCase.ConvertName(end.Outcome.ToString()),
            Reaction.Release { How: TurnRelease.Park } or Reaction.PauseRunner { How: TurnRelease.Park } => "parked",
            _ => "retried",
        };
        WakeMetrics.TurnCost.Add((double)cost.Usd);
    }

    public void Dispose()
    {
        WakeMetrics.TurnDuration.Record(
            time.GetElapsedTime(started).TotalSeconds,
            new KeyValuePair<string, object?>("outcome", outcome)
        );
        span?.SetTag(Tracing.Outcome, outcome);
        if (outcome is "lost" or "failed")
            span?.SetStatus(ActivityStatusCode.Error);
        span?.Dispose();
    }
}
