using System.Data;
using Npgsql;

namespace Wake.Store;

/// <summary>
/// Pauses: while one covers a session, no turn of it is dispatched or claimed. What comes is taken in as ever and waits
/// in the inbox. When the last of its pauses is over, each session with something in its inbox takes one turn for all
/// of it. A pause of a source or a subject holds events instead: they wait in the inboxes, and a claim leaves them
/// there.
/// </summary>
public sealed class Pauses(NpgsqlDataSource database)
{
    // A claim holds it together with others, a new pause alone: a turn is either claimed before the pause is there, or
    // not at all.
    internal const string Lock = "5427023";

    /// <summary>A statement before that of a new pause: it comes into force when the claims under way are
    /// written.</summary>
    internal const string LockAgainstClaims = $"select pg_advisory_xact_lock({Lock})";

    /// <summary>A statement of a claim, before those that look: no pause comes into force until it commits.</summary>
    internal const string LockAgainstNew = $"select pg_advisory_xact_lock_shared({Lock})";

    /// <summary>Whether a pause keeps the turn of a row <c>turn</c>, of the session of a row <c>s</c>, from being
    /// claimed: a breaker may let run what was dispatched before, or as its trial.</summary>
    internal const string StopClaim = """
        (exists (select from pauses_of(s.key, s.profile) p
                 where p.stops_claims and (p.trial_session, p.trial_wake) is distinct from (turn.session_id, turn.wake_number))
         or exists (select from event_holds_of(s.id)))
        """;

    /// <summary>Whether a pause holds the event of a row <c>i</c> of an inbox. Without a pause of events none is looked
    /// at.</summary>
    internal const string HoldEvent = $"({AnyOfEvents} and exists (select from event_pauses(i.event)))";

    /// <summary>Whether some pause may hold events: asked once in a statement.</summary>
    internal const string AnyOfEvents = $"(select exists (select from pauses p where not p.resumed and {IsOfEvents}))";

    /// <summary>Whether something keeps the session of a row <c>s</c>, which has no turn, from its next one.</summary>
    internal const string HoldSession = "exists (select from holds_of(s.id, s.key, s.profile))";

    /// <summary>A row <c>p</c> in words.</summary>
    internal const string Note = """
        concat(case p.scope when 'all' then 'everything' else concat(p.scope, ' ', p.name) end, ', ',
               coalesce('until ' || to_char(p.until at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || 'Z', 'until it is ended'),
               ': ' || p.reason)
        """;

    // Of rows p in force: when the last of them is over; null when somebody, or a trial, ends it.
    const string LastEnd = "case when bool_and(coalesce(p.until > clock_timestamp(), false)) then max(p.until) end";

    const string InForce =
        "p.ended_at is null and (p.until is null or p.until > clock_timestamp() or p.breaker is not null)";

    const string Covers = "pause_covers(p.scope, p.name, p.session_pattern, s.key, s.profile)";

    // Of a row p: it holds events, and covers no session as a whole.
    const string IsOfEvents = "p.breaker is null and p.scope in ('source', 'subject')";

    // Of a row p that holds events: whether that of rows i and e is among them, and would wake.
    const string Holds = "i.wakes and pause_holds(p.scope, p.name, p.subject_pattern, e.source, e.subject, e.related)";

    // Of rows p and s: something that would wake the session waits for the pause.
    const string HoldsPending = $"""
        exists (select from inbox i join events e on e.seq = i.event
                where i.session_id = s.id and i.wake_number is null and {Holds})
        """;

    const string Select = $"""
        select p.id, p.scope, p.name, case when p.breaker is null or p.until > clock_timestamp() then p.until end as until,
               p.interrupts, p.reason, p.created_at,
               case when {IsOfEvents} then
                   -- all that waits has a timer, which few sessions have
                   (select count(*) from wake_timers timer join sessions s on s.id = timer.session_id
                    where timer.due_at is not null and s.closed_at is null and {HoldsPending})
               else
                   (select count(*) from sessions s where s.closed_at is null and {Covers})
               end::int as sessions,
               (select count(*) from turns t join sessions s on s.id = t.session_id
                where t.ended_at is null and t.lease_until > clock_timestamp()
                  and case when {IsOfEvents} then
                          exists (select from inbox i join events e on e.seq = i.event
                                  where i.session_id = t.session_id and i.wake_number = t.wake_number and {Holds})
                      else {Covers} end)::int as running
        from pauses p
        """;

