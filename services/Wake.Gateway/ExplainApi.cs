using System.Buffers;
using System.Diagnostics;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.Options;
using Wake.Store;

namespace Wake.Gateway;

/// <summary><c>/v1/explain/…</c> and <c>/v1/tail</c>: the ledger, asked about one thing or followed.</summary>
static class ExplainApi
{
    /// <summary>How often a follower looks for new lines.</summary>
    static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);

    /// <summary>How far each look goes back, for rows of transactions that commit late.</summary>
    static readonly TimeSpan Overlap = TimeSpan.FromSeconds(10);

    /// <summary>The longest a follower hears nothing; then it is sent an empty event of this type.</summary>
    public const string Ping = "ping";

    static readonly TimeSpan Silence = TimeSpan.FromSeconds(15);

    public static void MapExplain(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/explain/events/{id}", Event).Needs(ApiScopes.SessionsRead).AlsoForRuns().WithName("ExplainEvent").WithTags("explain")
            .WithSummary("What became of an event, by the id of any observation of it.")
            .Produces<EventExplanation>().ProducesProblem(StatusCodes.Status404NotFound);
        routes.MapGet("/v1/explain/sessions/{key}", Session).Needs(ApiScopes.SessionsRead).AlsoForRuns().WithName("ExplainSession").WithTags("explain")
            .WithSummary("Why a session does what it does.")
            .Produces<SessionExplanation>().ProducesProblem(StatusCodes.Status404NotFound);
        routes.MapGet("/v1/collisions", async (Explain explain, CancellationToken cancel) => Results.Ok(await explain.Collisions(cancel)))
            .Needs(ApiScopes.SessionsRead).WithName("ListCollisions").WithTags("explain")
            .WithSummary("Events that came under the dedup key of another fact.")
            .Produces<Collisions>();
        routes.MapGet("/v1/tail", Tail).Needs(ApiScopes.SessionsRead).WithName("Tail").WithTags("explain")
            .WithSummary("The ledger as it is written, as server-sent events.")
            .Produces<LedgerLine>(contentType: "text/event-stream");
    }

    static async Task<IResult> Event(PathKey named, HttpContext http, Explain explain, CancellationToken cancel, string? source = null)
    {
        var run = Caller.Of(http).Run;
        return await explain.Event(named.Value, source, cancel, run?.Key) is { } explanation ? Results.Ok(explanation)
            : Problems.Of(StatusCodes.Status404NotFound, run is null ? $"No event {named.Value} was accepted here."
                : $"No event {named.Value} came to the session {run.Key}.");
    }

    static async Task<IResult> Session(PathKey named, Explain explain, CancellationToken cancel) =>
        await explain.Session(named.Value, cancel) is { } explanation
            ? Results.Ok(explanation)
            : Problems.Of(StatusCodes.Status404NotFound, $"There is no session {named.Value}. wake sessions lists them.");

    static async Task Tail(Explain explain, IHostApplicationLifetime host, HttpContext http, IOptions<JsonOptions> json)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(host.ApplicationStopping, http.RequestAborted);
        var begin = await explain.Now(either.Token);

        // The follower learns at once that it is connected: what happens from now on it will be told.
        http.Response.ContentType = "text/event-stream";
        http.Response.Headers.CacheControl = "no-cache";
        await http.Response.Body.FlushAsync(either.Token);

        await SseFormatter.WriteAsync(
            Follow(explain, begin, either.Token), http.Response.Body,
            (item, writer) => writer.Write(item.Data is { } line ? JsonSerializer.SerializeToUtf8Bytes(line, json.Value.SerializerOptions) : "{}"u8),
            CancellationToken.None);
    }

    static async IAsyncEnumerable<SseItem<LedgerLine?>> Follow(
        Explain explain, DateTimeOffset begin, [EnumeratorCancellation] CancellationToken cancel)
    {
        using var ticks = new PeriodicTimer(Look);
        var seen = new HashSet<LedgerLine>();
        var told = Stopwatch.StartNew();

        while (await Tick())
        {
            var from = await explain.Now(CancellationToken.None) - Overlap;
            foreach (var line in await explain.Since(from > begin ? from : begin, CancellationToken.None))
            {
                if (!seen.Add(line))
                    continue;

                told.Restart();
                yield return new(line, line.What);
            }

            // A connection that broke without a word is only noticed by writing to it.
            if (told.Elapsed > Silence)
            {
                told.Restart();
                yield return new(null, Ping);
            }

            seen.RemoveWhere(x => x.At < from);
        }

        async Task<bool> Tick()
        {
            try
            {
                return await ticks.WaitForNextTickAsync(cancel);
            }
            catch (OperationCanceledException)
            {
                return false;
            }
        }
    }
}
