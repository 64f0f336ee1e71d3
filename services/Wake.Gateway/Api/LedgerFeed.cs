using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.Options;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary>
/// Reads the ledger for everybody who follows it, once, and only while somebody does. A follower that does not keep up
/// is ended, so that it slows nobody.
/// </summary>
sealed class LedgerFeed(
    Explanations explain,
    IOptions<GatewayOptions> options,
    IOptions<JsonOptions> json,
    TimeProvider time,
    IHostApplicationLifetime host,
    ILogger<LedgerFeed> log
)
{
    /// <summary>How often it looks for new lines.</summary>
    static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(250);

    /// <summary>How far each look goes back, for rows of transactions that commit late.</summary>
    static readonly TimeSpan Overlap = TimeSpan.FromSeconds(10);

    readonly Lock mutex = new();
    readonly HashSet<LedgerFollower> followers = [];
    bool isReading;

    /// <summary>Begins to follow: what happens after this has returned is told. Null when as many follow as
    /// may.</summary>
    public async Task<LedgerFollower?> Follow(CancellationToken cancel)
    {
        var follower = new LedgerFollower(time);
        lock (mutex)
        {
            if (followers.Count >= options.Value.MaxFollowers)
                return null;

            followers.Add(follower);
            if (!isReading)
            {
                isReading = true;
                _ = Task.Run(PollLedger, CancellationToken.None);
            }
        }

        try
        {
            await follower.Joined.WaitAsync(cancel);
            return follower;
        }
        catch
        {
            Unfollow(follower);
            throw;
        }
    }

    /// <summary>Ends it. The reading ends with the last.</summary>
    public void Unfollow(LedgerFollower follower)
    {
        lock (mutex)
            followers.Remove(follower);
        follower.Dispose();
    }

    async Task PollLedger()
    {
        using var ticks = new PeriodicTimer(PollInterval, time);
        var seen = new HashSet<LedgerLine>();
        DateTimeOffset? begin = null;
        Exception? failure = null;
        try
        {
            do
            {
                // Those that come while it reads join with the next look.
                var present = CurrentFollowers();
                var now = await explain.GetDatabaseTime(CancellationToken.None);
                begin ??= now;
                foreach (var follower in present)
                    follower.MarkJoined(now);

                var from = now - Overlap;
                foreach (
                    var line in await explain.ListLedgerSince(from > begin ? from : begin.Value, CancellationToken.None)
                )
                {
                    if (seen.Add(line))
                        Broadcast(present, line);
                }

                seen.RemoveWhere(x => x.At < from);
                await ticks.WaitForNextTickAsync(CancellationToken.None);
            } while (!TryStopReading());
        }
        catch (Exception failed)
        {
            failure = failed;
            if (!host.ApplicationStopping.IsCancellationRequested)
                log.LogWarning("The ledger could not be read for those who follow it: {Reason}", failed.Message);
        }
        finally
        {
            FailAll(failure);
        }
    }

    LedgerFollower[] CurrentFollowers()
    {
        lock (mutex)
            return [.. followers];
    }

    void Broadcast(LedgerFollower[] present, LedgerLine line)
    {
        var told = new LedgerFollower.SerializedLine(
            line.What,
            line.At,
            JsonSerializer.SerializeToUtf8Bytes(line.ToContract(), json.Value.SerializerOptions)
        );
        foreach (var follower in present)
        {
            if (!follower.TryEnqueue(told))
                follower.Complete(
                    EndLine(
                        "This reads more slowly than lines are written, and what comes after this is not told. "
                            + "Connect again to go on from there."
                    )
                );
        }
    }

    bool TryStopReading()
    {
        lock (mutex)
        {
            if (followers.Count > 0 && !host.ApplicationStopping.IsCancellationRequested)
                return false;

            isReading = false;
            return true;
        }
    }

    // Where nobody failed, nobody follows any more.
    void FailAll(Exception? failure)
    {
        if (failure is null)
            return;

        LedgerFollower[] left;
        lock (mutex)
        {
            left = [.. followers];
            isReading = false;
        }

        foreach (var follower in left)
            follower.Complete(
                EndLine("PostgreSQL does not answer. Connect again; what is decided until then is not told."),
                failure
            );
    }

    LedgerFollower.SerializedLine EndLine(string why)
    {
        var now = time.GetUtcNow();
        return new(
            LedgerFollower.EndType,
            now,
            JsonSerializer.SerializeToUtf8Bytes(
                new Contract.LedgerLine(now, LedgerFollower.EndType, null, null, null, why),
                json.Value.SerializerOptions
            )
        );
    }
}

