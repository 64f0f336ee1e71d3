using System.Data;
using Npgsql;

namespace Wake.Store;

/// <summary>The conversations: who they are, where they work, and which Claude sessions they have had.</summary>
public sealed class Sessions(NpgsqlDataSource database)
{
    /// <summary>Why a Claude session came into use when its owner brought it.</summary>
    public const string Registered = "registered";

    /// <summary>Why a Claude session came into use when the session had none.</summary>
    public const string First = "first";

    /// <summary>Why a Claude session came into use when a person had the session begin afresh.</summary>
    public const string WasReset = "reset";

    // The Claude session of session $1 that was registered with it, unless some wake had begun it.
    internal const string SelectRegisteredClaudeSession = """
        (select r.claude_session_id from session_ids r
         where r.session_id = $1 and r.wake_number is null and r.reason <> 'reset'
           and not exists (select from session_ids b where b.claude_session_id = r.claude_session_id and b.wake_number is not null)
         order by r.position limit 1)
        """;

    /// <summary>Registers a session. The same again is no mistake and answers with what is there.</summary>
    /// <param name="key">Its owner's name for it.</param>
    /// <param name="workspace">The directory it works in.</param>
    /// <param name="profile">The name of its profile.</param>
    /// <param name="claudeSessionId">The Claude session to go on with, if any.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <param name="operationId">Its id, where a request may be done again; null for a new one.</param>
    public async Task<SessionCreation> Create(
        string key,
        string workspace,
        string profile,
        Guid? claudeSessionId,
        CancellationToken cancel,
        Guid? operationId = null
    )
    {
        var id = operationId ?? Guid.CreateVersion7();
        try
        {
            await using var batch = database.CreateBatch();
            batch.Add(
                "insert into sessions (id, key, workspace, profile) values ($1, $2, $3, $4)",
                id,
                key,
                workspace,
                profile
            );
            batch.Add("insert into wake_timers (session_id) values ($1)", id);
            if (claudeSessionId is not null)
            {
                batch.Add(
                    """
                    insert into session_ids (session_id, position, claude_session_id, reason, opened)
                    values ($1, 1, $2, $3, true)
                    """,
                    id,
                    claudeSessionId,
                    Registered
                );
            }

            await batch.ExecuteNonQueryAsync(cancel);
        }
        catch (PostgresException taken) when (taken.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            if (await Find(key, cancel) is { } there)
            {
                if (there.Id == operationId)
                    return new SessionCreation.Created(there);

                var same =
                    there.Workspace == workspace
                    && there.Profile == profile
                    && (claudeSessionId is null || there.ClaudeSessionIds.Contains(claudeSessionId.Value));
                return same ? new SessionCreation.AlreadyExists(there) : new SessionCreation.KeyTaken(there);
            }

            return new SessionCreation.ClaudeSessionTaken(
                await FindOwner(claudeSessionId, cancel) ?? "another session"
            );
        }

        return new SessionCreation.Created((await Find(key, cancel))!);
    }

    /// <summary>The open session with this key, else the one closed last; null when there never was one.</summary>
    public async Task<Session?> Find(string key, CancellationToken cancel)
    {
        await using var db = database.OpenReader();
        return (await SessionView.FindByKey(db, key, cancel))?.ToSession() is { } session
            ? (await WithPauses([session], cancel))[0]
            : null;
    }

    /// <summary>A page of those that match, in their order.</summary>
    /// <param name="query">Which, and in which order.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="cursor">The cursor of the page before; null for the first.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="PageCursorException">The cursor is none of this list in this order.</exception>
    public async Task<Page<Session>> List(SessionQuery query, int limit, string? cursor, CancellationToken cancel)
    {
        await using var db = database.OpenReader();
        var page = await SessionList.Read(db, query, limit, cursor, cancel);
        return page with { Rows = await WithPauses(page.Rows, cancel) };
    }

    async Task<IReadOnlyList<Session>> WithPauses(IReadOnlyList<Session> sessions, CancellationToken cancel)
    {
        var paused = await Pauses.Find(database, [.. sessions.Select(x => x.Id)], cancel);
        return [.. sessions.Select(x => x with { Paused = paused.GetValueOrDefault(x.Id) })];
    }

