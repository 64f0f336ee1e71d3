using Npgsql;

namespace Wake.Store;

/// <summary>How many sessions owe a turn, and for how long they have. For whoever watches over a Wake.</summary>
public sealed class Backlog(NpgsqlDataSource database)
{
    /// <summary>Every way to owe one, those in which none does at the moment included.</summary>
    public async Task<IReadOnlyList<BacklogLine>> GetByState(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"""
            with owing as (
                select case when turn.parked then case when exists (select from questions q where q.session_id = turn.session_id and q.outcome is null)
                                                    then 'waitingForAnswer'
                                                    when exists (select from ci_attempts a where a.session_id = turn.session_id and a.wake_number = turn.wake_number and a.escalated)
                                                    then 'escalated' else 'parked' end
                            when turn.lease_until > clock_timestamp() then 'running'
                            when {Pauses.StopClaim} then 'paused'
                            when turn.not_before = turn.held_until and turn.held_until > clock_timestamp() then 'waiting' else 'dispatched' end as state,
                       -- of a turn that runs again after a pause: since its pause was over
                       case when turn.lease_until > clock_timestamp() then turn.started_at
                            when turn.parked then coalesce(turn.started_at, turn.dispatched_at)
                            when turn.held_until > clock_timestamp() then turn.dispatched_at
                            else greatest(turn.dispatched_at, turn.lease_until, nullif(turn.not_before, 'infinity')) end as since
                from turns turn join sessions s on s.id = turn.session_id
                where turn.ended_at is null
                union all
                select case when {Pauses.HoldSession} then 'paused' else 'collecting' end,
                       (select min(i.routed_at) from inbox i where i.session_id = timer.session_id and i.wake_number is null and i.wakes)
                from wake_timers timer join sessions s on s.id = timer.session_id
                -- the turn before may have left behind what a pause holds
                where timer.due_at is not null and (timer.events_due_at is not null or timer.held)
                  and not exists (select from turns t where t.session_id = timer.session_id and t.ended_at is null)
            )
            select state, count(owing.since), coalesce(greatest(extract(epoch from clock_timestamp() - min(since)), 0), 0)::float8
            from unnest(array['collecting', 'dispatched', 'waiting', 'running', 'paused', 'parked', 'escalated', 'waitingForAnswer']) state
            left join owing using (state)
            group by state
            """
        );
        return await command.ReadAll(
            row => new BacklogLine(row.GetString(0), row.GetInt64(1), TimeSpan.FromSeconds(row.GetDouble(2))),
            cancel
        );
    }
}

/// <summary>The sessions that wait in one way.</summary>
/// <param name="State">Collecting a burst, dispatched, waiting (its Claude session is open elsewhere), running, paused,
/// parked, escalated (parked because its attempts at CI are spent), or waitingForAnswer.</param>
/// <param name="Sessions">How many.</param>
/// <param name="Oldest">For how long the first of them has; zero when there is none.</param>
public sealed record BacklogLine(string State, long Sessions, TimeSpan Oldest);
