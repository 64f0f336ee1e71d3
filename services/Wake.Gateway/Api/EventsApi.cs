using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using Wake.Contracts;
using Wake.Prompting;
using Wake.ServiceDefaults;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/events</c>: the HTTP front of the intake. Answers after the commit, with the decision.</summary>
static class EventsApi
{
    public static void MapEvents(this IEndpointRouteBuilder routes) =>
        routes
            .MapPost("/v1/events", Accept)
            .WithName("AcceptEvents")
            .RequireScope(ApiScopes.EventsWrite)
            .WithIdempotencyKey()
            .WithMetadata(new PreferWait.SupportsPreferWait())
            .WithSummary("Publish one event, or an array of them.")
            .WithDescription(
                "Answers 202 once the events are committed, in the order given, with what was decided about each. All "
                    + "or nothing: when one is not valid none is accepted. With dryRun=true it answers 200 with which "
                    + "sessions would receive it, why, and what those that wake would read, and leaves everything as "
                    + "it was; a key without the scope sessions:read is told only how many. With Prefer: wait=N it "
                    + "answers when the turns that the events start are over (200), or after N seconds with what is "
                    + "known by then (202)."
            )
            .WithMetadata(new RequestSizeLimitAttribute(RequestBody.MaxDrainedBytes))
            .Accepts<ExternalEventObserved>("application/json")
            .Produces<Contract.IntakeResult>(StatusCodes.Status202Accepted)
            .Produces<Contract.DryRunResult>()
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status413PayloadTooLarge)
            .ProducesProblem(StatusCodes.Status415UnsupportedMediaType)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

    static async Task<IResult> Accept(
        HttpContext http,
        EventIngress door,
        PreferWait waiting,
        CancellationToken cancel,
        bool dryRun = false
    )
    {
        if (!http.Request.HasJsonContentType())
            return ProblemResults.Create(StatusCodes.Status415UnsupportedMediaType, "Send events as application/json.");

        if (await RequestBody.ReadBounded(http.Request.BodyReader, cancel) is not { } bytes)
            return RequestBody.TooLarge();

        try
        {
            using var body = JsonDocument.Parse(ByteOrderMark.Skip(bytes));
            return await AcceptParsed(http, body.RootElement, door, waiting, dryRun, cancel);
        }
        catch (JsonException wrong)
        {
            return ProblemResults.Create(
                StatusCodes.Status400BadRequest,
                $"The body is not JSON: {EventJson.DescribeError(wrong)}"
            );
        }
        finally
        {
            http.Request.BodyReader.AdvanceTo(bytes.End);
        }
    }

    static async Task<IResult> AcceptParsed(
        HttpContext http,
        JsonElement body,
        EventIngress door,
        PreferWait waiting,
        bool dryRun,
        CancellationToken cancel
    )
    {
        var (single, count) = (body.ValueKind is not JsonValueKind.Array, EventBatch.Count(body));
        if (count > EventLimits.MaxBatchSize)
            return ProblemResults.Create(
                StatusCodes.Status413PayloadTooLarge,
                $"{count} events; {EventLimits.MaxBatchSize} are allowed in one request."
            );

        var (events, problems) = EventBatch.Parse(body);
        if (problems is not [])
            return ProblemResults.Invalid(problems);

        var caller = Caller.From(http);
        if (caller.Refusal(events) is { } refusal)
            return refusal;

        events = [.. events.Select(x => x with { Namespace = caller.Namespace })];

        if (dryRun)
        {
            var results = await door.DryRun(events, cancel);
            if (!caller.HasScope(ApiScopes.SessionsRead))
                results = [.. results.Select(x => x.WithoutSessions())];
            return single ? Results.Ok(results[0].ToContract()) : Results.Ok(results.Select(x => x.ToContract()));
        }

        var decisions = await door.Accept(http, events, cancel);
        if (await waiting.WaitForTurns(http, decisions) is { } awaited)
            return AwaitedResult(single, awaited);

        return single
            ? Results.Accepted(null, decisions[0].ToContract())
            : Results.Accepted(null, decisions.Select(x => x.ToContract()));
    }

    /// <summary>What came of waiting for turns: 200 when all are over.</summary>
    public static IResult AwaitedResult(bool single, IReadOnlyList<Contract.AwaitedDecision> awaited)
    {
        object body = single ? awaited[0] : awaited;
        return awaited.All(x => x.Completed) ? Results.Ok(body) : Results.Accepted(null, body);
    }
}

/// <summary>The intake as the HTTP door uses it: with the trace of the request, and a call to the sweepers.</summary>
public sealed class EventIngress(Intake intake, InboxEntries deliveries, WakeTimers timers, WakePrompt prompt)
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
        var (decisions, dueIn) = await intake.Accept([.. events.Select(x => ToObservation(x, trace))], cancel);

        for (var i = 0; i < events.Count; i++)
            WakeMetrics.RecordObservation(
                events[i].Source,
                events[i].Type,
                decisions[i].Outcome,
                decisions[i].CollidesWith is not null
            );

        if (dueIn < NotifySweepersWithin)
            await timers.NotifySweepers();

        return decisions;
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

        var sessions = (await deliveries.FindByEvents(decisions.Select(x => x.Event), cancel)).ToLookup(
            x => x.Event,
            x => x.Delivery.Session
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
