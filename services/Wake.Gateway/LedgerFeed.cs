using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.Options;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>
/// Reads the ledger for everybody who follows it, once, and only while somebody does. A follower that does not keep up
/// is ended, so that it slows nobody.
/// </summary>
sealed class LedgerFeed(
    Explain explain,
    IOptions<GatewayOptions> options,
    IOptions<JsonOptions> json,
    TimeProvider time,
    IHostApplicationLifetime host,
    ILogger<LedgerFeed> log
)
{
    /// <summary>How often it looks for new lines.</summary>
    static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);

    /// <summary>How far each look goes back, for rows of transactions that commit late.</summary>
    static readonly TimeSpan Overlap = TimeSpan.FromSeconds(10);

    readonly Lock mutex = new();
    readonly HashSet<LedgerFollower> followers = [];
    bool isReading;

    /// <summary>Begins to follow: what happens after this has returned is told. Null when as many follow as
    /// may.</summary>
    public async Task<LedgerFollower?> Follow(CancellationToken cancel)
    {
        var follower = new LedgerFollower();
        lock (mutex)
        {
            if (followers.Count >= options.Value.MaxFollowers)
                return null;

            followers.Add(follower);
            if (!isReading)
            {
                isReading = true;
                _ = Task.Run(Read, CancellationToken.None);
            }
        }

        try
        {
            await follower.Joined.WaitAsync(cancel);
            return follower;
        }
        catch
        {
            Leave(follower);
            throw;
        }
    }

    /// <summary>Ends it. The reading ends with the last.</summary>
    public void Leave(LedgerFollower follower)
    {
        lock (mutex)
            followers.Remove(follower);
        follower.Dispose();
    }

    async Task Read()
    {
        using var ticks = new PeriodicTimer(Look, time);
        var seen = new HashSet<LedgerLine>();
        DateTimeOffset? begin = null;
        Exception? failure = null;
        try
        {
            do
            {
                // Those that come while it reads join with the next look.
                var present = Present();
                var now = await explain.Now(CancellationToken.None);
                begin ??= now;
                foreach (var follower in present)
                    follower.Join(now);

                var from = now - Overlap;
                foreach (var line in await explain.Since(from > begin ? from : begin.Value, CancellationToken.None))
                {
                    if (seen.Add(line))
                        Tell(present, line);
                }

                seen.RemoveWhere(x => x.At < from);
                await ticks.WaitForNextTickAsync(CancellationToken.None);
            } while (!IsOver());
        }
        catch (Exception failed)
        {
            failure = failed;
            if (!host.ApplicationStopping.IsCancellationRequested)
                log.LogWarning("The ledger could not be read for those who follow it: {Reason}", failed.Message);
        }
        finally
        {
            EndAll(failure);
        }
    }

    LedgerFollower[] Present()
    {
        lock (mutex)
            return [.. followers];
    }

    void Tell(LedgerFollower[] present, LedgerLine line)
    {
        var told = new LedgerFollower.Told(
            line.What,
            line.At,
            JsonSerializer.SerializeToUtf8Bytes(line, json.Value.SerializerOptions)
        );
        foreach (var follower in present)
        {
            if (!follower.Tell(told))
                follower.End(
                    LastLine(
                        "This reads more slowly than lines are written, and what comes after this is not told. Connect again to go on from there."
                    )
                );
        }
    }

    bool IsOver()
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
    void EndAll(Exception? failure)
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
            follower.End(
                LastLine("PostgreSQL does not answer. Connect again; what is decided until then is not told."),
                failure
            );
    }

    LedgerFollower.Told LastLine(string why)
    {
        var now = time.GetUtcNow();
        return new(
            LedgerFollower.Last,
            now,
            JsonSerializer.SerializeToUtf8Bytes(
                new LedgerLine(now, LedgerFollower.Last, null, null, null, why),
                json.Value.SerializerOptions
            )
        );
    }
}

/// <summary>Somebody who follows the ledger, with the lines that they have not yet read.</summary>
sealed class LedgerFollower : IDisposable
{
    /// <summary>An empty event of this type is sent after a silence: a connection that broke without a word is only
    /// noticed by writing to it.</summary>
    public const string Ping = "ping";

    /// <summary>What the last line of a follower that is ended says it is.</summary>
    public const string Last = "end";

    // Twice what one look may bring.
    const int Backlog = 20_000;

    static readonly TimeSpan Silence = TimeSpan.FromSeconds(15);

    // For reading what there is, once it is ended.
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    readonly Channel<Told> lines = Channel.CreateBounded<Told>(
        new BoundedChannelOptions(Backlog) { SingleReader = true, SingleWriter = true }
    );
    readonly TaskCompletionSource joined = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly CancellationTokenSource givenUp = new();
    readonly Lock mutex = new();
    DateTimeOffset? begin;
    Told? last;
    bool isGone;

    /// <summary>Done when it is told what happens.</summary>
    public Task Joined => joined.Task;

    /// <summary>Cancelled when it was ended and still does not read.</summary>
    public CancellationToken GivenUp => givenUp.Token;

    public void Join(DateTimeOffset now)
    {
        begin ??= now;
        joined.TrySetResult();
    }

    /// <summary>False: it does not keep up.</summary>
    public bool Tell(Told line) => line.At <= begin || last is not null || lines.Writer.TryWrite(line);

    /// <summary>Ends it after what it has not read yet, with a last line; where it has not even begun, with what
    /// failed.</summary>
    public void End(Told why, Exception? failure = null)
    {
        lock (mutex)
        {
            if (isGone || last is not null)
                return;

            last = why;
            givenUp.CancelAfter(Patience);
        }

        lines.Writer.TryComplete();
        if (failure is not null)
            joined.TrySetException(failure);
    }

    /// <summary>What it is told, until it is ended.</summary>
    public async IAsyncEnumerable<SseItem<byte[]>> Lines([EnumeratorCancellation] CancellationToken cancel)
    {
        while (await HasLines(cancel) is not false and var some)
        {
            if (some is null)
                yield return new("{}"u8.ToArray(), Ping);

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
    async Task<bool?> HasLines(CancellationToken cancel)
    {
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        silence.CancelAfter(Silence);
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
    public sealed record Told(string What, DateTimeOffset At, byte[] Json);
}
