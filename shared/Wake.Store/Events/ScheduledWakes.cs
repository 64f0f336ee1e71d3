using Npgsql;
using Wake.Contracts;

namespace Wake.Store;

/// <summary>A wake at a date.</summary>
/// <param name="Id">Names it, and the event it becomes.</param>
/// <param name="Session">The key of the session it wakes.</param>
/// <param name="Reason">What the session is told.</param>
/// <param name="At">When.</param>
public sealed record ScheduledWake(Guid Id, string Session, string Reason, DateTimeOffset At);

/// <summary>Scheduled wakes: rows until then, events from then on.</summary>
public sealed class ScheduledWakes(NpgsqlDataSource database, Intake intake)
{
    const int BatchSize = 100;
    const string Select =
        "select w.id, s.key, w.reason, w.due_at from scheduled_wakes w join sessions s on s.id = w.session_id";

    /// <summary>Puts a wake off to a date. Null when no open session has this key.</summary>
    /// <param name="session">The session's key.</param>
    /// <param name="reason">What it is told then.</param>
    /// <param name="at">When.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <param name="work">Its id, where a request may be done again; null for a new one.</param>
    public async Task<ScheduledWake?> Add(
        string session,
        string reason,
        DateTimeOffset at,
        CancellationToken cancel,
        Guid? work = null
    )
    {
        var wake = new ScheduledWake(work ?? Guid.CreateVersion7(), session, reason, at.ToUniversalTime());
        await using var batch = database.CreateBatch();
        batch.Add(
            $"""
            with made as (
                insert into scheduled_wakes (id, session_id, reason, due_at)
                select $1, s.id, $3, $4 from sessions s where s.key = $2 and s.closed_at is null and {IdempotencyKeys.OperationNotDone} for share
                on conflict (id) do nothing
                returning id
            )
            {IdempotencyKeys.MarkOperationDone} from made where work = made.id
            """,
            wake.Id,
            session,
            reason,
            wake.At
        );
        batch.Add(
            $"""
            select 1 from scheduled_wakes where id = $1
            union all
            select 1 from ({IdempotencyKeys.SelectOperationDone}) before
            """,
            wake.Id
        );
        await using var rows = await batch.ExecuteReaderAsync(cancel);
        return await rows.ReadAsync(cancel) ? wake : null;
    }

    /// <summary>Those of a session, the next one first.</summary>
    public async Task<IReadOnlyList<ScheduledWake>> List(Guid sessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand($"{Select} where w.session_id = $1 order by w.due_at");
        command.Parameters.AddWithValue(sessionId);
        return await command.ReadAll(Read, cancel);
    }

    /// <summary>Calls one off. False when the session has none of this id; it may just have become an event.</summary>
    public async Task<bool> Cancel(string session, Guid id, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            delete from scheduled_wakes w using sessions s
            where w.id = $1 and s.id = w.session_id and s.key = $2 and s.closed_at is null
            """,
            id,
            session
        );
        return await batch.ExecuteAffected(cancel);
    }

    /// <summary>
    /// Makes events of those whose time has come. One that was made and not forgotten, because the process died in
    /// between, is made again and is a duplicate.
    /// </summary>
    /// <returns>How many there were.</returns>
    public async Task<int> FireDue(CancellationToken cancel)
    {
        await using var look = database.CreateCommand(
            $"{Select} where w.due_at <= now() order by w.due_at limit {BatchSize}"
        );
        var due = await look.ReadAll(Read, cancel);
        if (due is [])
            return 0;

        await intake.Accept(
            due.ConvertAll(Event).ConvertAll(x => new Observation(x, DedupScope: x.DedupScope)),
            cancel
        );

        await using var forget = database.CreateCommand("delete from scheduled_wakes where id = any ($1)");
        forget.Parameters.AddWithValue(due.Select(x => x.Id).ToArray());
        await forget.ExecuteNonQueryAsync(cancel);
        return due.Count;
    }

    static ScheduledWake Read(NpgsqlDataReader row) =>
        new(row.GetGuid(0), row.GetString(1), row.GetString(2), row.GetFieldValue<DateTimeOffset>(3));

    static ExternalEventObserved Event(ScheduledWake wake) =>
        new()
        {
            Id = wake.Id.ToString(),
            Source = "wake:schedule",
            Type = "wake.requested",
            VerifiedBy = WakeRequested.VerifiedByWake,
            Subject = $"schedule:{wake.Id}",
            DedupKey = $"wake.requested|schedule:{wake.Id}",
            Reason = wake.Reason,
            Sessions = [wake.Session],
            Time = wake.At,
        };
}
