using System.Data;
using Npgsql;

namespace Wake.Store;

/// <summary>
/// Sessions that a person has open in a terminal that waits for their wakes. While it is connected it attends the
/// session: its turns are taken there, under the lease and epoch that a runner would have, and by nobody else. What the
/// person types there is a turn that no other runs beside, too.
/// </summary>
/// <remarks>
/// All of it is in the row, so that any gateway can hear the hooks of a terminal that is connected to another. Every
/// change is announced on <see cref="Channel"/>.
/// </remarks>
public sealed class Terminals(NpgsqlDataSource database)
{
    /// <summary>The channel on which the id of a session is sent whose terminal, or whose open turn, has
    /// changed.</summary>
    public const string Channel = "wake_terminals";

    /// <summary>What the runner of a turn is called that a terminal has claimed begins with.</summary>
    public const string RunnerPrefix = "terminal ";

    /// <summary>Why a Claude session came into use when the one before was left with /clear.</summary>
    public const string Cleared = "cleared at the terminal";

    /// <summary>Whether a terminal attends a session: a row <c>terminal</c>.</summary>
    internal const string Attends = "terminal.attended_until > clock_timestamp()";

    /// <summary>The session is a row <c>turn</c>'s, and a terminal attends it.</summary>
    internal const string AttendsTurn =
        $"exists (select from terminals terminal where terminal.session_id = turn.session_id and {Attends})";

    const string Notify = $"select pg_notify('{Channel}', $1::text)";

