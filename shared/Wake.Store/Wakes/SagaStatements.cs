using Npgsql;

namespace Wake.Store;

/// <summary>What the saga writes into the store, as statements that join its own transaction.</summary>
public static class SagaStatements
{
    /// <summary>
    /// Opens the turn of a wake, in the trace of its decision if there is one; its command is owed again after this
    /// long. Fails on a unique index should another turn of the session still be open.
    /// </summary>
    public static NpgsqlBatchCommand OpenTurn(
        Guid sessionId,
        int wakeNumber,
        TimeSpan repeatAfter,
        string? traceParent,
        string? traceState
    ) =>
        NpgsqlExtensions.CreateNamed(
            """
            with opened as (
                     insert into turns (session_id, wake_number, traceparent, tracestate, depth, source, trial)
                     values (@session, @wake, @traceparent::text, @tracestate::text, nullif(pending_depth(@session), 0),
                             case when exists (select from breaker_limits where scope = 'source') then pending_source(@session) end,
                             case when exists (select from pauses where not resumed and trial_session = @session and trial_wake = @wake)
                                  then true end)
                 ),
                 owed as (
                     -- what a person has said before is among what this turn is told
                     update wake_timers set nudged = false, owed_at = clock_timestamp() + @repeat_after
                     where session_id = @session
                 )
            insert into decisions (kind, session_id, wake_number) values ('dispatched', @session, @wake)
            """,
            ("session", sessionId),
            ("wake", wakeNumber),
            ("repeat_after", repeatAfter),
            ("traceparent", traceParent),
            ("tracestate", traceState)
        );

    /// <summary>
    /// Lets a turn that was waiting run, whose command is sent once more and owed again after this long. If it is a
    /// person who ends a park, the turn remembers it. Of repetitions without anything in between the first is noted: a
    /// session whose runners are busy for a day says so in a line.
    /// </summary>
    public static NpgsqlBatchCommand RepeatTurn(Guid sessionId, int wakeNumber, TimeSpan repeatAfter) =>
        NpgsqlExtensions.CreateNamed(
            """
            with freed as (
                     -- a person who wakes it again has seen what it came to
                     update turns turn
                     set not_before = null, parked = false, insisted = turn.insisted or (turn.parked and timer.nudged),
                         acted = turn.acted and not (turn.parked and timer.nudged)
                     from wake_timers timer
                     where turn.session_id = @session and turn.wake_number = @wake and timer.session_id = @session
                 ),
                 owed as (
                     update wake_timers set nudged = false, owed_at = clock_timestamp() + @repeat_after
                     where session_id = @session
                 )
            insert into decisions (kind, session_id, wake_number)
            select 'repeated', @session, @wake
            where 'repeated' is distinct from
                  (select kind from decisions where session_id = @session and wake_number = @wake
                   order by seq desc limit 1)
            """,
            ("session", sessionId),
            ("wake", wakeNumber),
            ("repeat_after", repeatAfter)
        );

    /// <summary>Tells the gateways that the terminal which attends the session may claim its open turn.</summary>
    public static NpgsqlBatchCommand NotifyTerminal(Guid sessionId) =>
        NpgsqlExtensions.CreateNamed(
            $"select pg_notify('{Terminals.Channel}', @session::text)",
            ("session", sessionId)
        );

    /// <summary>
    /// Something is owed: look at the session again after this long, even if no message arrives. Null: until a person
    /// acts.
    /// </summary>
    public static NpgsqlBatchCommand ScheduleCheck(Guid sessionId, TimeSpan? lookAgain) =>
        NpgsqlExtensions.CreateNamed(
            """
            update wake_timers set owed_at = coalesce(clock_timestamp() + @look_again, 'infinity')
            where session_id = @session
            """,
            ("session", sessionId),
            ("look_again", lookAgain)
        );

    /// <summary>
    /// The session is paused: look at it again after this long, which is when its pauses are over. Null: when one of
    /// them is ended. Where they are for some events alone, also when another comes. The first look that finds it so is
    /// noted.
    /// </summary>
    public static NpgsqlBatchCommand AwaitPause(Guid sessionId, TimeSpan? lookAgain) =>
        NpgsqlExtensions.CreateNamed(
            $"""
            with pause as materialized (
                     select max(p.created_at) as since, string_agg({Pauses.Note}, '; ' order by p.created_at) as note,
                            coalesce(bool_or(p.scope in ('source', 'subject')), false) as of_events
                     from sessions s, holds_of(s.id, s.key, s.profile) p
                     where s.id = @session
                 ),
                 owed as (
                     update wake_timers
                     set owed_at = coalesce(clock_timestamp() + @look_again, 'infinity'), held = pause.of_events,
                         -- what is held does not use up the window of what else comes
                         ceiling_at = case when not pause.of_events then ceiling_at end
                     from pause
                     where session_id = @session
                 )
            insert into decisions (kind, session_id, wake_number, note)
            select 'paused', @session, (select wake_number from turns where session_id = @session and ended_at is null),
                   pause.note
            from pause
            where not exists (select from decisions d
                              where d.session_id = @session and d.kind = 'paused' and d.at >= pause.since)
            """,
            ("session", sessionId),
            ("look_again", lookAgain)
        );

    /// <summary>Nothing is owed; pending events, if any, are due when their quiet window is over, which may be
    /// now.</summary>
    public static NpgsqlBatchCommand ClearCheck(Guid sessionId) =>
        NpgsqlExtensions.CreateNamed(
            """
            update wake_timers
            set owed_at = null, nudged = false,
                -- never in the past, where no look is taken that often
                events_due_at = case when events_due_at < clock_timestamp() then clock_timestamp()
                                     else events_due_at end
            where session_id = @session
            """,
            ("session", sessionId)
        );

    /// <summary>Nothing is owed and nothing is pending, whatever the timer said.</summary>
    public static NpgsqlBatchCommand ClearTimer(Guid sessionId) =>
        NpgsqlExtensions.CreateNamed(
            """
            update wake_timers
            set owed_at = null, events_due_at = null, ceiling_at = null, urgent = false, nudged = false
            where session_id = @session
            """,
            ("session", sessionId)
        );
}
