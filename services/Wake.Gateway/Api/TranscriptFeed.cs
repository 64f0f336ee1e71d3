using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.Options;
using Wake.Prompting;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>
/// Follows turns while somebody does: whether there is anything new, of all of them, is one query for everybody. A
/// runner saves each row of a transcript as it is written, so that is what there is to see of a turn that runs.
/// </summary>
sealed class TranscriptFeed(
    TurnTranscripts transcripts,
    IOptions<GatewayOptions> options,
    IOptions<JsonOptions> json,
    TimeProvider time,
    IHostApplicationLifetime host,
    ILogger<TranscriptFeed> log
) : FollowerFeed<TranscriptFeed.Follower>(options, time, host, log)
{
    /// <summary>The type of what was said and done.</summary>
    public const string EntriesType = "entries";

    /// <summary>The type of the last line: the turn is over.</summary>
    public const string EndType = "end";

    /// <summary>
    /// How long one connection lasts. The follower connects again, with its key, and goes on from there.
    /// </summary>
    public static readonly TimeSpan MaxConnection = TimeSpan.FromMinutes(5);

    const int EntriesPerLine = 100;

    protected override TimeSpan PollInterval => TimeSpan.FromMilliseconds(500);

    protected override string Subject => "Transcripts";

    /// <summary>Begins to follow a turn. Null when as many follow as may.</summary>
    public Follower? Follow(TurnInTranscript turn)
    {
        var follower = new Follower(turn.SessionId, turn.Number);
        return TryAdd(follower) ? follower : null;
    }

    /// <summary>
    /// What the turn says, from its beginning or from behind a cursor, as it is saved. The id of each line is the
    /// cursor to go on from. Ends with the turn, or when PostgreSQL does not answer.
    /// </summary>
    public async IAsyncEnumerable<SseItem<byte[]>> ReadLines(
        Follower follower,
        string? cursor,
        [EnumeratorCancellation] CancellationToken cancel
    )
    {
        while (await transcripts.Find(follower.SessionId, follower.Number, cancel) is { } turn)
        {
            var page = await transcripts.Read(
                turn,
                TurnMessage.IdsOf(turn),
                TurnMessage.IdsOfNext(turn),
                EntriesPerLine,
                cursor,
                cancel
            );
            cursor = page.End;
            if (page.Entries is not [])
            {
                var entries = page.Entries.Select(x => x.ToContract()).ToList();
                yield return new(
                    JsonSerializer.SerializeToUtf8Bytes(entries, json.Value.SerializerOptions),
                    EntriesType
                )
                {
                    EventId = cursor,
                };
            }

            if (page.Next is not null)
                continue;

            if (page.IsOver)
            {
                yield return new("{}"u8.ToArray(), EndType);
                yield break;
            }

            while (await WaitForChange(follower, cancel) is not true and var isThere)
            {
                if (isThere is false)
                    yield break;

                yield return ServerSentEvents.Ping;
            }
        }
    }

    protected override Func<IReadOnlyList<Follower>, Task> BeginPolling() =>
        async present =>
        {
            var progress = await transcripts.ReadProgress(
                [.. present.Select(x => (x.SessionId, x.Number)).Distinct()],
                CancellationToken.None
            );
            var byTurn = progress.ToDictionary(x => (x.SessionId, x.Number));
            foreach (var follower in present)
                follower.Tell(byTurn.GetValueOrDefault((follower.SessionId, follower.Number)));
        };

    // They connect again, and go on from where they are.
    protected override void Fail(Follower follower, Exception failure) => follower.Changes.Writer.TryComplete();

    // True: there is more; false: nobody looks any longer; null: not for long.
    static async Task<bool?> WaitForChange(Follower follower, CancellationToken cancel)
    {
        var some = await ServerSentEvents.WaitToRead(follower.Changes.Reader, cancel);
        return some is true ? follower.Changes.Reader.TryRead(out _) : some;
    }

    /// <summary>Somebody who follows a turn.</summary>
    public sealed class Follower(Guid sessionId, int number)
    {
        TurnProgress? known;

        public Guid SessionId => sessionId;

        public int Number => number;

        /// <summary>Something is new, however often.</summary>
        public Channel<bool> Changes { get; } =
            Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

        public void Tell(TurnProgress? progress)
        {
            if (progress == known)
                return;

            known = progress;
            Changes.Writer.TryWrite(true);
        }
    }
}
