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
        NpgsqlExtensions.CreateCommand(
            """
            with opened as (
                     insert into turns (session_id, wake_number, traceparent, tracestate) values ($1, $2, $4::text, $5::text)
                 ),
                 owed as (update wake_timers set owed_at = clock_timestamp() + $3 where session_id = $1)
            insert into decisions (kind, session_id, wake_number) values ('dispatched', $1, $2)
            """,
            sessionId,
            wakeNumber,
            repeatAfter,
            traceParent,
            traceState
        );

    /// <summary>
    /// Lets a turn that was waiting run, whose command is sent once more and owed again after this long. If it is a
    /// person who ends a park, the turn remembers it. Of repetitions without anything in between the first is noted: a
    /// session whose runners are busy for a day says so in a line.
    /// </summary>
    public static NpgsqlBatchCommand RepeatTurn(Guid sessionId, int wakeNumber, TimeSpan repeatAfter) =>
        NpgsqlExtensions.CreateCommand(
            """
            with freed as (
                     -- a person who wakes it again has seen what it came to
                     update turns turn
                     set not_before = null, parked = false, insisted = turn.insisted or (turn.parked and timer.nudged),
                         acted = turn.acted and not (turn.parked and timer.nudged)
                     from wake_timers timer
                     where turn.session_id = $1 and turn.wake_number = $2 and timer.session_id = $1
                 ),
                 owed as (update wake_timers set nudged = false, owed_at = clock_timestamp() + $3 where session_id = $1)
            insert into decisions (kind, session_id, wake_number)
            select 'repeated', $1, $2
            where 'repeated' is distinct from
                  (select kind from decisions where session_id = $1 and wake_number = $2 order by seq desc limit 1)
            """,
            sessionId,
            wakeNumber,
            repeatAfter
        );

    /// <summary>
    /// Something is owed: look at the session again after this long, even if no message arrives. Null: until a person
    /// acts.
    /// </summary>
    public static NpgsqlBatchCommand ScheduleCheck(Guid sessionId, TimeSpan? lookAgain) =>
        NpgsqlExtensions.CreateCommand(
            "update wake_timers set owed_at = coalesce(clock_timestamp() + $2, 'infinity') where session_id = $1",
            sessionId,
            lookAgain
        );

    /// <summary>Nothing is owed; pending events, if any, are due when their quiet window is over, which may be
    /// now.</summary>
    public static NpgsqlBatchCommand ClearCheck(Guid sessionId) =>
        NpgsqlExtensions.CreateCommand(
            """
            update wake_timers
            set owed_at = null, nudged = false,
                -- never in the past, where no look is taken that often
                events_due_at = case when events_due_at < clock_timestamp() then clock_timestamp() else events_due_at end
            where session_id = $1
            """,
            sessionId
        );

    /// <summary>Nothing is owed and nothing is pending, whatever the timer said.</summary>
    public static NpgsqlBatchCommand ClearTimer(Guid sessionId) =>
        NpgsqlExtensions.CreateCommand(
            "update wake_timers set owed_at = null, events_due_at = null, ceiling_at = null, urgent = false, nudged = false where session_id = $1",
            sessionId
        );
}
