using Npgsql;

namespace Wake.Store;

/// <summary>
/// Requests that carry an Idempotency-Key, with their answers: the same request again is answered without being done
/// again, by any gateway, also after all of them were restarted.
/// </summary>
public sealed class IdempotencyKeys(NpgsqlDataSource database)
{
    /// <summary>How long an answer is kept.</summary>
    public static readonly TimeSpan Ttl = TimeSpan.FromDays(1);

    /// <summary>How many are kept; beyond that the oldest go sooner.</summary>
    public const int Max = 100_000;

    // For statements that make, under the id $1, what may be gone by the time it is asked for again: the row alone
    // would not say that it was made.
    internal const string OperationNotDone = "not exists (select from idempotency_keys where work = $1 and done)";
    internal const string MarkOperationDone = "update idempotency_keys set done = true";
    internal const string SelectOperationDone = "select begun_at from idempotency_keys where work = $1 and done";

    /// <summary>Begins a request, unless it was begun before.</summary>
    /// <param name="key">The key, together with whose it is and what it is for, as a hash.</param>
    /// <param name="request">The hash of what is asked for.</param>
    /// <param name="staleAfter">When it has no answer after this long, its gateway died; then the same request may
    /// run again.</param>
    /// <param name="cancel">Ends it.</param>
    public async Task<IdempotencyClaim> Claim(byte[] key, byte[] request, TimeSpan staleAfter, CancellationToken cancel)
    {
        var work = Guid.NewGuid();
        await using var batch = database.CreateBatch();

        // Each that comes takes some of the old ones along, which keeps their number bounded without anybody to clean
        // up.
        batch.Add(
            """
            delete from idempotency_keys where seq in (
                select seq from (select seq, begun_at from idempotency_keys order by seq limit 50 for update skip locked) oldest
                where begun_at < now() - $1 or seq <= (select max(seq) from idempotency_keys) - $2)
            """,
            Ttl,
            Max
        );
        batch.Add(
            """
            insert into idempotency_keys as known (key, request, patience, work)
            select $1, $2, now() + $3, $5
            where not exists (
                select from idempotency_keys
                where key = $1 and begun_at >= now() - $4 and (status is not null or patience >= now() or request <> $2))
            on conflict (key) do update
            set seq = default, request = excluded.request, patience = excluded.patience, begun_at = now(),
                work = case when known.begun_at < now() - $4 then excluded.work else known.work end,
                done = known.done and known.begun_at >= now() - $4,
                status = null, location = null, body = null
            where known.begun_at < now() - $4 or (known.status is null and known.patience < now() and known.request = excluded.request)
            returning work
            """,
            key,
            request,
            staleAfter,
            Ttl,
            work
        );
        batch.Add("select request, status, location, body from idempotency_keys where key = $1", key);

        await using var rows = await batch.ExecuteReaderAsync(cancel);
        if (await rows.ReadAsync(cancel))
            return new IdempotencyClaim.Granted(rows.GetGuid(0), IsRetry: rows.GetGuid(0) != work);

        await rows.NextResultAsync(cancel);

        // Whoever had it gave it up a moment ago: it is as good as under way, and free when it comes again.
        if (!await rows.ReadAsync(cancel))
            return new IdempotencyClaim.InProgress();
        if (!rows.GetFieldValue<byte[]>(0).AsSpan().SequenceEqual(request))
            return new IdempotencyClaim.RequestMismatch();

        return rows.GetNullable<int>(1) is { } status
            ? new IdempotencyClaim.Completed(status, rows.GetText(2), rows.GetFieldValue<byte[]>(3))
            : new IdempotencyClaim.InProgress();
    }

    /// <summary>Keeps the answer.</summary>
    public async Task Complete(byte[] key, int status, string? location, byte[] body, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            "update idempotency_keys set status = $2, location = $3, body = $4 where key = $1 and status is null",
            key,
            status,
            location,
            body
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Lets a retry run at once: the outcome of this request is unknown.</summary>
    public async Task Release(byte[] key, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add("update idempotency_keys set patience = now() where key = $1 and status is null", key);
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Lets the key go, because nothing was done.</summary>
    public async Task Discard(byte[] key, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add("delete from idempotency_keys where key = $1 and status is null", key);
        await batch.ExecuteNonQueryAsync(cancel);
    }
}

/// <summary>What is known of a request with an Idempotency-Key.</summary>
public abstract record IdempotencyClaim
{
    /// <summary>Nothing, or no more than that it was begun: do it.</summary>
    /// <param name="OperationId">Names what is done, the same for both.</param>
    /// <param name="IsRetry">Whether it was begun before, and may be done.</param>
    public sealed record Granted(Guid OperationId, bool IsRetry) : IdempotencyClaim;

    /// <summary>The same is being done at the moment.</summary>
    public sealed record InProgress : IdempotencyClaim;

    /// <summary>The key belongs to a request that asked for something else.</summary>
    public sealed record RequestMismatch : IdempotencyClaim;

    /// <summary>It was done.</summary>
    /// <param name="Status">The status it was answered with.</param>
    /// <param name="Location">Where what it made is.</param>
    /// <param name="Body">The body it was answered with.</param>
    public sealed record Completed(int Status, string? Location, byte[] Body) : IdempotencyClaim;
}
