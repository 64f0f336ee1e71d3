using Npgsql;

namespace Wake.Store;

/// <summary>
/// Turns that are withheld because somebody else is at work in their Claude session: a process on the runner's machine
/// that has it open, or a turn or process of a session that was closed and had the same. A hold is no attempt and binds
/// no events. It belongs to the runner that watches whoever is in the way, who renews it like a lease: a runner
/// elsewhere cannot see that process and must not take the turn meanwhile, and when the watching runner dies the turn
/// is free to be looked at again.
/// </summary>
public sealed class TurnHolds(NpgsqlDataSource database)
{
    /// <summary>A hold in force: a row <c>turn</c>.</summary>
    internal const string InForce =
        "turn.not_before = turn.held_until and turn.held_until > clock_timestamp() and not turn.parked";

    // Of another session with the same Claude session: its turn still runs, or its process stays. A row theirs.
    const string AtWork = """
        (theirs.warm_until > clock_timestamp() and theirs.warm_on <> $3
         or exists (select from turns running
                    where running.session_id = theirs.session_id and running.ended_at is null and running.lease_until > clock_timestamp()))
        """;

    /// <summary>
    /// What comes before a claim in its transaction: withholds the turn if it could be claimed and somebody is in the
    /// way. A row with the reason and the Claude session if so.
    /// </summary>
    internal static NpgsqlBatchCommand Withhold(
        Guid sessionId,
        int wakeNumber,
        string runner,
        TimeSpan lease,
        OpenClaudeSessions here
    ) =>
        NpgsqlExtensions.CreateCommand(
            $"""
            with claimable as (
                select turn.note, turn.held_until, s.key, timer.takeover, chain.claude_session_id,
                       case when s.profile = any ($8) then s.profile = any ($9) else 'default' = any ($9) end as runs_beside
                from turns turn
                join sessions s on s.id = $1 and s.closed_at is null and not {Pauses.StopClaim}
                join wake_timers timer on timer.session_id = $1
                left join lateral (select claude_session_id from session_ids where session_id = $1 order by position desc limit 1) chain on true
                where turn.session_id = $1 and turn.wake_number = $2 and turn.ended_at is null
                  and (turn.lease_until is null or turn.lease_until <= clock_timestamp())
                  and (turn.not_before is null or turn.not_before <= clock_timestamp()
                       or ($5 and turn.held_by = $3 or $10::text is not null) and turn.not_before = turn.held_until)
            ), in_the_way as (
                select format('open in a terminal that takes its turns (%s, since %sZ)', terminal.place,
                              to_char(terminal.since at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')) as what
                from claimable join terminals terminal on terminal.session_id = $1
                where not takeover and terminal.terminal is distinct from $10::text and {Terminals.Attends}
                union all
                select open.what
                from claimable join unnest($6::uuid[], $7::text[]) as open (claude_session_id, what) using (claude_session_id)
                where not takeover and not runs_beside
                union all
                select format('its Claude session is still at work in the session %s, which was closed', s.key)
                from claimable
                join session_ids theirs using (claude_session_id)
                join sessions s on s.id = theirs.session_id
                where theirs.session_id <> $1 and {AtWork}
                limit 1
            ), until as (
                select clock_timestamp() + $4 as at
            ), held as (
                update turns turn set held_until = until.at, not_before = until.at, held_by = $3, note = in_the_way.what
                from in_the_way, until
                where turn.session_id = $1 and turn.wake_number = $2
            ), timed as (
                update wake_timers timer set owed_at = until.at from in_the_way, until where timer.session_id = $1
            ), taken_over as (
                update wake_timers timer set takeover = false
                from claimable
                where timer.session_id = $1 and timer.takeover and not exists (select from in_the_way)
            ), noted as (
                insert into decisions (kind, session_id, wake_number, note)
                select 'held', $1, $2, what from claimable, in_the_way where held_until is null or note is distinct from what
            ), freed as (
                -- its watcher takes it up itself
                update turns turn set not_before = null
                from claimable
                where turn.session_id = $1 and turn.wake_number = $2 and ($5 or $10::text is not null)
                  and not exists (select from in_the_way)
            )
            select what, claude_session_id from claimable, in_the_way
            """,
            sessionId,
            wakeNumber,
            runner,
            lease,
            here.EndsHold,
            here.Ids,
            here.What,
            here.Profiles.ToArray(),
            here.TakeoverProfiles.ToArray(),
            here.Terminal
        );

