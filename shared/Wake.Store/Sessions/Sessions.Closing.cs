using System.Data;
using Npgsql;

namespace Wake.Store;

// How a session ends, comes back, and begins afresh.
public sealed partial class Sessions
{
    /// <summary>
    /// Closes a session: no more turns, no more watches; a turn that runs may finish. False when none with this key is
    /// open.
    /// </summary>
    /// <param name="key">Its key.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <param name="by">Who closes it, for people; null when that is not known.</param>
    public async Task<bool> Close(string key, CancellationToken cancel, string? by = null) =>
        await Close("s.key = $1", ended: false, [key], cancel, by) is not [];

    /// <summary>Closes the sessions of these keys, at most 1,000.</summary>
    /// <param name="keys">Their keys.</param>
    /// <param name="by">Who closes them, for people.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <returns>The keys of those that were open.</returns>
    public Task<IReadOnlyList<string>> Close(IEnumerable<string> keys, string by, CancellationToken cancel) =>
        Close("s.key = any ($1)", ended: false, [keys.ToArray()], cancel, by);

    /// <summary>
    /// Closes the sessions that belong to a subject, or to those of a pattern: by the key that a route gives them, or
    /// because they watch it by name.
    /// </summary>
    /// <param name="subject">The subject; with a <c>*</c> in it a pattern.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <param name="by">Who closes them, for people; null when that is not known.</param>
    /// <returns>Their keys.</returns>
    public Task<IReadOnlyList<string>> CloseBySubject(string subject, CancellationToken cancel, string? by = null) =>
        Close(
            """
            exists (select from routes r
                    where r.ended_at is null and position($3 in r.session) > 0
                      and (s.key = session_key(r.session, $1)
                           or s.key like replace(replace(replace(replace(r.session, '\', '\\'), '%', '\%'), '_', '\_'),
                                                 replace($3, '_', '\_'), $2)))
            or exists (select from watches w where w.session_id = s.id and w.pattern is null and w.subject like $2)
            """,
            ended: false,
            [subject, Sql.LikePattern(subject), RouteDefinition.SubjectPlaceholder],
            cancel,
            by
        );

    /// <summary>
    /// Closes the sessions whose subject is over, when that is to be and nothing of them waits or runs. One that
    /// something else has woken since goes on instead.
    /// </summary>
    /// <returns>The keys of those that were closed.</returns>
    public async Task<IReadOnlyList<string>> CloseEnded(CancellationToken cancel)
    {
        // It is asked each second, and most of the time there is none.
        await using (
            var look = database.CreateCommand(
                "select exists (select from sessions where close_at <= now() and closed_at is null)"
            )
        )
        {
            if (await look.ExecuteScalarAsync(cancel) is false)
                return [];
        }

        await using (
            var calledOff = database.CreateCommand(
                $"""
                with going as (
                    update sessions s set close_at = null, ended_by = null, ended_subject = null, close_after = null
                    where s.close_at <= now() and s.closed_at is null and {IsAtRest}
                      -- What was over by its turn is nothing newer, though it was heard later. Nor is what else comes of the
                      -- same subject: only that it is taken up again would be.
                      and exists (select from inbox i
                                  join events e on e.seq = i.event
                                  left join turns t on t.session_id = i.session_id and t.wake_number = i.wake_number
                                  where i.session_id = s.id and i.event > s.ended_by and i.wakes and e.type <> all ($1)
                                    and t.outcome is distinct from 'stale'
                                    and (e.subject = s.ended_subject or s.ended_subject = any (e.related)) is not true
                                    -- or that nothing came of it
                                    and not exists (select from watches w
                                                    where w.session_id = s.id and w.subject = s.ended_subject
                                                      and e.subject = '{WatchDeadlines.SubjectPrefix}' || w.id::text))
                    returning s.id
                )
                insert into decisions (kind, session_id, note)
                select 'goesOn', id, 'something else has woken it since its subject was over' from going
                """
            )
        )
        {
            calledOff.Parameters.AddWithValue(SubjectEnd.Types.ToArray());
            await calledOff.ExecuteNonQueryAsync(cancel);
        }

        return await Close(IsOver, ended: true, [], cancel);
    }

