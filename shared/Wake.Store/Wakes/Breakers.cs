using System.Data;
using Npgsql;

namespace Wake.Store;

/// <summary>
/// Circuit breakers: a limit that is reached opens one, which is a pause that Wake makes itself. While it is open no
/// turn of what it covers is dispatched. After a time it is half-open: one turn is tried. If that ends well within the
/// limit the breaker closes, else it opens again, for longer. A person closes it by ending the pause.
/// </summary>
/// <remarks>
/// What counts is read from the turns, their costs and the events when a turn would be dispatched: there is no counter
/// that could be wrong after a crash.
/// </remarks>
public sealed class Breakers(NpgsqlDataSource database)
{
    // Dispatches hold it one after the other while a limit is set that sessions share: none looks before the turn of
    // the one before is written. The limits of a session are under its own lock.
    const string Lock = "5427024";

    const string IsOpen = "p.breaker is not null and p.ended_at is null";

    // Of a limit l: its breaker is open or half-open.
    const string HasBreaker = $"""
        exists (select from pauses p
                where {IsOpen} and p.breaker = l.kind and p.scope = l.scope and p.name is not distinct from l.name)
        """;

    // A row h of a limit that is reached, in words.
    const string Reason = """
        'breaker: ' || case h.kind
            when 'turnsPerHour' then format('%s turns within an hour', h.used)
            when 'usdPerHour' then format('$%s within an hour', trim_scale(h.used))
            when 'usdPerDay' then format('$%s today', trim_scale(h.used))
            when 'eventsPerMinute' then 'more events within a minute than it may publish'
            else format('%s turns in a row that its own words caused', h.used)
        end || format(', the limit is %s', trim_scale(h.amount))
        """;

    // Of rows h. Opened again soon after it has closed by itself, it stays open for longer.
    const string Open = $"""
        insert into pauses (id, scope, name, session_pattern, until, interrupts, reason, breaker, amount, open_for, max_open_for,
                            trips, stops_claims)
        select gen_random_uuid(), h.scope, h.name, h.session_pattern,
               greatest(clock_timestamp() + breaker_length(h.open_for, h.max_open_for, before.trips), h.room_at),
               false, {Reason}, h.kind, h.amount, h.open_for, h.max_open_for, before.trips, h.kind in ('usdPerHour', 'usdPerDay')
        from hit h
        cross join lateral (
            select coalesce((
                select case when not p.by_hand and p.ended_at > clock_timestamp() - breaker_length(p.open_for, p.max_open_for, p.trips)
                            then p.trips + 1 end
                from pauses p
                where p.breaker = h.kind and p.scope = h.scope and p.name is not distinct from h.name and p.ended_at is not null
                order by p.ended_at desc limit 1), 0) as trips) before
        on conflict (breaker, scope, coalesce(name, '')) where breaker is not null and ended_at is null do nothing
        returning breaker, scope, name, reason
        """;

    // Which of a session's limits l are for a profile s.profile: its own, else those of all others.
    const string OfProfile = """
        l.name = case when exists (select from breaker_limits o where o.scope = 'session' and o.name = s.profile)
                      then s.profile else '' end
        """;

    // Of rows session, with their id, key, profile and source: what may hold for their next turn.
    const string LimitsOfSession = $"""
        select s.id, l.kind, l.scope, case l.scope when 'session' then s.key else nullif(l.name, '') end as name,
               r.session_pattern, l.amount, l.open_for, l.max_open_for
        from session s
        cross join breaker_limits l
        left join routes r on l.scope = 'route' and r.name = l.name and r.ended_at is null
        where l.amount is not null and l.kind <> 'eventsPerMinute'
          and case l.scope when 'all' then true when 'session' then {OfProfile} when 'profile' then l.name = s.profile
                           when 'route' then s.key like r.session_pattern when 'source' then l.name = s.source end
        """;

    /// <summary>Before the limits are looked at.</summary>
    public static NpgsqlBatchCommand LockLimits =>
        new(
            $"""
            select pg_advisory_xact_lock({Lock})
            where exists (select from breaker_limits where scope <> 'session' and amount is not null)
            """
        );