    /// <summary>The open session that has a Claude session; null when none does.</summary>
    public async Task<TerminalSession?> Find(Guid claudeSessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select s.id, s.key
            from session_ids chain
            join sessions s on s.id = chain.session_id
            where chain.claude_session_id = $1 and not chain.closed and s.closed_at is null
            """
        );
        command.Parameters.AddWithValue(claudeSessionId);
        return await command.ReadFirst(row => new TerminalSession(row.GetGuid("id"), row.GetString("key")), cancel);
    }

    /// <summary>The open session that a terminal had open last; null when there is none.</summary>
    public async Task<TerminalSession?> FindByTerminal(string terminal, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select s.id, s.key
            from terminals t
            join sessions s on s.id = t.session_id
            where t.terminal = $1 and s.closed_at is null
            order by t.since desc
            limit 1
            """
        );
        command.Parameters.AddWithValue(terminal);
        return await command.ReadFirst(row => new TerminalSession(row.GetGuid("id"), row.GetString("key")), cancel);
    }

    /// <summary>
    /// Notes that a terminal has opened a session with one of its Claude sessions, which is the one in use from now on,
    /// or with a new one. What another terminal knew of it is over.
    /// </summary>
    public async Task Open(Guid sessionId, Guid claudeSessionId, TerminalPlace where, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            select 1 from wake_timers
            where session_id = $1 or session_id in (select session_id from terminals where terminal = $2)
            order by session_id for update
            """,
            sessionId,
            where.Terminal
        );
        batch.Add(
            """
            with reopened as (
                update session_ids
                set position = (select max(position) from session_ids where session_id = $1) + 1, opened = true
                where session_id = $1 and claude_session_id = $2
                  and position < (select max(position) from session_ids where session_id = $1)
            ), cleared as (
                insert into session_ids (session_id, position, claude_session_id, reason, opened)
                select $1, coalesce(max(position), 0) + 1, $2, $3, true
                from session_ids
                where session_id = $1
                having count(*) filter (where claude_session_id = $2) = 0
                returning claude_session_id
            )
            insert into decisions (kind, session_id, note)
            select 'begun', $1, format('Claude session %s: %s', claude_session_id, $3) from cleared
            """,
            sessionId,
            claudeSessionId,
            Cleared
        );
        batch.Add(
            """
            -- it has left what it had open before
            update terminals set attended_until = null, busy = false, waiter = null
            where terminal = $2 and session_id <> $1
            """,
            sessionId,
            where.Terminal
        );
        batch.Add(
            """
            insert into terminals as known (session_id, claude_session_id, terminal, place)
            values ($1, $2, $3, $4)
            on conflict (session_id) do update
            set claude_session_id = $2, terminal = $3, place = $4,
                since = case when known.terminal = $3 and known.attended_until is not null then known.since
                             else clock_timestamp() end,
                attended_until = case when known.terminal = $3 then known.attended_until end,
                waiter = case when known.terminal = $3 then known.waiter end,
                busy = known.terminal = $3 and known.busy and known.claude_session_id = $2,
                wake_number = case when known.terminal = $3 then known.wake_number end,
                epoch = case when known.terminal = $3 then known.epoch end,
                marker = case when known.terminal = $3 then known.marker end,
                acknowledged_at = case when known.terminal = $3 then known.acknowledged_at end,
                begun_at = case when known.terminal = $3 then known.begun_at end
            -- the turn that another one is taking ends there
            where known.terminal = $3 or known.acknowledged_at is null or known.attended_until is null
               or known.attended_until <= clock_timestamp()
            """,
            sessionId,
            claudeSessionId,
            where.Terminal,
            where.Place
        );
        batch.Add(Notify, sessionId);
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>
    /// Whether a session is known to be open in a terminal with one of its Claude sessions, or another attends it.
    /// </summary>
    public async Task<bool> IsOpenIn(Guid sessionId, Guid claudeSessionId, string terminal, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"""
            select exists (select from terminals terminal
                           where session_id = $1
                             and (claude_session_id = $2 and terminal = $3 or terminal <> $3 and {Attends}))
            """
        );
        command.Parameters.AddWithValue(sessionId);
        command.Parameters.AddWithValue(claudeSessionId);
        command.Parameters.AddWithValue(terminal);
        return (bool)(await command.ExecuteScalarAsync(cancel))!;
    }

    /// <summary>Notes that a terminal has registered a session by being opened.</summary>
    public async Task MarkRegistered(Guid sessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("update sessions set by_terminal = true where id = $1");
        command.Parameters.AddWithValue(sessionId);
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>
    /// A terminal that is connected attends the session for so long. Null: it does not, because another terminal or a
    /// newer connection does, the session was closed, or its Claude session is another.
    /// </summary>
    /// <param name="sessionId">The session.</param>
    /// <param name="claudeSessionId">The Claude session that the terminal has open.</param>
    /// <param name="terminal">The terminal.</param>
    /// <param name="waiter">The connection.</param>
    /// <param name="connects">Whether the connection is new and takes the place of an older one.</param>
    /// <param name="idle">Whether no turn is under way there; null leaves what is known.</param>
    /// <param name="time">How long.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<TerminalFacts?> Attend(
        Guid sessionId,
        Guid claudeSessionId,
        string terminal,
        Guid waiter,
        bool connects,
        bool? idle,
        TimeSpan time,
        CancellationToken cancel
    )
    {
        await using var batch = database.CreateBatch();
        batch.AddGenericPlans();
        batch.Add(Turns.LockSession, sessionId);
        batch.Add(
            """
            update terminals t
            set attended_until = clock_timestamp() + $7, waiter = $4,
                -- what it has read meanwhile it tells now
                acknowledged_at = case when $5 and t.begun_at is null and t.acknowledged_at is not null
                                       then clock_timestamp() else t.acknowledged_at end,
                busy = case when $6::boolean is null then t.busy else not $6::boolean end
            from sessions s
            where t.session_id = $1 and t.claude_session_id = $2 and t.terminal = $3 and (t.waiter = $4 or $5)
              and s.id = $1 and s.closed_at is null
            returning 1
            """,
            sessionId,
            claudeSessionId,
            terminal,
            waiter,
            connects,
            idle,
            time
        );
        batch.Add(SelectFacts, sessionId);

        await using var rows = await batch.ExecuteReaderAsync(cancel);
        await rows.NextResultAsync(cancel);
        await rows.NextResultAsync(cancel);
        if (!await rows.ReadAsync(cancel))
            return null;

        await rows.NextResultAsync(cancel);
        return await rows.ReadAsync(cancel) ? ReadFacts(rows) : null;
    }

    /// <summary>What <see cref="Attend"/> says, to a connection that has attended the session a moment ago: nothing is
    /// written.</summary>
    public async Task<TerminalFacts?> Look(Guid sessionId, Guid claudeSessionId, Guid waiter, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.AddGenericPlans();
        batch.Add(
            $"""
            {SelectFacts}
              and t.waiter = $2 and t.claude_session_id = $3
              and exists (select from sessions s where s.id = $1 and s.closed_at is null)
            """,
            sessionId,
            waiter,
            claudeSessionId
        );
        await using var rows = await batch.ExecuteReaderAsync(cancel);
        await rows.NextResultAsync(cancel);
        return await rows.ReadAsync(cancel) ? ReadFacts(rows) : null;
    }

    // What has to be known of a terminal to decide about it.
    const string SelectFacts = $"""
        select t.session_id, t.terminal, t.place, t.busy, t.wake_number, t.epoch,
               clock_timestamp() - t.acknowledged_at as since_acknowledged, t.begun_at is not null as begun,
               turn.wake_number as open_wake,
               case when turn.lease_until > clock_timestamp()
                         and turn.runner is distinct from '{RunnerPrefix}' || t.place
                    then turn.runner end as other_runner,
               asked.exist as has_questions,
               coalesce(not turn.parked and (turn.lease_until is null or turn.lease_until <= clock_timestamp())
                        and (turn.not_before is null or turn.not_before <= clock_timestamp()
                             or turn.not_before = turn.held_until)
                        and not timer.takeover
                        and not exists (select from sessions s where s.id = t.session_id and {Pauses.StopClaim})
                        -- what it asked was asked in a way that only a runner can answer
                        and not asked.exist,
                        false) as claimable,
               pending.count as pending, pending.latest,
               exists (select from turns other
                       where other.session_id = t.session_id and other.ended_at is not null
                         and other.wake_number > t.seen_wake
                         and other.outcome <> 'stale' and not starts_with(coalesce(other.runner, ''), '{RunnerPrefix}')) as has_missed
        from terminals t
        join wake_timers timer on timer.session_id = t.session_id
        left join turns turn on turn.session_id = t.session_id and turn.ended_at is null
        cross join lateral (
            select exists (select from questions q
                           where q.session_id = turn.session_id and q.wake_number = turn.wake_number) as exist) asked
        cross join lateral (
            select count(*)::int as count, (array_agg(e.reason order by e.seq desc))[1] as latest
            from inbox i
            join events e on e.seq = i.event
            where i.session_id = t.session_id and i.wake_number is null
              and (e.expires_at is null or e.expires_at > clock_timestamp())) pending
        where t.session_id = $1
        """;

    static TerminalFacts ReadFacts(NpgsqlDataReader row) =>
        new(row.GetString("terminal"), row.GetString("place"), row.GetBoolean("busy"))
        {
            Held =
                row.GetNullable<int>("wake_number") is { } wake && row.GetNullable<long>("epoch") is { } epoch
                    ? new(row.GetGuid("session_id"), wake, epoch)
                    : null,
            SinceAcknowledged = row.GetNullable<TimeSpan>("since_acknowledged"),
            Begun = row.GetBoolean("begun"),
            OpenWake = row.GetNullable<int>("open_wake"),
            OtherRunner = row.GetText("other_runner"),
            IsClaimable = row.GetBoolean("claimable"),
            HasQuestions = row.GetBoolean("has_questions"),
            Pending = row.GetInt32("pending"),
            LatestReason = row.GetText("latest"),
            HasMissedTurns = row.GetBoolean("has_missed"),
        };

    /// <summary>What is known of a session's terminal; null when it never had one.</summary>
    public async Task<TerminalFacts?> GetFacts(Guid sessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(SelectFacts);
        command.Parameters.AddWithValue(sessionId);
        return await command.ReadFirst(ReadFacts, cancel);
    }

    /// <summary>Notes the turn that a terminal has claimed, before it is sent there. False: it is not connected any
    /// more.</summary>
    public async Task<bool> Offer(ClaimedTurn turn, Guid waiter, string marker, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        // What is not there any more is not acknowledged.
        batch.AddCommitWithoutFlush();
        batch.AddGenericPlans();
        batch.Add(Turns.LockSession, turn.SessionId);
        batch.Add(Notify, turn.SessionId);
        batch.Add(
            """
            update terminals
            set wake_number = $2, epoch = $3, marker = $5, acknowledged_at = null, begun_at = null
            where session_id = $1 and waiter = $4
            """,
            turn.SessionId,
            turn.WakeNumber,
            turn.Epoch,
            waiter,
            marker
        );
        return await batch.ExecuteAffected(cancel);
    }

    /// <summary>
    /// A terminal takes the turn that it was sent. Says the same when it is asked again: an answer may be lost. False:
    /// the turn is not the terminal's any more.
    /// </summary>
    public Task<bool> Acknowledge(string terminal, Guid waiter, TurnToken turn, CancellationToken cancel) =>
        Change(
            """
            with offered as (
                select t.place, t.acknowledged_at
                from terminals t
                join turns turn on turn.session_id = t.session_id and turn.wake_number = t.wake_number
                                   and turn.epoch = t.epoch
                join sessions s on s.id = t.session_id and s.closed_at is null
                where t.session_id = $1 and t.terminal = $2 and t.waiter = $3 and t.wake_number = $4 and t.epoch = $5
                  and t.begun_at is null and turn.ended_at is null and turn.lease_until > clock_timestamp()
            ), noted as (
                insert into decisions (kind, session_id, wake_number, note)
                select 'delivered', $1, $4, place from offered where acknowledged_at is null
            )
            update terminals set acknowledged_at = clock_timestamp() from offered where session_id = $1
            """,
            cancel,
            turn.SessionId,
            terminal,
            waiter,
            turn.WakeNumber,
            turn.Epoch
        );

    /// <summary>A turn is under way at a terminal, or none is.</summary>
    public Task<bool> SetBusy(Guid sessionId, string terminal, bool busy, CancellationToken cancel) =>
        Change(
            """
            update terminals
            set busy = $3,
                -- what waited behind that turn is read from now on
                acknowledged_at = case when not $3 and begun_at is null and acknowledged_at is not null
                                       then clock_timestamp() else acknowledged_at end
            where session_id = $1 and terminal = $2
            """,
            cancel,
            sessionId,
            terminal,
            busy
        );

    /// <summary>
    /// The session begins to read a message that the CLI made from a wake. False: that wake is not the terminal's any
    /// more, and is not to be read.
    /// </summary>
    /// <param name="sessionId">The session.</param>
    /// <param name="terminal">The terminal.</param>
    /// <param name="message">The message.</param>
    /// <param name="lease">How long the turn is the terminal's from now on.</param>
    /// <param name="cancel">Ends the wait.</param>
    public Task<bool> Begin(
        Guid sessionId,
        string terminal,
        string message,
        TimeSpan lease,
        CancellationToken cancel
    ) =>
        Change(
            """
            with held as (
                -- nobody knows what it does: a fresh session might do the same again
                update turns turn set acted = true, lease_until = clock_timestamp() + $4
                from terminals t
                where t.session_id = $1 and t.terminal = $2 and position(t.marker in $3) > 0
                  and t.acknowledged_at is not null
                  and turn.session_id = $1 and turn.wake_number = t.wake_number and turn.epoch = t.epoch
                  and turn.ended_at is null and turn.lease_until is not null
                returning turn.lease_until
            ), timed as (
                update wake_timers set owed_at = held.lease_until from held where session_id = $1
            )
            update terminals set busy = true, begun_at = coalesce(begun_at, clock_timestamp())
            from held
            where session_id = $1 and terminal = $2
            """,
            cancel,
            sessionId,
            terminal,
            message,
            lease
        );

    /// <summary>The session has read the turn's message: it stands in the transcript.</summary>
    public Task<bool> MarkBegun(Guid sessionId, string terminal, CancellationToken cancel) =>
        Change(
            """
            update terminals set begun_at = coalesce(begun_at, clock_timestamp())
            where session_id = $1 and terminal = $2 and acknowledged_at is not null
            """,
            cancel,
            sessionId,
            terminal
        );

    /// <summary>The message of the turn that a terminal has taken, and whose reading was not seen yet; null when there
    /// is none.</summary>
    public async Task<string?> FindUnreadMarker(Guid sessionId, string terminal, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select marker from terminals
            where session_id = $1 and terminal = $2 and acknowledged_at is not null and begun_at is null
            """
        );
        command.Parameters.AddWithValue(sessionId);
        command.Parameters.AddWithValue(terminal);
        return (string?)await command.ExecuteScalarAsync(cancel);
    }

    /// <summary>The turn is no longer the terminal's.</summary>
    public Task<bool> ClearTurn(TurnToken turn, CancellationToken cancel) =>
        Change(
            """
            update terminals
            set wake_number = null, epoch = null, marker = null, acknowledged_at = null, begun_at = null
            where session_id = $1 and wake_number = $2 and epoch = $3
            """,
            cancel,
            turn.SessionId,
            turn.WakeNumber,
            turn.Epoch
        );

    /// <summary>A connection has ended: unless there is another by then, the session is unattended after this
    /// long.</summary>
    public Task<bool> Disconnect(Guid sessionId, Guid waiter, TimeSpan grace, CancellationToken cancel) =>
        Change(
            """
            with left_at as (
                update terminals set attended_until = clock_timestamp() + $3 where session_id = $1 and waiter = $2
                returning attended_until
            )
            -- whoever looks then finds it free
            update wake_timers timer set owed_at = least(timer.owed_at, left_at.attended_until)
            from left_at
            where timer.session_id = $1 and timer.owed_at is not null
            """,
            cancel,
            sessionId,
            waiter,
            grace
        );

    /// <summary>A terminal was closed: the session is unattended from now on.</summary>
    public Task<bool> Close(Guid sessionId, string terminal, CancellationToken cancel) =>
        Change(
            """
            with closed as (
                update terminals set attended_until = null, waiter = null, busy = false
                where session_id = $1 and terminal = $2
                returning 1
            )
            update wake_timers timer set owed_at = clock_timestamp()
            from closed
            where timer.session_id = $1 and timer.owed_at is not null
            """,
            cancel,
            sessionId,
            terminal
        );

    /// <summary>Whether a session that a terminal has registered was never woken and nothing is expected for it. False
    /// for all others.</summary>
    public async Task<bool> WasNeverNeeded(Guid sessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select s.by_terminal
               and not exists (select from watches where session_id = $1)
               and not exists (select from scheduled_wakes where session_id = $1)
               and not exists (select from inbox where session_id = $1 and wake_number is null and wakes)
               and not exists (select from turns where session_id = $1)
            from sessions s
            where s.id = $1 and s.closed_at is null
            """
        );
        command.Parameters.AddWithValue(sessionId);
        return await command.ExecuteScalarAsync(cancel) is true;
    }

    /// <summary>
    /// The turns that ended and that whoever has a session open was not told of, the oldest first. From now on they
    /// were.
    /// </summary>
    public async Task<IReadOnlyList<MissedTurn>> TakeMissedTurns(Guid sessionId, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(Turns.LockSession, sessionId);
        batch.Add(
            $"""
            with seen as (
                select seen_wake, since from terminals where session_id = $1
            ), missed as (
                select turn.wake_number, turn.runner, turn.outcome, turn.note, turn.ended_at > seen.since as beside,
                       (select e.reason from inbox i join events e on e.seq = i.event
                        where i.session_id = $1 and i.wake_number = turn.wake_number order by e.seq limit 1) as reason
                from turns turn, seen
                where turn.session_id = $1 and turn.ended_at is not null and turn.wake_number > seen.seen_wake
                order by turn.wake_number
            ), told as (
                update terminals set seen_wake = (select max(wake_number) from missed)
                where session_id = $1 and exists (select from missed)
            )
            select wake_number, outcome, note, beside, reason
            from missed
            where not starts_with(coalesce(runner, ''), '{RunnerPrefix}') and outcome <> 'stale'
            order by wake_number
            """,
            sessionId
        );
        await using var rows = await batch.ExecuteReaderAsync(cancel);
        await rows.NextResultAsync(cancel);
        return await rows.ReadAll(
            row => new MissedTurn(
                row.GetInt32("wake_number"),
                row.GetString("outcome"),
                row.GetText("note"),
                row.GetText("reason"),
                row.GetBoolean("beside")
            ),
            cancel
        );
    }

    async Task<bool> Change(string sql, CancellationToken cancel, params object?[] parameters)
    {
        await using var batch = database.CreateBatch();
        batch.AddGenericPlans();
        batch.Add(Turns.LockSession, parameters[0]);
        batch.Add(Notify, parameters[0]);
        batch.Add(sql, parameters);
        return await batch.ExecuteAffected(cancel);
    }
}

/// <summary>The session a terminal has open.</summary>
/// <param name="Id">The session.</param>
/// <param name="Key">Its key.</param>
public sealed record TerminalSession(Guid Id, string Key);

/// <summary>A terminal.</summary>
/// <param name="Terminal">The process that has the session open, by a name that no other process ever has.</param>
/// <param name="Place">The same as people are told of it, after "terminal".</param>
public sealed record TerminalPlace(string Terminal, string Place);

/// <summary>What is known of a terminal and of the open turn of its session.</summary>
/// <param name="Terminal">Its name.</param>
/// <param name="Place">As people are told of it.</param>
/// <param name="Busy">A turn is under way there.</param>
public sealed record TerminalFacts(string Terminal, string Place, bool Busy)
{
    /// <summary>The turn it has claimed; null when it has none.</summary>
    public TurnToken? Held { get; init; }

    /// <summary>How long ago it took that; null when it has not.</summary>
    public TimeSpan? SinceAcknowledged { get; init; }

    /// <summary>The session was seen to have read it.</summary>
    public bool Begun { get; init; }

    /// <summary>The wake whose turn is open; null when none is.</summary>
    public int? OpenWake { get; init; }

    /// <summary>Who else holds that turn; null when nobody does.</summary>
    public string? OtherRunner { get; init; }

    /// <summary>The open turn can be claimed by the terminal.</summary>
    public bool IsClaimable { get; init; }

    /// <summary>The open turn has asked a person, as only a runner's can.</summary>
    public bool HasQuestions { get; init; }

    /// <summary>How many events wait for the next turn.</summary>
    public int Pending { get; init; }

    /// <summary>What the newest of them says; null when none waits.</summary>
    public string? LatestReason { get; init; }

    /// <summary>Turns have ended that whoever has the session open was not told of.</summary>
    public bool HasMissedTurns { get; init; }
}

/// <summary>A turn that was taken while nobody looked.</summary>
/// <param name="WakeNumber">The wake.</param>
/// <param name="Outcome">How it ended.</param>
/// <param name="Note">More about that.</param>
/// <param name="Reason">What its first event says; null when it had none.</param>
/// <param name="Beside">It ended while the session was open, whose history therefore lacks it.</param>
public sealed record MissedTurn(int WakeNumber, string Outcome, string? Note, string? Reason, bool Beside);