    /// <summary>
    /// Pauses, from now on. Null: there is no open session, or no route, of this name. The same again under one id
    /// answers with what is there.
    /// </summary>
    public async Task<Pause?> Add(NewPause wanted, CancellationToken cancel, Guid? id = null)
    {
        var made = id ?? Guid.CreateVersion7();
        await using var batch = database.CreateBatch();
        batch.Add(LockAgainstClaims);
        batch.Add(
            """
            insert into pauses (id, scope, name, session_pattern, until, interrupts, reason, subject_pattern, created_by)
            select $1, $2, $3::text, $4::text, $5::timestamptz, $6, $7::text, $8::text, $9::text
            where $2 <> 'session' or exists (select from sessions where key = $3 and closed_at is null)
            on conflict (id) do nothing
            """,
            made,
            wanted.Scope.ToCamelCase(),
            wanted.Name,
            wanted.Route is null ? null : Sql.LikePattern(wanted.Route.SessionKeys),
            wanted.Until?.ToUniversalTime(),
            wanted.Interrupts,
            wanted.Reason,
            wanted.Scope is PauseScope.Subject ? Sql.LikePattern(wanted.Name!) : null,
            wanted.By
        );
        await batch.ExecuteNonQueryAsync(cancel);

        await using var command = database.CreateCommand($"{Select} where p.id = $1");
        command.Parameters.AddWithValue(made);
        return await command.ReadFirst(Read, cancel);
    }

