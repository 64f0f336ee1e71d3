using System.ComponentModel;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/explain/…</c> and <c>/v1/tail</c>: the ledger, asked about one thing or followed.</summary>
static class ExplainApi
{
    public static void MapExplain(this IEndpointRouteBuilder routes)
    {
        routes
            .MapGet("/v1/explain/events/{id}", Event)
            .RequireScope(ApiScopes.SessionsRead)
            .AllowRunTokens()
            .WithName("ExplainEvent")
            .WithTags("explain")
            .WithSummary("What became of an event, by the id of any observation of it.")
            .Produces<Contract.EventExplanation>()
            .ProducesProblem(StatusCodes.Status404NotFound);
        routes
            .MapGet("/v1/explain/sessions/{key}", Session)
            .RequireScope(ApiScopes.SessionsRead)
            .AllowRunTokens()
            .WithName("ExplainSession")
            .WithTags("explain")
            .WithSummary("Why a session does what it does.")
            .Produces<Contract.SessionExplanation>()
            .ProducesProblem(StatusCodes.Status404NotFound);
        routes
            .MapGet(
                "/v1/collisions",
                async (Explanations explain, CancellationToken cancel) =>
                    Results.Ok((await explain.ListCollisions(cancel)).ToContract())
            )
            .RequireScope(ApiScopes.SessionsRead)
            .WithName("ListCollisions")
            .WithTags("explain")
            .WithSummary("Events that came under the dedup key of another fact.")
            .Produces<Contract.Collisions>();
        routes
            .MapGet("/v1/activity", Activity)
            .RequireScope(ApiScopes.SessionsRead)
            .WithName("ListActivity")
            .WithTags("explain")
            .WithSummary(
                "What people did, the newest first: wakes and replays that they asked for, answers, what they allowed, "
                    + "closed, reset and paused."
            )
            .WithNextPage()
            .Produces<IReadOnlyList<Contract.LedgerLine>>()
            .ProducesValidationProblem();
        routes
            .MapGet("/v1/tail", Tail)
            .RequireScope(ApiScopes.SessionsRead)
            .WithName("Tail")
            .WithTags("explain")
            .WithSummary(
                "The ledger as it is written, as server-sent events. Who does not keep up is ended, with a last line "
                    + "of the type end that says so."
            )
            .Produces<Contract.LedgerLine>(contentType: "text/event-stream");
    }

    static async Task<IResult> Event(
        PathKey named,
        HttpContext http,
        Explanations explain,
        CancellationToken cancel,
        string? source = null
    )
    {
        var run = Caller.From(http).Run;
        return await explain.ExplainEvent(named.Value, source, cancel, run?.Key) is { } explanation
            ? Results.Ok(explanation.ToContract())
            : ProblemResults.Create(
                StatusCodes.Status404NotFound,
                run is null
                    ? $"No event {named.Value} was accepted here."
                    : $"No event {named.Value} came to the session {run.Key}."
            );
    }

    static async Task<IResult> Session(PathKey named, Explanations explain, CancellationToken cancel) =>
        await explain.ExplainSession(named.Value, cancel) is { } explanation
            ? Results.Ok(explanation.ToContract())
            : ProblemResults.Create(
                StatusCodes.Status404NotFound,
                $"There is no session {named.Value}. wake sessions lists them."
            );

    static async Task<IResult> Activity(
        HttpContext http,
        Explanations explain,
        CancellationToken cancel,
        int limit = 100,
        [Description(PageLinks.CursorDescription)] string? cursor = null
    )
    {
        if (RequestValidation.ValidateLimit(limit) is { } wrong)
            return wrong;

        try
        {
            var page = await explain.ListActivity(limit, cursor, cancel);
            http.LinkNextPage(page.Next);
            return Results.Ok(page.Rows.Select(x => x.ToContract()));
        }
        catch (PageCursorException)
        {
            return PageLinks.InvalidCursor();
        }
    }

    static async Task<IResult> Tail(
        LedgerFeed feed,
        IOptions<GatewayOptions> options,
        IHostApplicationLifetime host,
        HttpContext http
    )
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(
            host.ApplicationStopping,
            http.RequestAborted
        );
        if (await feed.Follow(either.Token) is not { } follower)
            return ServerSentEvents.TooManyFollow(http, $"{options.Value.MaxFollowers} follow already");

        try
        {
            // What happens from now on it will be told.
            await ServerSentEvents.Write(http, follower.ReadLines(either.Token), follower.Abandoned);
        }
        catch (OperationCanceledException) when (follower.Abandoned.IsCancellationRequested)
        {
            http.Abort();
        }
        finally
        {
            feed.Unfollow(follower);
        }

        return Results.Empty;
    }
}
