using Npgsql;

namespace Wake.Store;

/// <summary>
/// The sessions' alarm clocks. A timer is set in the transaction that makes something due and cleared by what settles it,
/// never by sending a message: whatever is owed after a crash is found here again.
/// </summary>
public sealed class WakeTimers(NpgsqlDataSource database)
{
    /// <summary>The channel on which processes that arm timers call the sweepers of others.</summary>
    public const string Channel = "wake_due";

    /// <summary>
    /// Takes the sessions that are due, the longest waiting first, and keeps them from other sweepers for a while. If the
    /// caller dies before anyone acts on them they are due again after <paramref name="visibility"/>.
    /// </summary>
    /// <returns>The sessions, and how long until the next one is due (null when none is armed).</returns>
    public async Task<(IReadOnlyList<Guid> Due, TimeSpan? Next)> TakeDue(int limit, TimeSpan visibility, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            with due as (
                select session_id from wake_timers where due_at <= now() order by due_at limit $1 for update skip locked
            )
            update wake_timers timer set owed_at = now() + $2 from due where timer.session_id = due.session_id
            returning timer.session_id
            """, limit, visibility);
        batch.Add("select min(due_at) - clock_timestamp() from wake_timers where due_at < 'infinity'");

        await using var rows = await batch.ExecuteReaderAsync(cancel);

        var due = await rows.ReadAll(row => row.GetGuid(0), cancel);
        await rows.NextResultAsync(cancel);
        await rows.ReadAsync(cancel);
        return (due, rows.GetNullable<TimeSpan>(0));
    }

    /// <summary>Tells the sweepers of all processes to look now. A hint: who misses it finds the timer by polling.</summary>
    public async Task CallSweepers(CancellationToken cancel)
    {
        await using var notify = database.CreateCommand($"notify {Channel}");
        await notify.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>
    /// Makes everything owed due at once, leases included. Only for the one process of a standalone Wake, before it starts:
    /// whoever held a lease or a message died with its predecessor.
    /// </summary>
    public async Task Recover(CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add("select 1 from wake_timers where owed_at < 'infinity' order by session_id for update");
        batch.Add("update turns set lease_until = clock_timestamp() where lease_until > clock_timestamp()");
        batch.Add("update wake_timers set owed_at = clock_timestamp() where owed_at < 'infinity'");
        await batch.ExecuteNonQueryAsync(cancel);
    }
}
