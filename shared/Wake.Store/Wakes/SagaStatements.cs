using Npgsql;

namespace Wake.Store;

/// <summary>
/// What the saga writes into the store about one session, in a transaction that has its lock. Each sets the session's
/// timer: whoever owes something after a crash finds it there.
/// </summary>
/// <param name="SessionId">The session.</param>
public abstract record SagaWrite(Guid SessionId)
{
    /// <summary>
    /// Opens the turn of a wake, in the trace of its decision if there is one; its command is owed again after this
    /// long. Fails on a unique index should another turn of the session still be open.
    /// </summary>
    public sealed record OpenTurn(
        Guid SessionId,
        int WakeNumber,
        TimeSpan RepeatAfter,
        string? TraceParent,
        string? TraceState
    ) : SagaWrite(SessionId);

    /// <summary>
    /// Lets a turn that was waiting run, whose command is sent once more and owed again after this long. If it is a
    /// person who ends a park, the turn remembers it. Of repetitions without anything in between the first is noted: a
    /// session whose runners are busy for a day says so in a line.
    /// </summary>
    public sealed record RepeatTurn(Guid SessionId, int WakeNumber, TimeSpan RepeatAfter) : SagaWrite(SessionId);

    /// <summary>
    /// Something is owed: look at the session again after this long, even if no message arrives. Null: until a person
    /// acts.
    /// </summary>
    public sealed record ScheduleCheck(Guid SessionId, TimeSpan? LookAgain) : SagaWrite(SessionId);

    /// <summary>
    /// The session is paused: look at it again after this long, which is when its pauses are over. Null: when one of
    /// them is ended. Where they are for some events alone, also when another comes. The first look that finds it so is
    /// noted.
    /// </summary>
    public sealed record AwaitPause(Guid SessionId, TimeSpan? LookAgain) : SagaWrite(SessionId);

    /// <summary>Nothing is owed; pending events, if any, are due when their quiet window is over, which may be
    /// now.</summary>
    public sealed record ClearCheck(Guid SessionId) : SagaWrite(SessionId);

    /// <summary>Nothing is owed and nothing is pending, whatever the timer said.</summary>
    public sealed record ClearTimer(Guid SessionId) : SagaWrite(SessionId);

    /// <summary>Tells the gateways that the terminal which attends the session may claim its open turn.</summary>
    public sealed record NotifyTerminal(Guid SessionId) : SagaWrite(SessionId);
}

/// <summary>The statements of what the saga writes: one for all sessions of which the same is written.</summary>
public static class SagaStatements
{
    /// <summary>The statements, in the order in which each kind comes first.</summary>
    public static IEnumerable<NpgsqlBatchCommand> For(IEnumerable<SagaWrite> writes) =>
        writes
            .GroupBy(x => x.GetType())
            .Select(x =>
                x.First() switch
                {
                    SagaWrite.OpenTurn => OpenTurns([.. x.Cast<SagaWrite.OpenTurn>()]),
                    SagaWrite.RepeatTurn => RepeatTurns([.. x.Cast<SagaWrite.RepeatTurn>()]),
                    SagaWrite.ScheduleCheck => ScheduleChecks([.. x.Cast<SagaWrite.ScheduleCheck>()]),
                    SagaWrite.AwaitPause => AwaitPauses([.. x.Cast<SagaWrite.AwaitPause>()]),
                    SagaWrite.ClearCheck => ClearChecks(Sessions(x)),
                    SagaWrite.ClearTimer => ClearTimers(Sessions(x)),
                    SagaWrite.NotifyTerminal => NotifyTerminals(Sessions(x)),
                    var unknown => throw new InvalidOperationException($"Unknown write {unknown}."),
                }
            );

    static Guid[] Sessions(IEnumerable<SagaWrite> writes) => [.. writes.Select(x => x.SessionId)];

    static NpgsqlBatchCommand OpenTurns(IReadOnlyList<SagaWrite.OpenTurn> turns) =>
        NpgsqlExtensions.CreateNamed(
            """
            with given as materialized (
                     select *
                     from unnest(@sessions, @wakes, @repeat_after, @traceparents, @tracestates) with ordinality
                          as given (session_id, wake_number, repeat_after, traceparent, tracestate, place)
                 ),
                 opened as (
                     insert into turns (session_id, wake_number, traceparent, tracestate, depth, source, trial)
                     select session_id, wake_number, traceparent, tracestate, nullif(pending_depth(session_id), 0),
                            case when exists (select from breaker_limits where scope = 'source') then pending_source(session_id) end,
                            case when exists (select from pauses p where not p.resumed and p.trial_session = session_id and p.trial_wake = wake_number)
                                 then true end
                     from given
                 ),
                 owed as (
                     -- what a person has said before is among what this turn is told
                     update wake_timers timer
                     set nudged = false, held = false, owed_at = clock_timestamp() + given.repeat_after
                     from given
                     where timer.session_id = given.session_id
                 )
            insert into decisions (kind, session_id, wake_number)
            select 'dispatched', session_id, wake_number from given order by place
            """,
            ("sessions", Sessions(turns)),
            ("wakes", turns.Select(x => x.WakeNumber).ToArray()),
            ("repeat_after", turns.Select(x => x.RepeatAfter).ToArray()),
            ("traceparents", turns.Select(x => x.TraceParent).ToArray()),
            ("tracestates", turns.Select(x => x.TraceState).ToArray())
        );