/// <summary>Somebody who follows the ledger, with the lines that they have not yet read.</summary>
sealed class LedgerFollower(TimeProvider time) : IDisposable
{
    /// <summary>An empty event of this type is sent after a silence: a connection that broke without a word is only
    /// noticed by writing to it.</summary>
    public const string PingType = "ping";

    /// <summary>What the last line of a follower that is ended says it is.</summary>
    public const string EndType = "end";

    // Twice what one look may bring.
    const int BufferCapacity = 20_000;

    static readonly TimeSpan PingInterval = TimeSpan.FromSeconds(15);

    // For reading what there is, once it is ended.
    static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(30);

    readonly Channel<SerializedLine> lines = Channel.CreateBounded<SerializedLine>(
        new BoundedChannelOptions(BufferCapacity) { SingleReader = true, SingleWriter = true }
    );
    readonly TaskCompletionSource joined = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly CancellationTokenSource givenUp = new(Timeout.InfiniteTimeSpan, time);
    readonly Lock mutex = new();
    DateTimeOffset? begin;
    SerializedLine? last;
    bool isGone;

    /// <summary>Done when it is told what happens.</summary>
    public Task Joined => joined.Task;

    /// <summary>Cancelled when it was ended and still does not read.</summary>
    public CancellationToken Abandoned => givenUp.Token;

    public void MarkJoined(DateTimeOffset now)
    {
        begin ??= now;
        joined.TrySetResult();
    }

    /// <summary>False: it does not keep up.</summary>
    public bool TryEnqueue(SerializedLine line) => line.At <= begin || last is not null || lines.Writer.TryWrite(line);

    /// <summary>Ends it after what it has not read yet, with a last line; where it has not even begun, with what
    /// failed.</summary>
    public void Complete(SerializedLine why, Exception? failure = null)
    {
        lock (mutex)
        {
            if (isGone || last is not null)
                return;

            last = why;
            givenUp.CancelAfter(DrainTimeout);
        }

        lines.Writer.TryComplete();
        if (failure is not null)
            joined.TrySetException(failure);
    }

    /// <summary>What it is told, until it is ended.</summary>
    public async IAsyncEnumerable<SseItem<byte[]>> ReadLines([EnumeratorCancellation] CancellationToken cancel)
    {
        while (await WaitForLines(cancel) is not false and var some)
        {
            if (some is null)
                yield return new("{}"u8.ToArray(), PingType);

            while (lines.Reader.TryRead(out var line))
                yield return new(line.Json, line.What);
        }

        if (last is { } why && !cancel.IsCancellationRequested)
            yield return new(why.Json, why.What);
    }

    public void Dispose()
    {
        lock (mutex)
        {
            isGone = true;
            givenUp.Dispose();
        }
    }

    // Null: not for long; false: never again.
    async Task<bool?> WaitForLines(CancellationToken cancel)
    {
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        silence.CancelAfter(PingInterval);
        try
        {
            return await lines.Reader.WaitToReadAsync(silence.Token);
        }
        catch (OperationCanceledException)
        {
            return cancel.IsCancellationRequested ? false : null;
        }
    }

    /// <summary>A line as it is sent, the same bytes to everybody.</summary>
    public sealed record SerializedLine(string What, DateTimeOffset At, byte[] Json);
}
