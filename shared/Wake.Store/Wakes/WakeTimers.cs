using System.Data;
using Npgsql;

namespace Wake.Store;

/// <summary>
/// The sessions' alarm clocks. A timer is set in the transaction that makes something due and cleared by what settles
/// it, never by sending a message: whatever is owed after a crash is found here again.
/// </summary>
public sealed class WakeTimers(NpgsqlDataSource database)
{
    /// <summary>The channel on which processes that arm timers call the sweepers of others.</summary>
    public const string Channel = "wake_due";

    const string WhereDue = "select session_id from wake_timers where due_at > @since and due_at <= now()";

    // For as long as its transaction takes.
    const string Locked = "order by due_at limit @limit for update skip locked";

    const string Due = $"{WhereDue} {Locked}",
        UrgentDue = $"{WhereDue} and (urgent or nudged) {Locked}";

    // As long as the sweepers poll: later it says nothing new.
    static readonly TimeSpan NotifyTimeout = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Takes the sessions that are due, the longest waiting first, and keeps them from other sweepers for a while. If
    /// the caller dies before anyone acts on them they are due again after <paramref name="visibility"/>.
    /// </summary>
    /// <param name="limit">How many at most.</param>
    /// <param name="visibility">How long others are kept from them.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <param name="since">
    /// Those that became due after this moment; null: all. Every timer that was ever due before it is a dead entry of
    /// the index that a look at all may have to pass, and as long as some transaction could still see it nothing takes
    /// it away.
    /// </param>
    /// <returns>The sessions, how long until the next one is due (null when none is armed), and when this was
    /// so.</returns>
    public async Task<(IReadOnlyList<Guid> Due, TimeSpan? Next, DateTimeOffset Looked)> ClaimDue(
        int limit,
        TimeSpan visibility,
        CancellationToken cancel,
        DateTimeOffset? since = null
    )
    {
        await using var batch = database.CreateBatch();
        // Taken back by a crash, they are due.
        batch.AddCommitWithoutFlush();
        batch.BatchCommands.Add(
            NpgsqlExtensions.CreateNamed(
                $"""
                with due as ({Due})
                update wake_timers timer set owed_at = now() + @visibility, held = false
                from due where timer.session_id = due.session_id
                returning timer.session_id
                """,
                ("since", From(since)),
                ("limit", limit),
                ("visibility", visibility)
            )
        );
        batch.BatchCommands.Add(SelectNext(since));

        await using var rows = await batch.ExecuteReaderAsync(cancel);

        await rows.NextResultAsync(cancel);
        var due = await rows.ReadAll(row => row.GetGuid("session_id"), cancel);
        await rows.NextResultAsync(cancel);
        var (next, looked) = await ReadNext(rows, cancel);
        return (due, next, looked);
    }

    /// <summary>
    /// Locks the sessions that are due, the longest waiting first, but for those that somebody else has locked: as a
    /// statement of the transaction that decides about them. Returns their ids.
    /// </summary>
    /// <param name="limit">How many at most.</param>
    /// <param name="since">As in <see cref="ClaimDue"/>.</param>
    /// <param name="urgentOnly">Only those that a person waits for.</param>
    public static NpgsqlBatchCommand LockDue(int limit, DateTimeOffset? since, bool urgentOnly = false) =>
        NpgsqlExtensions.CreateNamed(urgentOnly ? UrgentDue : Due, ("since", From(since)), ("limit", limit));

    /// <summary>When the next session is due, and what time it is; read by <see cref="ReadNext"/>.</summary>
    public static NpgsqlBatchCommand SelectNext(DateTimeOffset? since) =>
        NpgsqlExtensions.CreateNamed(
            """
            select min(due_at) - clock_timestamp() as next, now() as looked
            from wake_timers where due_at > @since and due_at < 'infinity'
            """,
            ("since", From(since))
        );

    /// <summary>How long until the next session is due (null when none is), and when the transaction began.</summary>
    public static async Task<(TimeSpan? Next, DateTimeOffset Looked)> ReadNext(
        NpgsqlDataReader rows,
        CancellationToken cancel
    )
    {
        await rows.ReadAsync(cancel);
        return (rows.GetNullable<TimeSpan>("next"), rows.GetFieldValue<DateTimeOffset>("looked"));
    }

    static DateTimeOffset From(DateTimeOffset? since) => (since ?? DateTimeOffset.UnixEpoch).ToUniversalTime();

    /// <summary>
    /// Tells the sweepers of all processes to look now. A hint, which fails nobody: who misses it finds the timer by
    /// polling.
    /// </summary>
    public async Task NotifySweepers()
    {
        try
        {
            await Call().WaitAsync(NotifyTimeout);
        }
        catch (Exception missed) when (missed is NpgsqlException or TimeoutException or ObjectDisposedException)
        {
            // What was to be done is done.
        }

        async Task Call()
        {
            await using var notify = database.CreateCommand($"notify {Channel}");
            await notify.ExecuteNonQueryAsync();
        }
    }

    /// <summary>
    /// Makes everything owed due at once, and ends the leases of a runner that is known to be dead. Only for a
    /// standalone Wake, before it starts: the messages of the process before it died with that, and so did its turns.
    /// Turns that another runner holds stay its own.
    /// </summary>
    /// <param name="runner">The name of the runner; null ends no lease.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <returns>False: somebody goes by that name, and no lease was ended.</returns>
    public async Task<bool> Recover(string? runner, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        // What is owed is due, and a turn that is held has not ended: said so that an index finds them.
        batch.Add(
            """
            select 1
            from wake_timers
            where due_at < 'infinity' and owed_at < 'infinity'
            order by session_id for update
            """
        );
        if (runner is not null)
        {
            batch.Add(
                $"""
                update turns set lease_until = clock_timestamp()
                where ended_at is null and runner = $1 and lease_until > clock_timestamp() and (select {RunnerNames.NameIsFree})
                """,
                runner
            );

            // What it watched or kept died with it. Whoever looks next sees who is there.
            batch.Add(
                $"""
                update turns set not_before = null
                where held_by = $1 and not_before = held_until and ended_at is null and (select {RunnerNames.NameIsFree})
                """,
                runner
            );
            batch.Add(
                $"""
                update session_ids set warm_until = null
                where warm_on = $1 and warm_until > clock_timestamp() and (select {RunnerNames.NameIsFree})
                """,
                runner
            );
        }

        batch.Add(
            """
            update wake_timers timer set owed_at = clock_timestamp()
            where timer.due_at < 'infinity' and owed_at < 'infinity'
              and not exists (select from turns t where t.session_id = timer.session_id and t.ended_at is null and t.lease_until > clock_timestamp())
            """
        );
        batch.Add(
            """
            select exists (select from turns
                           where ended_at is null and runner = $1 and lease_until > clock_timestamp())
            """,
            runner
        );

        await using var rows = await batch.ExecuteReaderAsync(cancel);
        await rows.NextResultAsync(cancel);
        await rows.ReadAsync(cancel);
        return !rows.GetBoolean(0);
    }
}
