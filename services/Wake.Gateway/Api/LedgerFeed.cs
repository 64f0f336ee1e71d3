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
) : FollowerFeed<LedgerFollower>(options, time, host, log)
{
    /// <summary>How far each look goes back, for rows of transactions that commit late.</summary>
    static readonly TimeSpan Overlap = TimeSpan.FromSeconds(10);

    protected override TimeSpan PollInterval => TimeSpan.FromMilliseconds(250);

    protected override string Subject => "The ledger";

    /// <summary>Begins to follow: what happens after this has returned is told. Null when as many follow as
    /// may.</summary>
    public async Task<LedgerFollower?> Follow(CancellationToken cancel)
    {
        var follower = new LedgerFollower(Time);
        if (!TryAdd(follower))
            return null;

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

    public override void Unfollow(LedgerFollower follower)
    {
        base.Unfollow(follower);
        follower.Dispose();
    }

    protected override Func<IReadOnlyList<LedgerFollower>, Task> BeginPolling()
    {
        var seen = new HashSet<LedgerLine>();
        DateTimeOffset? begin = null;
        return async present =>
        {
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
        };
    }

    protected override void Fail(LedgerFollower follower, Exception failure) =>
        follower.Complete(
            EndLine("PostgreSQL does not answer. Connect again; what is decided until then is not told."),
            failure
        );

    void Broadcast(IReadOnlyList<LedgerFollower> present, LedgerLine line)
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

    LedgerFollower.SerializedLine EndLine(string why)
    {
        var now = Time.GetUtcNow();
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
    /// <summary>What the last line of a follower that is ended says it is.</summary>
    public const string EndType = "end";

    // Twice what one look may bring.
    const int BufferCapacity = 20_000;

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
        while (await ServerSentEvents.WaitToRead(lines.Reader, cancel) is not false and var some)
        {
            if (some is null)
                yield return ServerSentEvents.Ping;

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

    /// <summary>A line as it is sent, the same bytes to everybody.</summary>
    public sealed record SerializedLine(string What, DateTimeOffset At, byte[] Json);
}
