using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Http.HttpResults;
using Wake.Store;

namespace Wake.Gateway;

/// <summary><c>/v1/explain/…</c> and <c>/v1/tail</c>: the ledger, asked about one thing or followed.</summary>
static class ExplainApi
{
    /// <summary>How often a follower looks for new lines.</summary>
    static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);

    /// <summary>How far each look goes back, for rows of transactions that commit late.</summary>
    static readonly TimeSpan Overlap = TimeSpan.FromSeconds(10);

    public static void MapExplain(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/explain/events/{id}", Event).WithName("ExplainEvent").WithTags("explain")
            .WithSummary("What became of an event, by the id of any observation of it.")
            .Produces<EventExplanation>().ProducesProblem(StatusCodes.Status404NotFound);
        routes.MapGet("/v1/explain/sessions/{key}", Session).WithName("ExplainSession").WithTags("explain")
            .WithSummary("Why a session does what it does.")
            .Produces<SessionExplanation>().ProducesProblem(StatusCodes.Status404NotFound);
        routes.MapGet("/v1/tail", Tail).WithName("Tail").WithTags("explain")
            .WithSummary("The ledger as it is written, as server-sent events.")
            .Produces<LedgerLine>(contentType: "text/event-stream");
    }

    static async Task<IResult> Event(PathKey named, Explain explain, CancellationToken cancel, string? source = null) =>
        await explain.Event(named.Value, source, cancel) is { } explanation
            ? Results.Ok(explanation)
            : Problems.Of(StatusCodes.Status404NotFound, $"No event {named.Value} was accepted here.");

    static async Task<IResult> Session(PathKey named, Explain explain, CancellationToken cancel) =>
        await explain.Session(named.Value, cancel) is { } explanation
            ? Results.Ok(explanation)
            : Problems.Of(StatusCodes.Status404NotFound, $"There is no session {named.Value}. wake sessions lists them.");

    static ServerSentEventsResult<LedgerLine> Tail(Explain explain, IHostApplicationLifetime host, HttpContext http) =>
        TypedResults.ServerSentEvents(Follow(explain, host.ApplicationStopping, http.RequestAborted));

    static async IAsyncEnumerable<SseItem<LedgerLine>> Follow(
        Explain explain, CancellationToken stopping, [EnumeratorCancellation] CancellationToken cancel)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stopping, cancel);
        using var ticks = new PeriodicTimer(Look);
        var begin = await explain.Now(either.Token);
        var seen = new HashSet<LedgerLine>();

        while (await Ticks())
        {
            var from = await explain.Now(either.Token) - Overlap;
            foreach (var line in await explain.Since(from > begin ? from : begin, either.Token))
            {
                if (seen.Add(line))
                    yield return new(line, line.What);
            }

            seen.RemoveWhere(x => x.At < from);
        }

        async Task<bool> Ticks()
        {
            try
            {
                return await ticks.WaitForNextTickAsync(either.Token);
            }
            catch (OperationCanceledException)
            {
                return false;
            }
        }
    }
}
