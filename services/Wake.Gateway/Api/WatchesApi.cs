using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/watches</c>: which session wants to hear of what.</summary>
static class WatchesApi
{
    public static void MapWatches(this IEndpointRouteBuilder routes)
    {
        var watches = routes.MapGroup("/v1/watches").WithTags("watches");

        watches
            .MapPost("", Create)
            .RequireScope(ApiScopes.SessionsWrite)
            .AllowRunTokens()
            .WithIdempotencyKey()
            .WithName("CreateWatch")
            .WithSummary("Wake a session when events match, those of the last five minutes included.")
            .Produces<Contract.CreatedWatch>(StatusCodes.Status201Created)
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status404NotFound);
        watches
            .MapGet("", List)
            .RequireScope(ApiScopes.SessionsRead)
            .AllowRunTokens()
            .WithName("ListWatches")
            .WithSummary(
                "The watches of one session, or of all, the oldest first; pass the id of the last as after for the "
                    + "next page."
            )
            .Produces<IReadOnlyList<Contract.Watch>>()
            .ProducesValidationProblem();
        watches
            .MapGet("/{id:guid}", Show)
            .RequireScope(ApiScopes.SessionsRead)
            .AllowRunTokens()
            .WithName("ShowWatch")
            .WithSummary("One watch.")
            .Produces<Contract.Watch>()
            .ProducesProblem(StatusCodes.Status404NotFound);
        watches
            .MapDelete("/{id:guid}", Delete)
            .RequireScope(ApiScopes.SessionsWrite)
            .AllowRunTokens()
            .WithName("DeleteWatch")
            .WithSummary("End a watch. What it has routed stays routed.")
            .Produces(StatusCodes.Status204NoContent)
            .ProducesProblem(StatusCodes.Status404NotFound);
    }

    static async Task<IResult> Create(
        Contract.NewWatch body,
        HttpContext http,
        Watches watches,
        WakeTimers timers,
        TimeProvider time,
        CancellationToken cancel
    )
    {
        var problems = RequestValidation.Collect(
            RequestValidation.RequiredText("session", body.Session, EventLimits.MaxKeyLength),
            RequestValidation.RequiredText("subject", body.Subject, EventLimits.MaxKeyLength),
            RequestValidation.OptionalText("intent", body.Intent, EventLimits.MaxReasonLength)
        );
        problems.AddRange(RequestValidation.ValidateList("types", body.Types, EventLimits.MaxNameLength));
        problems.AddRange(RequestValidation.ValidateList("until", body.Until, EventLimits.MaxNameLength));
        problems.AddRange(RequestValidation.ValidateConditions("where", body.Where));

        if (body.ExpectBy is { } deadline)
        {
            var now = time.GetUtcNow();
            if (deadline <= now || deadline > now + WatchDeadlines.Maximum)
                problems.Add(
                    ("expectBy", $"must be to come, and at most {WatchDeadlines.Maximum.TotalDays} days ahead.")
                );
            else if (deadline >= body.Expires)
                problems.Add(("expectBy", "must be before the watch expires."));
        }

        var ci = body.Ci?.ToStore();
        problems.AddRange(ci?.Problems() ?? []);
        if (ci is { AllPullRequests: true } && Caller.From(http).Run is not null)
            problems.Add(("ci.allPullRequests", "is for people to set: it acts on pull requests of others."));

        // A session writes where its turns are about by its own account, if it may; Wake's account is its owner's.
        if (body.Report is not null and not Contract.ReportPolicy.None && Caller.From(http).Run is not null)
            problems.Add(("report", "is for people to set: it writes with an account of theirs."));

        problems.AddRange(EndProblems(body));

        if (problems.Count > 0)
            return ProblemResults.Invalid(problems);

        if (Caller.From(http) is { Run: { } run } caller && !caller.MayActFor(body.Session!))
            return ApiKeyAuthentication.ForbiddenForOtherSession(run);

        var wanted = new WatchDefinition(body.Subject!)
        {
            Types = body.Types,
            Where = body.Where,
            Until = body.Until,
            Once = body.Once,
            Intent = body.Intent,
            Expires = body.Expires,
            Ci = ci,
            Report = body.Report?.ToStore(),
            ExpectBy = body.ExpectBy,
            CloseAfter =
                body.OnEnd is Contract.EndPolicy.Close ? TimeSpan.FromSeconds(body.CloseAfterSeconds ?? 0) : null,
        };
        if (await watches.Create(body.Session!, wanted, cancel, http.NewOperationId()) is not var (watch, found, ended))
            return ProblemResults.Create(
                StatusCodes.Status404NotFound,
                $"There is no open session {body.Session}. Register it first (wake sessions add, or POST /v1/sessions)."
            );

        if (found > 0)
            await timers.NotifySweepers();

        return Results.Created($"/v1/watches/{watch.Id}", watch.ToCreated(found, ended));
    }

    static IEnumerable<(string Field, string Problem)> EndProblems(Contract.NewWatch body)
    {
        if (body.OnEnd is Contract.EndPolicy.Close && body.Subject?.Contains('*') is true)
            yield return ("onEnd", "close needs a subject without *: many subjects do not end with one of them.");
        if (body.CloseAfterSeconds is { } after)
        {
            if (body.OnEnd is not Contract.EndPolicy.Close)
                yield return ("closeAfterSeconds", "is for onEnd close.");
            else if (after < 0 || after > RouteDefinition.MaxCloseAfter.TotalSeconds)
                yield return (
                    "closeAfterSeconds",
                    $"must be from 0 to {RouteDefinition.MaxCloseAfter.TotalDays:0} days."
                );
        }
    }

    static async Task<IResult> List(
        HttpContext http,
        Watches watches,
        CancellationToken cancel,
        string? session = null,
        int limit = 100,
        Guid? after = null
    )
    {
        if (RequestValidation.ValidateLimit(limit) is { } wrong)
            return wrong;

        // Those of all are not its to see.
        if (Caller.From(http) is { Run: { } run } caller && !caller.MayActFor(session ??= run.Key))
            return ApiKeyAuthentication.ForbiddenForOtherSession(run);

        var last = after is { } id ? await watches.Find(id, cancel) : null;
        return after is not null && last is null
            ? ProblemResults.Invalid("after", "is no watch, or one that has ended meanwhile. Begin again without it.")
            : Results.Ok((await watches.List(session, limit, cancel, last)).Select(x => x.ToContract()));
    }

    static async Task<IResult> Show(Guid id, HttpContext http, Watches watches, CancellationToken cancel) =>
        await watches.Find(id, cancel) is { } watch && Caller.From(http).MayActFor(watch.Session)
            ? Results.Ok(watch.ToContract())
            : WatchNotFound(id);

    static async Task<IResult> Delete(Guid id, HttpContext http, Watches watches, CancellationToken cancel)
    {
        var caller = Caller.From(http);
        var own = caller.Run is null || await watches.Find(id, cancel) is { } watch && caller.MayActFor(watch.Session);
        return own && await watches.Delete(id, cancel) ? Results.NoContent() : WatchNotFound(id);
    }

    static IResult WatchNotFound(Guid id) =>
        ProblemResults.Create(StatusCodes.Status404NotFound, $"There is no watch {id}.");
}