    /// <summary>Which holds of a runner are still in force, and what has changed about them.</summary>
    public async Task<IReadOnlyList<HoldState>> GetStates(
        string runner,
        IReadOnlyList<(Guid SessionId, int WakeNumber)> holds,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            $"""
            select turn.session_id, turn.wake_number, timer.takeover,
                   exists (select from session_ids theirs
                           where theirs.claude_session_id = chain.claude_session_id and theirs.session_id <> turn.session_id and {AtWork})
                   or not timer.takeover and {Terminals.AttendsTurn}
            from unnest($1::uuid[], $2::int[]) as asked (session_id, wake_number)
            join turns turn using (session_id, wake_number)
            join sessions s on s.id = turn.session_id and s.closed_at is null
            join wake_timers timer on timer.session_id = turn.session_id
            cross join lateral (select claude_session_id from session_ids where session_id = turn.session_id order by position desc limit 1) chain
            where turn.held_by = $3 and turn.ended_at is null and turn.not_before = turn.held_until
            """
        );
        command.Parameters.AddWithValue(holds.Select(x => x.SessionId).ToArray());
        command.Parameters.AddWithValue(holds.Select(x => x.WakeNumber).ToArray());
        command.Parameters.AddWithValue(runner);
        return await command.ReadAll(
            row => new HoldState(row.GetGuid(0), row.GetInt32(1), row.GetBoolean(2), row.GetBoolean(3)),
            cancel
        );
    }

    /// <summary>Prolongs a hold. False: it is none any more.</summary>
    public Task<bool> Renew(Guid sessionId, int wakeNumber, string runner, TimeSpan lease, CancellationToken cancel) =>
        UpdateHold(
            """
            with until as (
                select clock_timestamp() + $4 as at
            ), renewed as (
                update turns turn set held_until = until.at, not_before = until.at
                from until
                where session_id = $1 and wake_number = $2 and held_by = $3 and not_before = held_until and ended_at is null
                returning until.at
            )
            update wake_timers timer set owed_at = renewed.at from renewed where timer.session_id = $1
            """,
            sessionId,
            wakeNumber,
            runner,
            lease,
            cancel
        );

    /// <summary>Ends a hold for whichever runner takes the turn: the one that watched has no room for it.</summary>
    public Task<bool> Release(Guid sessionId, int wakeNumber, string runner, CancellationToken cancel) =>
        UpdateHold(
            """
            with freed as (
                update turns set not_before = null, note = null
                where session_id = $1 and wake_number = $2 and held_by = $3 and not_before = held_until and ended_at is null
                returning clock_timestamp() + $4 as at
            )
            update wake_timers timer set owed_at = freed.at from freed where timer.session_id = $1
            """,
            sessionId,
            wakeNumber,
            runner,
            TimeSpan.Zero,
            cancel
        );

    /// <summary>Lets the next turn of a session run beside whatever process has it open, because a person says
    /// so.</summary>
    public async Task AllowTakeover(Guid sessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "update wake_timers set takeover = true where session_id = $1"
        );
        command.Parameters.AddWithValue(sessionId);
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Takes that back, unless a turn is owed to which it may refer.</summary>
    public async Task ClearTakeover(Guid sessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "update wake_timers set takeover = false where session_id = $1 and due_at is null"
        );
        command.Parameters.AddWithValue(sessionId);
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Notes what the end of a turn has shown of its history; nothing when it is no longer the
    /// caller's.</summary>
    /// <param name="turn">The turn.</param>
    /// <param name="beside">The process that had the session open beside it, in words; null when there was
    /// none.</param>
    /// <param name="onBranch">Whether its message is on the branch that the session goes on from; null when nobody can
    /// tell.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task RecordHistory(ClaimedTurn turn, string? beside, bool? onBranch, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"update turns set beside = coalesce($4, beside), on_branch = $5 where {Turns.IsHeldByCaller}"
        );
        command.Parameters.AddWithValue(turn.SessionId);
        command.Parameters.AddWithValue(turn.WakeNumber);
        command.Parameters.AddWithValue(turn.Epoch);
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = beside });
        command.Parameters.Add(
            new() { Value = (object?)onBranch ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Boolean }
        );
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>
    /// Says, before a turn ends, that its process stays with the Claude session, so that a session registered anew with
    /// the same one does not begin beside it. False: the turn is no longer the caller's, and nothing may stay.
    /// </summary>
    public async Task<bool> MarkWarm(
        ClaimedTurn turn,
        Guid claudeSessionId,
        string runner,
        TimeSpan lease,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            $"""
            update session_ids chain set warm_on = $5, warm_until = clock_timestamp() + $6
            where chain.session_id = $1 and chain.claude_session_id = $4 and exists (select from turns where {Turns.IsHeldByCaller})
            """
        );
        command.Parameters.AddWithValue(turn.SessionId);
        command.Parameters.AddWithValue(turn.WakeNumber);
        command.Parameters.AddWithValue(turn.Epoch);
        command.Parameters.AddWithValue(claudeSessionId);
        command.Parameters.AddWithValue(runner);
        command.Parameters.AddWithValue(lease);
        return await command.ExecuteNonQueryAsync(cancel) > 0;
    }

    /// <summary>
    /// Of the sessions whose process stays on a runner those where it may: it goes on with the session's present Claude
    /// session, the session is open, and no other runner has gone on with it.
    /// </summary>
    public async Task<IReadOnlySet<Guid>> FindAllowedWarm(
        string runner,
        IReadOnlyList<(Guid SessionId, Guid ClaudeSessionId)> warm,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            """
            select warm.session_id
            from unnest($1::uuid[], $2::uuid[]) as warm (session_id, claude_session_id)
            join sessions s on s.id = warm.session_id and s.closed_at is null
            cross join lateral (select claude_session_id, warm_on from session_ids where session_id = warm.session_id order by position desc limit 1) chain
            where chain.claude_session_id = warm.claude_session_id and chain.warm_on = $3
              and not exists (select from turns turn
                              where turn.session_id = warm.session_id and turn.ended_at is null and turn.lease_until > clock_timestamp()
                                and turn.runner <> $3)
            """
        );
        command.Parameters.AddWithValue(warm.Select(x => x.SessionId).ToArray());
        command.Parameters.AddWithValue(warm.Select(x => x.ClaudeSessionId).ToArray());
        command.Parameters.AddWithValue(runner);
        return (await command.ReadAll(row => row.GetGuid(0), cancel)).ToHashSet();
    }

    /// <summary>Says how long the processes that stay on a runner are still there; zero: they have ended.</summary>
    public async Task RenewWarm(
        string runner,
        IReadOnlyList<Guid> claudeSessions,
        TimeSpan lease,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            """
            update session_ids set warm_until = clock_timestamp() + $3
            where claude_session_id = any ($2) and warm_on = $1
            """
        );
        command.Parameters.AddWithValue(runner);
        command.Parameters.AddWithValue(claudeSessions.ToArray());
        command.Parameters.AddWithValue(lease);
        await command.ExecuteNonQueryAsync(cancel);
    }

    async Task<bool> UpdateHold(
        string sql,
        Guid sessionId,
        int wakeNumber,
        string runner,
        TimeSpan lease,
        CancellationToken cancel
    )
    {
        await using var batch = database.CreateBatch();
        batch.Add(Turns.LockSession, sessionId);
        batch.Add(sql, sessionId, wakeNumber, runner, lease);
        return await batch.ExecuteAffected(cancel);
    }
}