    /// <summary>
    /// Whether a turn may be dispatched: opens the breakers of the limits that are reached, and takes the trial of
    /// those that are half-open. In a transaction with what dispatches the turn, under the session's lock.
    /// </summary>
    /// <param name="sessionId">The session.</param>
    /// <param name="wakeNumber">Which of its wakes.</param>
    /// <param name="begins">Whether it is a new turn, for which the limits count.</param>
    public static NpgsqlBatchCommand Admit(Guid sessionId, int wakeNumber, bool begins) =>
        NpgsqlExtensions.CreateNamed(
            $"""
            with session as materialized (
                select s.id, s.key, s.profile,
                       case when exists (select from breaker_limits where scope = 'source')
                              or exists (select from pauses p where {IsOpen} and not p.resumed and p.scope = 'source')
                            then pending_source(s.id) end as source
                from sessions s
                where s.id = @session
            ), limits as materialized (
                {LimitsOfSession} and @begins
            ), hit as materialized (
                select l.*, u.used, u.room_at
                from limits l
                cross join lateral breaker_usage(l.kind, l.scope, l.name, l.session_pattern, l.amount) u
                where u.used >= l.amount
                  and not {HasBreaker}
            ), opened as (
                {Open}
            ), holds as materialized (
                -- also those that another session has opened since the caller looked
                select p.id
                from session s cross join lateral holds_of(s.id, s.key, s.profile) p
                where p.breaker is not null and (@begins or p.stops_claims)
                  and (p.trial_session, p.trial_wake) is distinct from (@session, @wake)
            ), tried as (
                update pauses p set trial_session = @session, trial_wake = @wake
                where p.id in (select id from holds) and p.trial_session is null and p.ended_at is null
                  and p.until <= clock_timestamp() and not exists (select from hit)
                returning p.id
            )
            select not exists (select from hit) and (select count(*) from holds) = (select count(*) from tried) as admitted,
                   o.breaker, o.scope, o.name, o.reason
            from (select) one left join opened o on true
            """,
            ("session", sessionId),
            ("wake", wakeNumber),
            ("begins", begins)
        );

    /// <summary>
    /// Of some sessions those that may all be dispatched a new turn, one after the other, with nothing to be written
    /// for it: no limit is reached by then, and no breaker covers them. The others have to ask one by one. Returns
    /// their ids.
    /// </summary>
    public static NpgsqlBatchCommand AdmitAll(IReadOnlyList<Guid> sessions) =>
        NpgsqlExtensions.CreateNamed(
            $"""
            with session as materialized (
                select s.id, s.key, s.profile,
                       case when exists (select from breaker_limits where scope = 'source') then pending_source(s.id) end as source
                from unnest(@sessions) as asked (id) join sessions s on s.id = asked.id
            ), limits as materialized (
                {LimitsOfSession}
            ), reached as materialized (
                select l.kind, l.scope, l.name
                from (select kind, scope, name, session_pattern, amount, count(*) as turns from limits group by 1, 2, 3, 4, 5) l
                cross join lateral breaker_usage(l.kind, l.scope, l.name, l.session_pattern, l.amount) u
                -- to the last of them count the turns of all others
                where u.used + case l.kind when 'turnsPerHour' then l.turns - 1 else 0 end >= l.amount
            )
            select s.id
            from session s
            where not exists (select from limits l
                              join reached r on r.kind = l.kind and r.scope = l.scope and r.name is not distinct from l.name
                              where l.id = s.id)
              and not exists (select from holds_of(s.id, s.key, s.profile) p where p.breaker is not null)
            """,
            ("sessions", sessions.ToArray())
        );

    /// <summary>Gives back the trials of a turn that is not dispatched after all.</summary>
    public static NpgsqlBatchCommand ReturnTrials(Guid sessionId, int wakeNumber) =>
        NpgsqlExtensions.CreateNamed(
            $"""
            update pauses p set trial_session = null, trial_wake = null
            where {IsOpen} and p.trial_session = @session and p.trial_wake = @wake
            """,
            ("session", sessionId),
            ("wake", wakeNumber)
        );

    /// <summary>The breaker in a row of <see cref="Admit"/>; null when none was opened.</summary>
    public static OpenedBreaker? FromRow(NpgsqlDataReader row) =>
        row.IsDBNull("breaker")
            ? null
            : new(row.GetString("breaker"), row.GetString("scope"), row.GetText("name"), row.GetString("reason"));

