using System.Buffers;
using System.Net.ServerSentEvents;
using Microsoft.Extensions.Options;
using Wake.Store;

namespace Wake.Gateway;

/// <summary><c>/v1/explain/…</c> and <c>/v1/tail</c>: the ledger, asked about one thing or followed.</summary>
static class ExplainApi
{
    public static void MapExplain(this IEndpointRouteBuilder routes)
    {
        routes
            .MapGet("/v1/explain/events/{id}", Event)
            .Needs(ApiScopes.SessionsRead)
            .AlsoForRuns()
            .WithName("ExplainEvent")
            .WithTags("explain")
            .WithSummary("What became of an event, by the id of any observation of it.")
            .Produces<EventExplanation>()
            .ProducesProblem(StatusCodes.Status404NotFound);
        routes
            .MapGet("/v1/explain/sessions/{key}", Session)
            .Needs(ApiScopes.SessionsRead)
            .AlsoForRuns()
            .WithName("ExplainSession")
            .WithTags("explain")
            .WithSummary("Why a session does what it does.")
            .Produces<SessionExplanation>()
            .ProducesProblem(StatusCodes.Status404NotFound);
        routes
            .MapGet(
                "/v1/collisions",
                async (Explain explain, CancellationToken cancel) => Results.Ok(await explain.Collisions(cancel))
            )
            .Needs(ApiScopes.SessionsRead)
            .WithName("ListCollisions")
            .WithTags("explain")
            .WithSummary("Events that came under the dedup key of another fact.")
            .Produces<Collisions>();
        routes
            .MapGet("/v1/tail", Tail)
            .Needs(ApiScopes.SessionsRead)
            .WithName("Tail")
            .WithTags("explain")
            .WithSummary(
                "The ledger as it is written, as server-sent events. Who does not keep up is ended, with a last line of the type end that says so."
            )
            .Produces<LedgerLine>(contentType: "text/event-stream");
    }

    static async Task<IResult> Event(
        PathKey named,
        HttpContext http,
        Explain explain,
        CancellationToken cancel,
        string? source = null
    )
    {
        var run = Caller.Of(http).Run;
        return await explain.Event(named.Value, source, cancel, run?.Key) is { } explanation
            ? Results.Ok(explanation)
            : Problems.Of(
                StatusCodes.Status404NotFound,
                run is null
                    ? $"No event {named.Value} was accepted here."
                    : $"No event {named.Value} came to the session {run.Key}."
            );
    }

    static async Task<IResult> Session(PathKey named, Explain explain, CancellationToken cancel) =>
        await explain.Session(named.Value, cancel) is { } explanation
            ? Results.Ok(explanation)
            : Problems.Of(
                StatusCodes.Status404NotFound,
                $"There is no session {named.Value}. wake sessions lists them."
            );

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
        {
            http.Response.Headers.RetryAfter = "5";
            return Problems.Of(
                StatusCodes.Status503ServiceUnavailable,
                $"{options.Value.MaxFollowers} follow already, which is as many as may (Gateway__MaxFollowers). Ask again."
            );
        }

        try
        {
            // The follower learns at once that it is connected: what happens from now on it will be told.
            http.Response.ContentType = "text/event-stream";
            http.Response.Headers.CacheControl = "no-cache";
            await http.Response.Body.FlushAsync(either.Token);

            await SseFormatter.WriteAsync(
                follower.Lines(either.Token),
                http.Response.Body,
                (item, writer) => writer.Write(item.Data),
                follower.GivenUp
            );
        }
        catch (OperationCanceledException) when (follower.GivenUp.IsCancellationRequested)
        {
            http.Abort();
        }
        finally
        {
            feed.Leave(follower);
        }

        return Results.Empty;
    }
}
