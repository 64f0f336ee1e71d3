using System.ComponentModel;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/events</c>: the HTTP front of the intake, which answers after the commit, with the decision; and the
/// list of what was accepted.</summary>
static class EventsApi
{
    public static void MapEvents(this IEndpointRouteBuilder routes)
    {
        routes
            .MapGet("/v1/events", List)
            .RequireScope(ApiScopes.SessionsRead)
            .AllowRunTokens()
            .WithName("ListEvents")
            .WithSummary("Events that were accepted, the newest first.")
            .WithNextPage()
            .Produces<IReadOnlyList<Contract.EventSummary>>()
            .ProducesValidationProblem();
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
    }

    static async Task<IResult> List(
        HttpContext http,
        EventList events,
        CancellationToken cancel,
        int limit = 100,
        [Description("Only those about this subject; * stands for anything.")] string? subject = null,
        [Description("Only those of this type; * stands for anything.")] string? type = null,
        [Description("Only those of this source; * stands for anything.")] string? source = null,
        [Description("Only those with this text in their reason, subject or id.")] string? text = null,
        [Description(
            "Only those that were routed to a session (routed), or to none (unwatched); that caused a turn (woke), or "
                + "were taken along by one (coalesced); that were observed more than once (duplicate); that had "
                + "expired, or no longer held, before a turn took them (stale)."
        )]
            string? outcome = null,
        [Description("Only those that were routed to the session of this key.")] string? session = null,
        [Description("Only those accepted at this moment or later.")] DateTimeOffset? since = null,
        [Description("Only those accepted before this moment.")] DateTimeOffset? until = null,
        [Description(PageLinks.CursorDescription)] string? cursor = null
    )
    {
        if (RequestValidation.ValidateLimit(limit) is { } wrong)
            return wrong;

        // What came to others is not its to see.
        var caller = Caller.From(http);
        if (caller.Run is { } run && !caller.MayActFor(session ??= run.Key))
            return ApiKeyAuthentication.ForbiddenForOtherSession(run);
        List<(string, string)> problems = [];
        if (!RequestValidation.TryParseWord<EventOutcome>("outcome", outcome, problems, out var became))
            return ProblemResults.Invalid(problems);

        var query = new EventQuery
        {
            Subject = subject,
            Type = type,
            Source = source,
            Text = text,
            Outcome = became,
            Session = session,
            Since = since,
            Until = until,
        };
        try
        {
            var page = await events.Read(query, limit, cursor, cancel);
            http.LinkNextPage(page.Next);
            return Results.Ok(page.Rows.Select(x => (caller.Run is null ? x : x with { Sessions = 1 }).ToContract()));
        }
        catch (PageCursorException)
        {
            return PageLinks.InvalidCursor();
        }
    }

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