    /// <summary>
    /// Opens the breakers of sources that publish too much, and judges the trials that are over. Any number of
    /// coordinators may do so at once.
    /// </summary>
    /// <returns>The breakers that were opened.</returns>
    public async Task<IReadOnlyList<OpenedBreaker>> Review(CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            $"""
            with over as materialized (
                -- null: it was not run, and says nothing. The next turn that is due is the trial.
                select p.*, case when t.outcome <> 'stale' then t.outcome = 'completed' end as ran
                from pauses p
                left join turns t on t.session_id = p.trial_session and t.wake_number = p.trial_wake
                left join sessions s on s.id = p.trial_session
                where {IsOpen} and not p.resumed and p.trial_session is not null
                  and (t.session_id is null or t.ended_at is not null or t.parked or s.closed_at is not null)
            ), judged as materialized (
                select o.id, coalesce(o.ran, false) and u.used < o.amount as well, o.ran is null and u.used < o.amount as open,
                       case when u.used >= o.amount then u.room_at end as room_at
                from over o
                cross join lateral breaker_usage(o.breaker, o.scope, o.name, o.session_pattern, o.amount) u
            )
            update pauses p
            set ended_at = case when j.well then clock_timestamp() end, trial_session = null, trial_wake = null,
                trips = p.trips + (not j.well and not j.open)::int,
                until = case when j.well or j.open then p.until
                             else greatest(clock_timestamp() + breaker_length(p.open_for, p.max_open_for, p.trips + 1), j.room_at) end
            from judged j
            where p.id = j.id and p.ended_at is null and p.trial_session is not null
            """
        );
        batch.Add(
            $"""
            with hit as materialized (
                select l.kind, l.scope, l.name, null::text as session_pattern, l.amount, l.open_for, l.max_open_for, u.used, u.room_at
                from breaker_limits l
                cross join lateral breaker_usage(l.kind, l.scope, l.name, null, l.amount) u
                where l.kind = 'eventsPerMinute' and l.amount is not null and u.used > l.amount
                  and not {HasBreaker}
            )
            {Open}
            """
        );
        await using var rows = await batch.ExecuteReaderAsync(cancel);
        return await rows.ReadAll(row => FromRow(row)!, cancel);
    }

    /// <summary>
    /// Says which limits hold, and as whom sessions write. The breakers of limits that are no longer there are closed.
    /// </summary>
    public async Task Replace(
        IReadOnlyList<BreakerLimit> limits,
        TimeSpan openFor,
        TimeSpan maxOpenFor,
        IReadOnlyList<string> ownLogins,
        CancellationToken cancel
    )
    {
        await using var batch = database.CreateBatch();

        // Coordinators that start together write one after the other.
        batch.Add($"select pg_advisory_xact_lock({Lock})");
        batch.Add("delete from breaker_limits");
        batch.Add(
            """
            insert into breaker_limits (scope, name, kind, amount, open_for, max_open_for)
            select scope, name, kind, amount, $5, $6
            from unnest($1::text[], $2::text[], $3::text[], $4::numeric[]) as given (scope, name, kind, amount)
            """,
            limits.Select(x => x.Scope.ToCamelCase()).ToArray(),
            limits.Select(x => x.Name ?? "").ToArray(),
            limits.Select(x => x.Kind.ToCamelCase()).ToArray(),
            limits.Select(x => x.Amount).ToArray(),
            openFor,
            maxOpenFor
        );
        batch.Add("delete from own_logins");
        batch.Add(
            "insert into own_logins (login) select distinct lower(login) from unnest($1::text[]) as given (login)",
            (object)ownLogins.ToArray()
        );
        batch.Add(
            $"""
            update pauses p set ended_at = clock_timestamp()
            where {IsOpen}
              and not exists (select from breaker_limits l where l.kind = p.breaker and l.scope = p.scope and l.amount is not null
                                                             and (l.scope = 'session' or l.name = coalesce(p.name, '')))
            """
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>
    /// Those that are not closed, then the limits by how much of them is used: of sessions those that have used half.
    /// </summary>
    public async Task<IReadOnlyList<Breaker>> List(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"""
            with limits as materialized (
                select l.kind, l.scope, nullif(l.name, '') as name, r.session_pattern, l.amount
                from breaker_limits l
                left join routes r on l.scope = 'route' and r.name = l.name and r.ended_at is null
                where l.amount is not null and l.scope <> 'session'
                union all
                select l.kind, l.scope, s.key, null, l.amount
                from (select distinct session_id
                      from (select t.session_id from turns t where t.dispatched_at > clock_timestamp() - interval '1 hour'
                            order by t.dispatched_at desc limit 1000) newest) recent
                join sessions s on s.id = recent.session_id and s.closed_at is null
                join breaker_limits l on l.scope = 'session' and l.amount is not null and {OfProfile}
            ), measured as (
                select l.kind, l.scope, l.name, l.amount, u.used, null::uuid as id, null::timestamptz as created_at,
                       null::timestamptz as until, null::boolean as half_open, null::text as trial
                from limits l
                cross join lateral breaker_usage(l.kind, l.scope, l.name, l.session_pattern, l.amount) u
                where (l.scope <> 'session' or u.used * 2 >= l.amount)
                  and not {HasBreaker}
                union all
                select p.breaker, p.scope, p.name, p.amount, u.used, p.id, p.created_at, p.until, p.until <= clock_timestamp(), s.key
                from pauses p
                left join sessions s on s.id = p.trial_session
                cross join lateral breaker_usage(p.breaker, p.scope, p.name, p.session_pattern, p.amount) u
                where {IsOpen} and not p.resumed
            )
            select * from measured order by id is null, created_at, used / amount desc, scope, name, kind limit 200
            """
        );
        return await command.ReadAll(
            row => new Breaker(
                row.GetEnum<BreakerKind>("kind"),
                row.GetEnum<PauseScope>("scope"),
                row.GetText("name"),
                row.IsDBNull("half_open") ? BreakerState.Closed
                    : row.GetBoolean("half_open") ? BreakerState.HalfOpen
                    : BreakerState.Open,
                row.GetDecimal("used"),
                row.GetDecimal("amount"),
                row.GetNullable<Guid>("id"),
                row.GetNullable<DateTimeOffset>("created_at"),
                row.GetNullable<DateTimeOffset>("until"),
                row.GetText("trial")
            ),
            cancel
        );
    }

    /// <summary>How many are open and how many half-open.</summary>
    public async Task<(long Open, long HalfOpen)> Count(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"""
            select count(*) filter (where p.until > clock_timestamp()), count(*) filter (where p.until <= clock_timestamp())
            from pauses p
            where {IsOpen} and not p.resumed
            """
        );
        await using var rows = await command.ExecuteReaderAsync(cancel);
        await rows.ReadAsync(cancel);
        return (rows.GetInt64(0), rows.GetInt64(1));
    }
}