    /// <summary>By which names open sessions are known, their keys and the ids of their Claude sessions, each with the
    /// key.</summary>
    public async Task<IReadOnlyDictionary<string, string>> ListNames(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select key, key from sessions where closed_at is null
            union all
            select c.claude_session_id::text, s.key
            from session_ids c
            join sessions s on s.id = c.session_id
            where not c.closed and s.closed_at is null
            """
        );
        var names = await command.ReadAll(row => (Name: row.GetString(0), Key: row.GetString(1)), cancel);
        return names.DistinctBy(x => x.Name).ToDictionary(x => x.Name, x => x.Key);
    }

    /// <summary>A session's turns, the newest first, from before a given wake on.</summary>
    public async Task<IReadOnlyList<Turn>> ListTurns(
        Guid sessionId,
        int limit,
        CancellationToken cancel,
        int before = int.MaxValue
    )
    {
        await using var db = database.OpenReader();
        return await TurnView.ListBySession(db, sessionId, before, limit).Select(x => x.ToTurn()).ToListAsync(cancel);
    }

    /// <summary>
    /// Closes a session: no more turns, no more watches; a turn that runs may finish. False when none with this key is
    /// open.
    /// </summary>
    public async Task<bool> Close(string key, CancellationToken cancel) =>
        await Close("s.key = $1", "true", "by hand", [key], cancel) is not [];

    /// <summary>
    /// Closes the sessions that belong to a subject, or to those of a pattern: by the key that a route gives them, or
    /// because they watch it by name.
    /// </summary>
    /// <param name="subject">The subject; with a <c>*</c> in it a pattern.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <returns>Their keys.</returns>
    public Task<IReadOnlyList<string>> CloseBySubject(string subject, CancellationToken cancel) =>
        Close(
            """
            exists (select from routes r
                    where r.ended_at is null and position($3 in r.session) > 0
                      and (s.key = session_key(r.session, $1)
                           or s.key like replace(replace(replace(replace(r.session, '\', '\\'), '%', '\%'), '_', '\_'),
                                                 replace($3, '_', '\_'), $2)))
            or exists (select from watches w where w.session_id = s.id and w.pattern is null and w.subject like $2)
            """,
            "true",
            "by hand",
            [subject, Sql.LikePattern(subject), RouteDefinition.SubjectPlaceholder],
            cancel
        );

    /// <summary>
    /// Closes the sessions whose subject is over, when that is to be and nothing of them waits or runs. One that has
    /// heard something newer since goes on instead.
    /// </summary>
    /// <returns>The keys of those that were closed.</returns>
    public async Task<IReadOnlyList<string>> CloseEnded(CancellationToken cancel)
    {
        await using (
            var calledOff = database.CreateCommand(
                """
                with going as (
                    update sessions s set close_at = null, ended_by = null
                    where s.close_at <= clock_timestamp() and s.closed_at is null
                      and exists (select from inbox i join events e on e.seq = i.event
                                  where i.session_id = s.id and i.event > s.ended_by and i.wakes and e.type <> all ($1))
                    returning s.id
                )
                insert into decisions (kind, session_id, note)
                select 'goesOn', id, 'something newer has come since its subject was over' from going
                """
            )
        )
        {
            calledOff.Parameters.AddWithValue(SubjectEnd.Types.ToArray());
            await calledOff.ExecuteNonQueryAsync(cancel);
        }

        return await Close(IsOver, IsOver, "its subject is over", [], cancel);
    }

    /// <summary>
    /// Opens again what was closed at the moment in which a wake came to it: the transaction that brought it saw it
    /// open.
    /// </summary>
    /// <returns>How many.</returns>
    public async Task<int> ReopenMissed(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"""
            with missed as (
                update sessions s set closed_at = null, ended_by = null
                where s.ended_by is not null and s.closed_at > clock_timestamp() - interval '1 minute' and {HasPendingWake}
                  and not exists (select from sessions other where other.key = s.key and other.closed_at is null)
                  and not exists (select from session_ids mine join session_ids other using (claude_session_id)
                                  where mine.session_id = s.id and not other.closed)
                returning s.id
            ), remembered as (
                update session_ids set closed = false where session_id in (select id from missed)
            ), noted as (
                insert into decisions (kind, session_id, note) select 'reopened', id, 'a wake came as it was closed' from missed
            )
            update wake_timers set owed_at = clock_timestamp() where session_id in (select id from missed)
            """
        );
        return await command.ExecuteNonQueryAsync(cancel);
    }

    // Of a row s: something that starts a turn is in its inbox.
    const string HasPendingWake = """
        exists (select from inbox i join events e on e.seq = i.event
                where i.session_id = s.id and i.wake_number is null and i.wakes
                  and (e.expires_at is null or e.expires_at > clock_timestamp()))
        """;

    // Of a row s: its subject is over, it is time, and nothing of it waits or runs, nor is it open in a terminal.
    internal const string IsOver = $"""
        s.close_at <= clock_timestamp() and not {HasPendingWake}
        and not exists (select from turns t where t.session_id = s.id and t.ended_at is null)
        and not exists (select from terminals t where t.session_id = s.id and t.attended_until > clock_timestamp())
        """;

    // Closes those of the open sessions s that are found, if the second condition holds when they are locked. That one
    // has no parameters.
    async Task<IReadOnlyList<string>> Close(
        string which,
        string still,
        string why,
        object[] parameters,
        CancellationToken cancel
    )
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);

        // First, so that what is being added to the session is either seen below or finds it closed.
        await using var find = new NpgsqlCommand(
            $"select s.id from sessions s where s.closed_at is null and ({which}) order by s.key limit 1000 for no key update",
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
                set closed_at = clock_timestamp(), close_at = null, ended_by = case when $3 then s.ended_by end
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
            still == IsOver
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
    public async Task<SessionReset?> Reset(string key, bool interrupt, CancellationToken cancel)
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
                select 'reset', session_id, null, 'the next turn begins afresh' from fresh
                union all
                select 'reset', session_id, wake_number,
                       case when reset_interrupts then 'the turn is interrupted and begins afresh' else 'what follows this turn begins afresh' end
                from later
            )
            select (select claude_session_id from used where left_behind) as claude_session_id, later.wake_number,
                   coalesce(later.reset_interrupts, false) as interrupted, later.session_id is not null or exists (select from fresh) as any
            from session left join later on later.session_id = session.id
            """,
            key,
            interrupt,
            WasReset
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
            "select reset_after from wake_timers where session_id = any ($1) and reset_interrupts and reset_after = any ($2)"
        );
        command.Parameters.AddWithValue(running.Select(x => x.SessionId).ToArray());
        command.Parameters.AddWithValue(running.Select(x => x.Epoch).ToArray());
        return await command.ReadAll(row => row.GetInt64(0), cancel);
    }

    /// <summary>
    /// Puts a new Claude session into use, before the CLI is asked to begin it. False when the turn is no longer the
    /// caller's, or when this wake has begun one already that the CLI has opened: a wake begins at most one.
    /// </summary>
    /// <param name="turn">The turn.</param>
    /// <param name="claudeSessionId">The new id.</param>
    /// <param name="instead">Why the one before it is not gone on with; null when there is none.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<bool> BeginClaudeSession(
        ClaimedTurn turn,
        Guid claudeSessionId,
        ResumeUnavailable? instead,
        CancellationToken cancel
    )
    {
        await using var batch = database.CreateBatch();
        batch.Add(Store.Turns.LockSession, turn.SessionId);
        batch.Add(
            """
            with begun as (
                insert into session_ids (session_id, position, claude_session_id, reason, wake_number, opened)
                select $1, coalesce((select max(position) from session_ids where session_id = $1), 0) + 1, $4, $5, $2, false
                where exists (select from turns
                              where session_id = $1 and wake_number = $2 and epoch = $3 and lease_until is not null)
                on conflict (session_id, wake_number) where wake_number is not null
                    do update set claude_session_id = excluded.claude_session_id where not session_ids.opened
                returning session_id
            )
            insert into decisions (kind, session_id, wake_number, note)
            select said.kind, $1, $2, said.note
            from begun, (values ('resumeUnavailable', $6), ('begun', format('Claude session %s', $4))) said (kind, note)
            where said.note is not null
            """,
            turn.SessionId,
            turn.WakeNumber,
            turn.Epoch,
            claudeSessionId,
            instead?.Detail ?? First,
            instead is null ? null : $"{instead.Class}: {instead.Detail}"
        );
        return await batch.ExecuteAffected(cancel);
    }

    /// <summary>
    /// Whether a session was closed at least so long ago, and so was every other that works in the same directory or
    /// below it: a new session of the same key goes on where the one before it worked.
    /// </summary>
    public async Task<bool> IsWorkspaceUnusedFor(
        Guid sessionId,
        string workspace,
        TimeSpan time,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            """
            select exists (select from sessions where id = $1 and closed_at <= clock_timestamp() - $3)
               and not exists (select from sessions
                               -- what begins with the path and a slash comes before what begins with it and a 0
                               where (workspace collate "C" = $2 or (workspace collate "C" > $2 || '/' and workspace collate "C" < $2 || '0'))
                                 and (closed_at is null or closed_at > clock_timestamp() - $3))
            """
        );
        command.Parameters.AddWithValue(sessionId);
        command.Parameters.AddWithValue(workspace);
        command.Parameters.AddWithValue(time);
        return (bool)(await command.ExecuteScalarAsync(cancel))!;
    }

