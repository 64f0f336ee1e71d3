using System.Diagnostics;
using Wake.Contracts;
using Wake.Prompting;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>
/// The intake as the gateway's doors use it, and the producers of the same process: with the trace of the request, and
/// a call to the sweepers.
/// </summary>
public sealed class EventIngress(Intake intake, InboxEntries entries, WakeTimers timers, WakePrompt prompt)
{
    /// <summary>What is due later than this a sweeper finds by itself: it polls every second.</summary>
    static readonly TimeSpan NotifySweepersWithin = TimeSpan.FromSeconds(1);

    /// <summary>Returns once the events are committed, with what was decided about each.</summary>
    public async Task<IReadOnlyList<IntakeResult>> Accept(
        IReadOnlyList<ExternalEventObserved> events,
        CancellationToken cancel
    )
    {
        if (events is [])
            return [];

        using var activity = Tracing.Start(Tracing.Intake, ActivityKind.Internal, default);
        activity?.SetTag(Tracing.Events, events.Take(Tracing.MaxEvents).Select(x => x.Id).ToArray());

        var trace = TraceContext.Current;
        return await intake.Accept(
            [.. events.Select(x => ToObservation(x, trace))],
            cancel,
            due => due < NotifySweepersWithin ? timers.NotifySweepers() : Task.CompletedTask
        );
    }

    /// <summary>
    /// The same for a request. Of one that is done again, because its answer was lost, the events are duplicates of
    /// themselves, and what was decided is what was decided then.
    /// </summary>
    internal async Task<IReadOnlyList<IntakeResult>> Accept(
        HttpContext http,
        IReadOnlyList<ExternalEventObserved> events,
        CancellationToken cancel
    )
    {
        var decisions = await Accept(events, cancel);
        if (!http.IsRetry() || !decisions.Any(IsOfItself))
            return decisions;

        var sessions = (await entries.FindByEvents(decisions.Select(x => x.Event), cancel)).ToLookup(
            x => x.Event,
            x => x.Entry.Session
        );
        return
        [
            .. events.Zip(
                decisions,
                (observed, decision) =>
                    IsOfItself(decision)
                        ? IntakeResult.Create(observed, [.. sessions[decision.Event]]) with
                        {
                            Event = decision.Event,
                            Warnings = decision.Warnings,
                        }
                        : decision
            ),
        ];

        static bool IsOfItself(IntakeResult decision) => decision.DuplicateOf == decision.Id;
    }

    /// <summary>Says what would be decided about events, and takes none.</summary>
    public async Task<IReadOnlyList<DryRunResult>> DryRun(
        IReadOnlyList<ExternalEventObserved> events,
        CancellationToken cancel
    ) =>
        events is []
            ? []
            : await intake.DryRun([.. events.Select(x => ToObservation(x, default))], prompt.RenderDryRun, cancel);

    // What comes in by this door is only its publisher's word, but for what a producer of the same process vouches for.
    static Observation ToObservation(ExternalEventObserved observed, TraceContext trace) =>
        new(observed, trace.TraceParent, trace.TraceState, observed.DedupScope);
}
