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
)
{
    /// <summary>The type of what was said and done.</summary>
    public const string EntriesType = "entries";

    /// <summary>The type of the last line: the turn is over.</summary>
    public const string EndType = "end";

    static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(500);

    // A connection that broke without a word is only noticed by writing to it.
    static readonly TimeSpan PingInterval = TimeSpan.FromSeconds(15);

    const int EntriesPerLine = 100;

    readonly Lock mutex = new();
    readonly HashSet<Follower> followers = [];
    bool isPolling;

    /// <summary>Begins to follow a turn. Null when as many follow as may.</summary>
    public Follower? Follow(TurnInTranscript turn)
    {
        var follower = new Follower(turn.SessionId, turn.Number);
        lock (mutex)
        {
            if (followers.Count >= options.Value.MaxFollowers)
                return null;

            followers.Add(follower);
            if (!isPolling)
            {
                isPolling = true;
                _ = Task.Run(PollProgress, CancellationToken.None);
            }
        }

        return follower;
    }

    /// <summary>Ends it.</summary>
    public void Unfollow(Follower follower)
    {
        lock (mutex)
            followers.Remove(follower);
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

                yield return new("{}"u8.ToArray(), LedgerFollower.PingType);
            }
        }
    }

    // True: there is more; false: nobody looks any longer; null: not for long.
    static async Task<bool?> WaitForChange(Follower follower, CancellationToken cancel)
    {
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        silence.CancelAfter(PingInterval);
        try
        {
            return await follower.Changes.Reader.WaitToReadAsync(silence.Token)
                && follower.Changes.Reader.TryRead(out _);
        }
        catch (OperationCanceledException)
        {
            return cancel.IsCancellationRequested ? false : null;
        }
    }

    async Task PollProgress()
    {
        using var ticks = new PeriodicTimer(PollInterval, time);
        try
        {
            do
            {
                Follower[] present;
                lock (mutex)
                    present = [.. followers];

                var progress = await transcripts.ReadProgress(
                    [.. present.Select(x => (x.SessionId, x.Number)).Distinct()],
                    CancellationToken.None
                );
                var byTurn = progress.ToDictionary(x => (x.SessionId, x.Number));
                foreach (var follower in present)
                    follower.Tell(byTurn.GetValueOrDefault((follower.SessionId, follower.Number)));
                await ticks.WaitForNextTickAsync(CancellationToken.None);
            } while (!TryStopPolling());
        }
        catch (Exception failed)
        {
            if (!host.ApplicationStopping.IsCancellationRequested)
                log.LogWarning("Transcripts could not be read for those who follow them: {Reason}", failed.Message);
            EndAll();
        }
    }

    bool TryStopPolling()
    {
        lock (mutex)
        {
            if (followers.Count > 0 && !host.ApplicationStopping.IsCancellationRequested)
                return false;

            isPolling = false;
            return true;
        }
    }

    // They connect again, and go on from where they are.
    void EndAll()
    {
        lock (mutex)
        {
            isPolling = false;
            foreach (var follower in followers)
                follower.Changes.Writer.TryComplete();
        }
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
