using Npgsql;

namespace Wake.Store;

/// <summary>The conversations: who they are, where they work, and which Claude sessions they have had.</summary>
public sealed partial class Sessions(NpgsqlDataSource database)
{
    /// <summary>Why a Claude session came into use when its owner brought it.</summary>
    public const string Registered = "registered";

    /// <summary>Why a Claude session came into use when the session had none.</summary>
    public const string First = "first";

    /// <summary>Why a Claude session came into use when a person had the session begin afresh.</summary>
    public const string WasReset = "reset";

    // The Claude session of session $1 that was registered with it, unless some wake had begun it.
    internal const string SelectRegisteredClaudeSession = $"""
        (select r.claude_session_id from session_ids r
         where r.session_id = $1 and r.wake_number is null and r.reason <> '{WasReset}'
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

    /// <summary>The keys of those that match, by key.</summary>
    public async Task<IReadOnlyList<string>> ListKeys(SessionQuery query, int limit, CancellationToken cancel)
    {
        await using var db = database.OpenReader();
        return await SessionList.ReadKeys(db, query, limit, cancel);
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
