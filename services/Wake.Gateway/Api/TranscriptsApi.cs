using System.ComponentModel;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Prompting;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary><c>/v1/sessions/{key}/turns/{number}/…</c>: what was said and done in a turn, read or followed.</summary>
static class TranscriptsApi
{
    public static void MapTranscripts(this IEndpointRouteBuilder routes)
    {
        var turn = routes.MapGroup("/v1/sessions/{key}/turns/{number:int}").WithTags("sessions");

        turn.MapGet("/transcript", Read)
            .RequireScope(ApiScopes.TranscriptsRead)
            .WithName("ReadTranscript")
            .WithSummary("What was said and done in a turn, in order, as far as it is saved.")
            .WithDescription(
                "A page ends with a whole message, so it may have a few entries more than its limit. It may also have "
                    + "none, and a next page: what lies before the turn is passed over in parts."
            )
            .WithNextPage()
            .Produces<IReadOnlyList<Contract.TranscriptEntry>>()
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status404NotFound);
        turn.MapGet("/live", Follow)
            .RequireScope(ApiScopes.TranscriptsRead)
            .WithName("FollowTurn")
            .WithSummary("The same from its beginning, and on as it is saved, as server-sent events.")
            .WithDescription(
                "Each event of the type entries is an array of entries. Its id, sent as Last-Event-ID, goes on behind "
                    + "it. The type end says that the turn is over; ping, that nothing is new. A connection ends after "
                    + "five minutes without that: connect again, and the key is looked at again."
            )
            .Produces<IReadOnlyList<Contract.TranscriptEntry>>(contentType: "text/event-stream")
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status404NotFound);
    }

    static async Task<IResult> Read(
        PathKey named,
        int number,
        HttpContext http,
        Sessions sessions,
        TurnTranscripts transcripts,
        CancellationToken cancel,
        int limit = 100,
        [Description(PageLinks.CursorDescription)] string? cursor = null
    )
    {
        if (RequestValidation.ValidateLimit(limit) is { } wrong)
            return wrong;
        if (await Find(named, number, sessions, transcripts, cancel) is not { } turn)
            return NotFound(named, number);

        try
        {
            var page = await transcripts.Read(
                turn,
                TurnMessage.IdsOf(turn),
                TurnMessage.IdsOfNext(turn),
                limit,
                cursor,
                cancel
            );
            http.LinkNextPage(page.Next);
            return Results.Ok(page.Entries.Select(x => x.ToContract()));
        }
        catch (PageCursorException)
        {
            return PageLinks.InvalidCursor();
        }
    }

    static async Task<IResult> Follow(
        PathKey named,
        int number,
        HttpContext http,
        Sessions sessions,
        TurnTranscripts transcripts,
        TranscriptFeed feed,
        IOptions<GatewayOptions> options,
        IHostApplicationLifetime host,
        TimeProvider time,
        [FromHeader(Name = "Last-Event-ID")] string? lastEventId = null
    )
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(
            host.ApplicationStopping,
            http.RequestAborted
        );
        if (await Find(named, number, sessions, transcripts, either.Token) is not { } turn)
            return NotFound(named, number);

        var cursor = lastEventId is "" ? null : lastEventId;
        if (!TurnTranscripts.IsCursor(cursor, number))
            return ProblemResults.Invalid("Last-Event-ID", "is none of this turn. Leave it out.");

        if (feed.Follow(turn) is not { } follower)
            return ServerSentEvents.TooManyFollow(http, $"{options.Value.MaxFollowers} follow turns already");

        using var bound = new CancellationTokenSource(TranscriptFeed.MaxConnection, time);
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(either.Token, bound.Token);
        try
        {
            await ServerSentEvents.Write(http, feed.ReadLines(follower, cursor, reading.Token), either.Token);
        }
        catch (OperationCanceledException) when (reading.IsCancellationRequested)
        {
            // Nobody reads any longer, or it is time to connect again.
        }
        finally
        {
            feed.Unfollow(follower);
        }

        return Results.Empty;
    }

    static async Task<TurnInTranscript?> Find(
        PathKey named,
        int number,
        Sessions sessions,
        TurnTranscripts transcripts,
        CancellationToken cancel
    ) =>
        await sessions.Find(named.Value, cancel) is { } session
            ? await transcripts.Find(session.Id, number, cancel)
            : null;

    static IResult NotFound(PathKey named, int number) =>
        ProblemResults.Create(
            StatusCodes.Status404NotFound,
            $"There is no session {named.Value} that has taken a turn {number}. wake sessions lists them."
        );
}