    /// <summary>The Claude session that was in use before the present one; null when there was none.</summary>
    public async Task<Guid?> FindPreviousClaudeSession(Guid sessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "select claude_session_id from session_ids where session_id = $1 order by position desc offset 1 limit 1"
        );
        command.Parameters.AddWithValue(sessionId);
        return (Guid?)await command.ExecuteScalarAsync(cancel);
    }

    /// <summary>The Claude session that a session's owner had begun before they registered it; null when they had begun
    /// none.</summary>
    public async Task<Guid?> FindRegisteredClaudeSession(Guid sessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand($"select {SelectRegisteredClaudeSession}");
        command.Parameters.AddWithValue(sessionId);
        return await command.ExecuteScalarAsync(cancel) as Guid?;
    }

    /// <summary>Notes which MCP servers a session's turn has, for the turn after it.</summary>
    public async Task SaveMcpServers(Guid sessionId, IReadOnlyList<string> servers, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("update sessions set mcp_servers = $2 where id = $1");
        command.Parameters.AddWithValue(sessionId);
        command.Parameters.AddWithValue(servers.ToArray());
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Notes that the CLI has opened a Claude session: from now on it is resumed.</summary>
    public async Task MarkClaudeSessionOpened(Guid sessionId, Guid claudeSessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "update session_ids set opened = true where session_id = $1 and claude_session_id = $2 and not opened"
        );
        command.Parameters.AddWithValue(sessionId);
        command.Parameters.AddWithValue(claudeSessionId);
        await command.ExecuteNonQueryAsync(cancel);
    }

    async Task<string?> FindOwner(Guid? claudeSessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select s.key
            from session_ids c join sessions s on s.id = c.session_id
            where c.claude_session_id = $1 and not c.closed
            """
        );
        command.Parameters.AddWithValue((object?)claudeSessionId ?? DBNull.Value);
        return (string?)await command.ExecuteScalarAsync(cancel);
    }
}

/// <summary>What came of registering a session.</summary>
public abstract record SessionCreation
{
    /// <summary>It is registered now.</summary>
    /// <param name="Session">The session.</param>
    public sealed record Created(Session Session) : SessionCreation;

    /// <summary>It was registered before with the same values.</summary>
    /// <param name="Session">The session.</param>
    public sealed record AlreadyExists(Session Session) : SessionCreation;

    /// <summary>An open session has this key and other values.</summary>
    /// <param name="Session">That session.</param>
    public sealed record KeyTaken(Session Session) : SessionCreation;

    /// <summary>Another open session owns the Claude session; two owners would be two writers.</summary>
    /// <param name="Owner">The key of the owner.</param>
    public sealed record ClaudeSessionTaken(string Owner) : SessionCreation;
}

/// <summary>What came of a reset.</summary>
/// <param name="Any">Whether there was anything: a Claude session with a memory, or a turn that runs.</param>
/// <param name="ClaudeSessionId">The Claude session that is left; its transcript is kept. Null when there was none
/// yet.</param>
/// <param name="AfterWake">The wake whose turn runs, or waits for an answer, and after which the session begins afresh;
/// null when its next turn does.</param>
/// <param name="Interrupted">Whether that turn is interrupted, and runs again afresh.</param>
public sealed record SessionReset(bool Any, Guid? ClaudeSessionId, int? AfterWake, bool Interrupted);