    /// <summary>
    /// Opens again what was closed at the moment in which a wake came to it: the transaction that brought it saw it
    /// open.
    /// </summary>
    /// <returns>How many.</returns>
    public async Task<int> ReopenMissed(CancellationToken cancel)
    {
        await using var find = database.CreateCommand(
            $"""
            select s.id from sessions s
            where s.ended_by is not null and s.closed_at > now() - interval '1 minute' and {HasPendingWake}
              and not exists (select from sessions other where other.key = s.key and other.closed_at is null)
              and not exists (select from session_ids mine join session_ids other using (claude_session_id)
                              where mine.session_id = s.id and not other.closed)
            limit 1000
            """
        );
        var missed = (await find.ReadAll(row => row.GetGuid(0), cancel)).ToArray();
        if (missed is [])
            return 0;

        await using var command = database.CreateCommand(
            """
            with reopened as (
                update sessions
                set closed_at = null, close_at = clock_timestamp() + close_after,
                    ended_by = case when close_after is not null then ended_by end
                where id = any ($1) and closed_at is not null and ended_by is not null
                returning id
            ), remembered as (
                update session_ids set closed = false where session_id = any ($1) and session_id in (select id from reopened)
            ), noted as (
                insert into decisions (kind, session_id, note) select 'reopened', id, 'a wake came as it was closed' from reopened
            )
            update wake_timers set owed_at = clock_timestamp()
            where session_id = any ($1) and session_id in (select id from reopened)
            """
        );
        command.Parameters.AddWithValue(missed);
        return await command.ExecuteNonQueryAsync(cancel);
    }

    // Of a row s: something that starts a turn is in its inbox.
    internal const string HasPendingWake = """
        exists (select from inbox i join events e on e.seq = i.event
                where i.session_id = s.id and i.wake_number is null and i.wakes
                  and (e.expires_at is null or e.expires_at > clock_timestamp()))
        """;

    // Of a row s: nothing of it waits or runs.
    const string IsAtRest = $"""
        not {HasPendingWake} and not exists (select from turns t where t.session_id = s.id and t.ended_at is null)
        """;

    // Of a row s: its subject is over, it is time, and nothing of it waits or runs, nor is it open in a terminal.
    internal const string IsOver = $"""
        s.close_at <= now() and {IsAtRest}
        and not exists (select from terminals t where t.session_id = s.id and t.attended_until > clock_timestamp())
        """;

    // Closes those of the open sessions s that are found; because their subject has ended, if that still holds when
    // they are locked.
    async Task<IReadOnlyList<string>> Close(
        string which,
        bool ended,
        object[] parameters,
        CancellationToken cancel,
        string? by = null
    )
    {
        var (still, why) = ended ? (IsOver, "its subject is over") : ("true", by is null ? "by hand" : $"by {by}");
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);

        // First, so that what is being added to the session is either seen below or finds it closed.
        await using var find = new NpgsqlCommand(
            $"""
            select s.id from sessions s
            where s.id = any (array(select s.id from sessions s where s.closed_at is null and ({which}) limit 1000))
              and s.closed_at is null
            order by s.key for no key update
            """,
            connection,
            transaction
        );
        foreach (var parameter in parameters)
            find.Parameters.AddWithValue(parameter);
        var found = (await find.ReadAll(row => row.GetGuid(0), cancel)).ToArray();
        if (found is [])
            return [];

        await using var batch = new NpgsqlBatch(connection, transaction);
        // Watches before the timer, as the intake takes them.
        batch.Add("select 1 from watches where session_id = any ($1) order by id for update", (object)found);
        batch.Add(
            "select 1 from wake_timers where session_id = any ($1) order by session_id for update",
            (object)found
        );
        batch.Add(
            $"""
            with closed as (
                update sessions s
                set closed_at = clock_timestamp(), close_at = null, ended_by = case when $3 then s.ended_by end,
                    ended_subject = case when $3 then s.ended_subject end, close_after = case when $3 then s.close_after end
                where s.id = any ($1) and s.closed_at is null and ({still})
                returning s.id, s.key
            ), unwatched as (
                delete from watches where session_id in (select id from closed)
            ), unscheduled as (
                delete from scheduled_wakes where session_id in (select id from closed)
            ), released as (
                update session_ids set closed = true where session_id in (select id from closed)
            ), unasked as (
                update questions set outcome = 'superseded', settled_at = clock_timestamp()
                where outcome is null and session_id in (select id from closed)
            ), noted as (
                insert into decisions (kind, session_id, note) select 'closed', id, $2 from closed
            ), looked as (
                update wake_timers set owed_at = clock_timestamp() where session_id in (select id from closed)
            )
            select key from closed order by key
            """,
            found,
            why,
            ended
        );
        List<string> closed;
        await using (var rows = await batch.ExecuteReaderAsync(cancel))
        {
            await rows.NextResultAsync(cancel);
            await rows.NextResultAsync(cancel);
            closed = [.. await rows.ReadAll(row => row.GetString(0), cancel)];
        }