/// <summary>What a runner knows of the Claude sessions that others have open on its machine, when it asks for a
/// turn.</summary>
/// <param name="Open">The Claude sessions, each with the process that has it open in words.</param>
/// <param name="Profiles">The profiles that are configured; all others are as <c>default</c>.</param>
/// <param name="TakeoverProfiles">Those of them whose turns do not wait for such a process.</param>
public sealed record OpenClaudeSessions(
    IReadOnlyList<(Guid ClaudeSessionId, string What)> Open,
    IReadOnlyList<string> Profiles,
    IReadOnlyList<string> TakeoverProfiles
)
{
    /// <summary>Nobody has any.</summary>
    public static OpenClaudeSessions None { get; } = new([], [], []);

    /// <summary>The caller watches the turn's hold and asks because that may be over.</summary>
    public bool EndsHold { get; init; }

    /// <summary>The terminal for which the turn is claimed, in whose way is neither itself nor a hold; null for a
    /// runner.</summary>
    public string? Terminal { get; init; }

    internal Guid[] Ids => [.. Open.Select(x => x.ClaudeSessionId)];

    internal string[] What => [.. Open.Select(x => x.What)];
}

/// <summary>How a hold stands.</summary>
/// <param name="SessionId">The session.</param>
/// <param name="WakeNumber">Its wake that is withheld.</param>
/// <param name="Takeover">A person says that it shall run all the same.</param>
/// <param name="SessionAtWork">A terminal attends it, or a session that was closed is still at work in its Claude
/// session.</param>
public sealed record HoldState(Guid SessionId, int WakeNumber, bool Takeover, bool SessionAtWork);