    static NpgsqlBatchCommand RepeatTurns(IReadOnlyList<SagaWrite.RepeatTurn> turns) =>
        NpgsqlExtensions.CreateNamed(
            """
            with given as materialized (
                     select *
                     from unnest(@sessions, @wakes, @repeat_after) with ordinality
                          as given (session_id, wake_number, repeat_after, place)
                 ),
                 freed as (
                     -- a person who wakes it again has seen what it came to
                     update turns turn
                     set not_before = null, parked = false, insisted = turn.insisted or (turn.parked and timer.nudged),
                         acted = turn.acted and not (turn.parked and timer.nudged)
                     from given join wake_timers timer using (session_id)
                     where turn.session_id = given.session_id and turn.wake_number = given.wake_number
                 ),
                 owed as (
                     update wake_timers timer
                     set nudged = false, held = false, owed_at = clock_timestamp() + given.repeat_after
                     from given
                     where timer.session_id = given.session_id
                 )
            insert into decisions (kind, session_id, wake_number)
            select 'repeated', session_id, wake_number
            from given
            where 'repeated' is distinct from
                  (select kind from decisions d where d.session_id = given.session_id and d.wake_number = given.wake_number
                   order by seq desc limit 1)
            order by place
            """,
            ("sessions", Sessions(turns)),
            ("wakes", turns.Select(x => x.WakeNumber).ToArray()),
            ("repeat_after", turns.Select(x => x.RepeatAfter).ToArray())
        );

    static NpgsqlBatchCommand ScheduleChecks(IReadOnlyList<SagaWrite.ScheduleCheck> checks) =>
        NpgsqlExtensions.CreateNamed(
            """
            update wake_timers timer
            set held = false, owed_at = coalesce(clock_timestamp() + given.look_again, 'infinity')
            from unnest(@sessions, @look_again) as given (session_id, look_again)
            where timer.session_id = given.session_id
            """,
            ("sessions", Sessions(checks)),
            ("look_again", checks.Select(x => x.LookAgain).ToArray())
        );

    static NpgsqlBatchCommand AwaitPauses(IReadOnlyList<SagaWrite.AwaitPause> sessions) =>
        NpgsqlExtensions.CreateNamed(
            $"""
            with pause as materialized (
                     select given.session_id, given.look_again, max(p.created_at) as since,
                            string_agg({Pauses.Note}, '; ' order by p.created_at) as note,
                            coalesce(bool_or(p.scope in ('source', 'subject')), false) as of_events
                     from unnest(@sessions, @look_again) as given (session_id, look_again)
                     join sessions s on s.id = given.session_id
                     left join lateral holds_of(s.id, s.key, s.profile) p on true
                     group by given.session_id, given.look_again
                 ),
                 owed as (
                     update wake_timers timer
                     set owed_at = coalesce(clock_timestamp() + pause.look_again, 'infinity'), held = pause.of_events,
                         -- what is held does not use up the window of what else comes
                         ceiling_at = case when not pause.of_events then ceiling_at end
                     from pause
                     where timer.session_id = pause.session_id
                 )
            insert into decisions (kind, session_id, wake_number, note)
            select 'paused', session_id,
                   (select t.wake_number from turns t where t.session_id = pause.session_id and t.ended_at is null),
                   note
            from pause
            where not exists (select from decisions d
                              where d.session_id = pause.session_id and d.kind = 'paused' and d.at >= pause.since)
            """,
            ("sessions", Sessions(sessions)),
            ("look_again", sessions.Select(x => x.LookAgain).ToArray())
        );

    static NpgsqlBatchCommand ClearChecks(Guid[] sessions) =>
        NpgsqlExtensions.CreateNamed(
            """
            update wake_timers
            set owed_at = null, nudged = false, held = false,
                -- never in the past, where no look is taken that often
                events_due_at = case when events_due_at < clock_timestamp() then clock_timestamp()
                                     else events_due_at end
            where session_id = any (@sessions)
            """,
            ("sessions", sessions)
        );

    static NpgsqlBatchCommand ClearTimers(Guid[] sessions) =>
        NpgsqlExtensions.CreateNamed(
            """
            update wake_timers
            set owed_at = null, events_due_at = null, ceiling_at = null, urgent = false, nudged = false, held = false
            where session_id = any (@sessions)
            """,
            ("sessions", sessions)
        );

    static NpgsqlBatchCommand NotifyTerminals(Guid[] sessions) =>
        NpgsqlExtensions.CreateNamed(
            $"select pg_notify('{Terminals.Channel}', session_id::text) from unnest(@sessions) as given (session_id)",
            ("sessions", sessions)
        );
}