/// <summary>What a breaker counts.</summary>
public enum BreakerKind
{
    /// <summary>Turns that were dispatched within the last hour.</summary>
    TurnsPerHour,

    /// <summary>What turns cost that ended within the last hour.</summary>
    UsdPerHour,

    /// <summary>What turns cost that ended today, UTC.</summary>
    UsdPerDay,

    /// <summary>Events that were accepted within the last minute.</summary>
    EventsPerMinute,

    /// <summary>Turns in a row, each caused by what the session did in the one before.</summary>
    ChainDepth,
}

/// <summary>How a breaker is.</summary>
public enum BreakerState
{
    /// <summary>The limit is not reached.</summary>
    Closed,

    /// <summary>No turn is dispatched.</summary>
    Open,

    /// <summary>One turn is tried.</summary>
    HalfOpen,
}

/// <summary>A limit.</summary>
/// <param name="Scope">What it is for: of sessions it holds for each.</param>
/// <param name="Name">Of the route, profile or source; of sessions the profile; null for all.</param>
/// <param name="Kind">What it counts.</param>
/// <param name="Amount">How much is allowed; null: any, where the limit of all others would hold.</param>
public sealed record BreakerLimit(PauseScope Scope, string? Name, BreakerKind Kind, decimal? Amount);

/// <summary>A breaker that has opened.</summary>
/// <param name="Kind">What it counts, as the store writes it.</param>
/// <param name="Scope">What it is for.</param>
/// <param name="Name">Of the session, route, profile or source; null for all.</param>
/// <param name="Reason">Why, for people.</param>
public sealed record OpenedBreaker(string Kind, string Scope, string? Name, string Reason);

/// <summary>A limit and its breaker.</summary>
/// <param name="Kind">What it counts.</param>
/// <param name="Scope">What it is for.</param>
/// <param name="Name">Of the session, route, profile or source; null for all.</param>
/// <param name="State">How it is.</param>
/// <param name="Used">What counts now; not counted further than the limit, but for dollars.</param>
/// <param name="Amount">The limit.</param>
/// <param name="PauseId">The pause; null while it is closed.</param>
/// <param name="Since">When it opened.</param>
/// <param name="Until">When it is half-open, or since when it is.</param>
/// <param name="Trial">The key of the session whose turn is tried; null when none is.</param>
public sealed record Breaker(
    BreakerKind Kind,
    PauseScope Scope,
    string? Name,
    BreakerState State,
    decimal Used,
    decimal Amount,
    Guid? PauseId,
    DateTimeOffset? Since,
    DateTimeOffset? Until,
    string? Trial
);