        await transaction.CommitAsync(cancel);
        return closed;
    }

    /// <summary>
    /// Has the next turn of a session begin a new Claude session, which knows nothing of the one before. A turn that
    /// runs ends in the old one, or is interrupted and runs again, as the same wake, in the new one. Null when no
    /// session with this key is open.
    /// </summary>
    public async Task<SessionReset?> Reset(string key, bool interrupt, CancellationToken cancel, string? by = null)
    {
        await using var batch = database.CreateBatch();
        batch.Add("select 1 from sessions where key = $1 and closed_at is null for no key update", key);
        batch.Add(
            """
            select 1 from wake_timers where session_id = (select id from sessions where key = $1 and closed_at is null) for update
            """,
            key
        );
        batch.Add(
            """
            with session as (
                select id from sessions where key = $1 and closed_at is null
            ), used as (
                select c.claude_session_id, c.opened or c.reason <> $3 as left_behind
                from session_ids c join session on session.id = c.session_id
                order by c.position desc limit 1
            ), busy as (
                -- A turn that runs, and one that has asked something: only the Claude session that asked takes the answer.
                select t.session_id, t.wake_number, t.epoch, t.in_terminal, coalesce(t.lease_until > clock_timestamp(), false) as running
                from turns t join session on session.id = t.session_id
                where t.ended_at is null
                  and (t.lease_until > clock_timestamp()
                       or exists (select from questions q where q.session_id = t.session_id and q.wake_number = t.wake_number))
            ), fresh as (
                insert into session_ids (session_id, position, claude_session_id, reason, opened)
                select session.id, (select max(position) from session_ids where session_id = session.id) + 1, gen_random_uuid(), $3, false
                from session, used
                where used.left_behind and not exists (select from busy)
                returning session_id
            ), later as (
                update wake_timers timer set reset_after = busy.epoch, reset_interrupts = $2 and busy.running and not busy.in_terminal
                from busy where timer.session_id = busy.session_id
                returning timer.session_id, busy.wake_number, timer.reset_interrupts
            ), noted as (
                insert into decisions (kind, session_id, wake_number, note)
                select 'reset', session_id, null, concat('the next turn begins afresh', ', by ' || $4::text) from fresh
                union all
                select 'reset', session_id, wake_number,
                       concat(case when reset_interrupts then 'the turn is interrupted and begins afresh' else 'what follows this turn begins afresh' end,
                              ', by ' || $4)
                from later
            )
            select (select claude_session_id from used where left_behind) as claude_session_id, later.wake_number,
                   coalesce(later.reset_interrupts, false) as interrupted, later.session_id is not null or exists (select from fresh) as any
            from session left join later on later.session_id = session.id
            """,
            key,
            interrupt,
            WasReset,
            by
        );

        await using var rows = await batch.ExecuteReaderAsync(cancel);
        await rows.NextResultAsync(cancel);
        await rows.NextResultAsync(cancel);
        return await rows.ReadAsync(cancel)
            ? new(
                rows.GetBoolean("any"),
                rows.GetNullable<Guid>("claude_session_id"),
                rows.GetNullable<int>("wake_number"),
                rows.GetBoolean("interrupted")
            )
            : null;
    }

    /// <summary>Of turns that run, by their epochs, those that a reset interrupts.</summary>
    public async Task<IReadOnlyList<long>> FindInterruptedByReset(
        IReadOnlyList<ClaimedTurn> running,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            """
            select reset_after from wake_timers
            where session_id = any ($1) and reset_interrupts and reset_after = any ($2)
            """
        );
        command.Parameters.AddWithValue(running.Select(x => x.SessionId).ToArray());
        command.Parameters.AddWithValue(running.Select(x => x.Epoch).ToArray());
        return await command.ReadAll(row => row.GetInt64(0), cancel);
    }
}

/// <summary>What came of a reset.</summary>
/// <param name="Any">Whether there was anything: a Claude session with a memory, or a turn that runs.</param>
/// <param name="ClaudeSessionId">The Claude session that is left; its transcript is kept. Null when there was none
/// yet.</param>
/// <param name="AfterWake">The wake whose turn runs, or waits for an answer, and after which the session begins afresh;
/// null when its next turn does.</param>
/// <param name="Interrupted">Whether that turn is interrupted, and runs again afresh.</param>
public sealed record SessionReset(bool Any, Guid? ClaudeSessionId, int? AfterWake, bool Interrupted);