    /// <summary>Those in force, the oldest first.</summary>
    public async Task<IReadOnlyList<Pause>> List(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"""
            {Select}
            where not p.resumed and {InForce}
            order by p.created_at, p.id
            """
        );
        return await command.ReadAll(Read, cancel);
    }

    /// <summary>Ends one, and has every session looked at that waited for it. False: it is not in force.</summary>
    /// <param name="id">Which.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <param name="by">Who ends it, for people; null when that is not known.</param>
    public async Task<bool> End(Guid id, CancellationToken cancel, string? by = null)
    {
        await using var command = database.CreateCommand(
            $"""
            update pauses p set ended_at = clock_timestamp(), by_hand = true, ended_by = $2 where id = $1 and {InForce}
            """
        );
        command.Parameters.AddWithValue(id);
        command.Parameters.AddWithValue((object?)by ?? DBNull.Value);
        var ended = await command.ExecuteNonQueryAsync(cancel) > 0;
        if (ended)
            await Resume(cancel);
        return ended;
    }

    /// <summary>
    /// Notes which are over by now, and has every session looked at that waited for one. Also after the process that
    /// ended it has died. False: there is none.
    /// </summary>
    public async Task<bool> EndExpired(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            with expired as (
                update pauses set ended_at = until
                where not resumed and ended_at is null and until <= clock_timestamp() and breaker is null
            )
            select exists (select from pauses
                           where not resumed and (ended_at is not null or (until <= clock_timestamp() and breaker is null)))
            """
        );
        var any = (bool)(await command.ExecuteScalarAsync(cancel))!;
        if (any)
            await Resume(cancel);
        return any;
    }

    // In a transaction after the one that ended it: who read before that it holds has locked the timer by then, or has
    // set it.
    async Task Resume(CancellationToken cancel)
    {
        await using var find = database.CreateCommand(
            "select id from pauses where not resumed and ended_at is not null"
        );
        var ended = (await find.ReadAll(row => row.GetGuid("id"), cancel)).ToArray();

        await using var batch = database.CreateBatch();
        LookAtWaiting(
            batch,
            $"""
            exists (select from pauses p
                    where p.id = any ($1)
                      and case when {IsOfEvents} then
                              {HoldsPending}
                              or exists (select from turns t
                                         where t.session_id = s.id and t.ended_at is null and t.attempt > 0 and p.interrupts)
                          else p.scope = 'source' or {Covers} end)
            """,
            ended
        );
        batch.Add("update pauses set resumed = true where id = any ($1)", (object)ended);
        await batch.ExecuteNonQueryAsync(cancel);
    }

    // Whatever a session waits for, a look does no harm. Of a turn that runs there is nothing to see.
    static void LookAtWaiting(NpgsqlBatch batch, string which, params ReadOnlySpan<object?> parameters)
    {
        batch.Add(
            $"""
            select 1 from wake_timers timer join sessions s on s.id = timer.session_id
            where timer.due_at is not null and {which}
            order by timer.session_id for update of timer
            """,
            parameters
        );
        batch.Add(
            $"""
            update wake_timers timer set owed_at = clock_timestamp()
            from sessions s
            where s.id = timer.session_id and timer.owed_at is not null and {which}
              and not exists (select from turns t
                              where t.session_id = s.id and t.ended_at is null and t.lease_until > clock_timestamp())
            """,
            parameters
        );
    }

    /// <summary>Of turns that run those that a pause interrupts, each with the pause in words.</summary>
    public async Task<IReadOnlyList<(Guid SessionId, string Why)>> FindInterrupted(
        IReadOnlyList<Guid> sessions,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            $"""
            select s.id, min({Note}) as why
            from sessions s
            cross join lateral (select * from pauses_of(s.key, s.profile) union all select * from event_holds_of(s.id)) p
            where s.id = any ($1) and p.interrupts
            group by s.id
            """
        );
        command.Parameters.AddWithValue(sessions.ToArray());
        return await command.ReadAll(row => (row.GetGuid("id"), row.GetString("why")), cancel);
    }

    /// <summary>The pauses of each of some sessions, as one; without those that have none.</summary>
    public static async Task<IReadOnlyDictionary<Guid, SessionPause>> Find(
        NpgsqlDataSource database,
        IReadOnlyList<Guid> sessions,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            $"""
            select s.id, {LastEnd} as until, bool_and(p.breaker is not null and p.until <= clock_timestamp()) as half_open,
                   string_agg(distinct p.reason, '; ') as reason, array_agg(p.id order by p.created_at) as pauses
            from sessions s cross join lateral holds_of(s.id, s.key, s.profile) p
            where s.id = any ($1) and s.closed_at is null
            group by s.id
            """
        );
        command.Parameters.AddWithValue(sessions.ToArray());
        return (
            await command.ReadAll(
                row =>
                    KeyValuePair.Create(
                        row.GetGuid("id"),
                        new SessionPause(
                            row.GetFieldValue<Guid[]>("pauses"),
                            row.GetNullable<DateTimeOffset>("until"),
                            row.GetText("reason")
                        )
                        {
                            HalfOpen = row.GetBoolean("half_open"),
                        }
                    ),
                cancel
            )
        ).ToDictionary();
    }

    /// <summary>
    /// Says which pool each profile has, as the coordinators send their wakes, and what is done about CI in its
    /// sessions. While a pool is paused every session that waits is looked at: its profile may have had another pool
    /// before.
    /// </summary>
    public async Task ReplaceProfiles(
        IReadOnlyDictionary<string, (string Pool, CiPolicy? Ci, ReportPolicy? Report)> profiles,
        CancellationToken cancel
    )
    {
        await using (var batch = database.CreateBatch())
        {
            batch.Add("delete from profile_pools where profile <> all ($1)", (object)profiles.Keys.ToArray());
            batch.Add(
                """
                insert into profile_pools as known (profile, pool, ci, report)
                select profile, pool, nullif(ci, '')::jsonb, nullif(report, '')
                from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as given (profile, pool, ci, report) order by profile
                on conflict (profile) do update set pool = excluded.pool, ci = excluded.ci, report = excluded.report
                where (known.pool, known.ci, known.report) is distinct from (excluded.pool, excluded.ci, excluded.report)
                """,
                profiles.Keys.ToArray(),
                profiles.Values.Select(x => x.Pool).ToArray(),
                profiles.Values.Select(x => x.Ci?.ToJson() ?? "").ToArray(),
                profiles.Values.Select(x => x.Report?.ToCamelCase() ?? "").ToArray()
            );
            await batch.ExecuteNonQueryAsync(cancel);
        }

        await using var look = database.CreateBatch();
        LookAtWaiting(
            look,
            "exists (select from pauses p where not p.resumed and p.ended_at is null and p.scope = 'pool')"
        );
        await look.ExecuteNonQueryAsync(cancel);
    }

    static Pause Read(NpgsqlDataReader row) =>
        new(
            row.GetGuid("id"),
            Enum.Parse<PauseScope>(row.GetString("scope"), ignoreCase: true),
            row.GetText("name"),
            row.GetNullable<DateTimeOffset>("until"),
            row.GetBoolean("interrupts"),
            row.GetText("reason"),
            row.GetFieldValue<DateTimeOffset>("created_at"),
            row.GetInt32("sessions"),
            row.GetInt32("running")
        );
}

/// <summary>What a pause covers.</summary>
public enum PauseScope
{
    /// <summary>Every session.</summary>
    All,

    /// <summary>The session of a key, also when that key is registered anew.</summary>
    Session,

    /// <summary>The sessions whose keys are those of a route.</summary>
    Route,

    /// <summary>The sessions of a profile.</summary>
    Profile,

    /// <summary>The sessions whose profiles have a pool.</summary>
    Pool,

    /// <summary>The events of a source. Of a breaker: the wakes that they alone ask for.</summary>
    Source,

    /// <summary>The events that are about, or related to, subjects.</summary>
    Subject,
}

/// <summary>A pause to make.</summary>
/// <param name="Scope">What it covers.</param>
/// <param name="Name">Of the session, route, profile, pool or source; the glob of the subjects; null for all.</param>
/// <param name="Route">The route; null when it is for none.</param>
/// <param name="Until">When it is over, by the database's clock; null: when somebody ends it.</param>
/// <param name="Interrupts">Whether turns that run are stopped and given back.</param>
/// <param name="Reason">Why, for people.</param>
public sealed record NewPause(
    PauseScope Scope,
    string? Name,
    RouteDefinition? Route,
    DateTimeOffset? Until,
    bool Interrupts,
    string? Reason
)
{
    /// <summary>Who makes it, for people; null when that is not known.</summary>
    public string? By { get; init; }
}

/// <summary>A pause.</summary>
/// <param name="Id">Names it.</param>
/// <param name="Scope">What it covers.</param>
/// <param name="Name">Of the session, route, profile, pool or source; the glob of the subjects; null for all.</param>
/// <param name="Until">When it is over, or its breaker half-open; null: when somebody ends it.</param>
/// <param name="Interrupts">Whether turns that ran were stopped as well.</param>
/// <param name="Reason">Why.</param>
/// <param name="Created">Since when.</param>
/// <param name="Sessions">How many open sessions it covers now; of events: in how many one waits.</param>
/// <param name="Running">How many turns of theirs run now; of events: how many were woken by one.</param>
public sealed record Pause(
    Guid Id,
    PauseScope Scope,
    string? Name,
    DateTimeOffset? Until,
    bool Interrupts,
    string? Reason,
    DateTimeOffset Created,
    int Sessions,
    int Running
);

/// <summary>What keeps a session from taking turns.</summary>
/// <param name="Ids">The pauses, the oldest first.</param>
/// <param name="Until">When the last of them is over; null: when somebody ends it.</param>
/// <param name="Reason">Why; null when nobody has said.</param>
public sealed record SessionPause(IReadOnlyList<Guid> Ids, DateTimeOffset? Until, string? Reason)
{
    /// <summary>It is a breaker's, which tries one turn.</summary>
    public bool HalfOpen { get; init; }

    /// <summary>The same as a sentence.</summary>
    public string Sentence =>
        $"Paused {(
            Until is { } end ? $"until {end.UtcDateTime:u}"
            : HalfOpen ? "until one turn, the trial, ends well"
            : "until somebody ends it"
        )}"
        + $"{(Reason is null ? "" : $" ({Reason})")}.";
}
