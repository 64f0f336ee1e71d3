using System.Data;
using Npgsql;

namespace Wake.Store;

/// <summary>The trace contexts that wait in the store for their wakes. Read only when somebody traces.</summary>
public sealed class StoredTraceContexts(NpgsqlDataSource database)
{
    /// <summary>
    /// What the next look at each of these sessions goes on from: the decision whose turn is open, else the first event
    /// that waits. Sessions without either are left out.
    /// </summary>
    public async Task<IReadOnlyDictionary<Guid, (string Parent, string? State)>> FindBySessions(
        IReadOnlyList<Guid> sessions,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            $"""
            select due.id, coalesce(turn.traceparent, first.traceparent) as traceparent,
                   case when turn.traceparent is null then first.tracestate else turn.tracestate end as tracestate
            from unnest(@sessions) due (id)
            left join turns turn on turn.session_id = due.id and turn.ended_at is null
            left join lateral (
                select e.traceparent, e.tracestate
                from inbox i join events e on e.seq = i.event
                where i.session_id = due.id and i.wake_number is null and e.traceparent is not null and not {Pauses.HoldEvent}
                order by e.seq limit 1) first on turn is null
            where coalesce(turn.traceparent, first.traceparent) is not null
            """
        );
        command.Parameters.AddWithValue("sessions", sessions.ToArray());
        return (
            await command.ReadAll(
                row => (row.GetGuid("id"), (row.GetString("traceparent"), row.GetText("tracestate"))),
                cancel
            )
        ).ToDictionary();
    }

    /// <summary>Those of the events in the inboxes of sessions, of each the oldest event first; read by
    /// <see cref="FromRow"/>.</summary>
    public static NpgsqlBatchCommand SelectPendingEvents(IReadOnlyList<Guid> sessions, int limit) =>
        NpgsqlExtensions.CreateNamed(
            $"""
            select asked.id as session_id, pending.*
            from unnest(@sessions) as asked (id)
            cross join lateral (
                select e.id, e.traceparent, e.tracestate
                from inbox i join events e on e.seq = i.event
                where i.session_id = asked.id and i.wake_number is null and not {Pauses.HoldEvent}
                order by e.seq limit @limit) pending
            """,
            ("sessions", sessions.ToArray()),
            ("limit", limit)
        );

    /// <summary>A row of <see cref="SelectPendingEvents"/>.</summary>
    public static PendingEventTrace FromRow(NpgsqlDataReader row) =>
        new(row.GetString("id"), row.GetText("traceparent"), row.GetText("tracestate"));
}

/// <summary>An event in an inbox, as traces know it.</summary>
/// <param name="Id">The producer's id.</param>
/// <param name="TraceParent">The W3C <c>traceparent</c> it came with, if any.</param>
/// <param name="TraceState">The <c>tracestate</c> beside it.</param>
public readonly record struct PendingEventTrace(string Id, string? TraceParent, string? TraceState);
