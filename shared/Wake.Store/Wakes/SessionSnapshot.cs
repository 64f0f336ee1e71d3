using System.Data;
using Npgsql;

namespace Wake.Store;

/// <summary>
/// What the saga needs to know to decide about a session, read under the session's lock, so that it stays true until
/// the saga's transaction commits.
/// </summary>
/// <param name="Key">The session's key.</param>
/// <param name="Closed">It takes no more turns.</param>
/// <param name="HasPendingWake">Something that starts a turn is in the inbox.</param>
/// <param name="ManuallyWoken">A person has woken the session since its open turn was dispatched last.</param>
/// <param name="LastWake">The number of its newest wake; 0 before the first.</param>
/// <param name="OpenTurn">The turn that was dispatched and has not ended; null when there is none.</param>
public sealed record SessionSnapshot(
    string Key,
    bool Closed,
    bool HasPendingWake,
    bool ManuallyWoken,
    int LastWake,
    OpenTurn? OpenTurn
)
{
    /// <summary>The name of its profile.</summary>
    public required string Profile { get; init; }

    /// <summary>How long the quiet window of what is pending still lasts; null when it is over.</summary>
    public TimeSpan? QuietRemaining { get; init; }

    /// <summary>A person waits for its next turn.</summary>
    public bool Urgent { get; init; }

    /// <summary>The address of the runner that has it at hand; null when none does.</summary>
    public string? AffinityAddress { get; init; }

    /// <summary>
    /// How long a terminal that has it open still takes its turns, if that is not renewed: no runner is asked
    /// meanwhile. Null: none does.
    /// </summary>
    public TimeSpan? AttendedRemaining { get; init; }

    /// <summary>A pause covers it: no turn of it begins.</summary>
    public bool Paused { get; init; }

    /// <summary>How long until its pauses are over; null when a person ends them, or there is none.</summary>
    public TimeSpan? PauseRemaining { get; init; }

    /// <summary>A breaker that covers it is half-open, and no turn is tried yet: its next may be the trial.</summary>
    public bool TrialDue { get; init; }

    /// <summary>The row every writer takes first; the statements after it see what was committed before.</summary>
    public static NpgsqlBatchCommand Lock(Guid sessionId) =>
        NpgsqlExtensions.CreateNamed(
            "select 1 from wake_timers where session_id = @session for update",
            ("session", sessionId)
        );

    /// <summary>Reads the facts, in no order; no row where there is no such session.</summary>
    public static NpgsqlBatchCommand SelectStatement(IReadOnlyList<Guid> sessions) =>
        NpgsqlExtensions.CreateNamed(
            $"""
            select s.id, s.key, s.closed_at is not null as closed, s.profile,
                   {Sessions.HasPendingWake} as has_pending_wake,
                   timer.events_due_at - clock_timestamp() as quiet_remaining,
                   timer.nudged as manually_woken,
                   timer.urgent or timer.nudged as urgent,
                   case when timer.near_until > clock_timestamp() then timer.near end as affinity_address,
                   (select terminal.attended_until - clock_timestamp() from terminals terminal
                    where terminal.session_id = s.id and not timer.takeover) as attended_remaining,
                   (select coalesce(max(wake_number), 0) from turns where session_id = s.id) as last_wake,
                   turn.wake_number as open_wake,
                   turn.lease_until - clock_timestamp() as lease_remaining,
                   case when turn.not_before < 'infinity' then turn.not_before - clock_timestamp() end
                       as delay_remaining,
                   coalesce(turn.not_before = 'infinity', false) as waits_for_person,
                   coalesce(turn.parked, false) as parked,
                   coalesce({TurnHolds.InForce}, false) as withheld,
                   pause.paused, pause.until - clock_timestamp() as pause_remaining, pause.trial_due
            from unnest(@sessions) as asked (id)
            join sessions s on s.id = asked.id
            join wake_timers timer on timer.session_id = s.id
            left join turns turn on turn.session_id = s.id and turn.ended_at is null
            cross join lateral (
                select coalesce(bool_or(hold.stops), false) as paused, coalesce(bool_or(not hold.stops), false) as trial_due,
                       case when bool_and(hold.until is not null) filter (where hold.stops)
                            then max(hold.until) filter (where hold.stops) end as until
                from (select p.breaker is null or p.until > clock_timestamp() or p.trial_session is not null as stops,
                             -- nothing tells of the end of a trial after which it opens again
                             case when p.breaker is not null and p.until <= clock_timestamp()
                                  then clock_timestamp() + interval '1 minute' else p.until end as until
                      from holds_of(s.id, s.key, s.profile) p
                      -- what is dispatched, most breakers let run
                      where turn.wake_number is null
                         or (p.stops_claims and (p.trial_session, p.trial_wake) is distinct from (s.id, turn.wake_number))) hold) pause
            """,
            ("sessions", sessions.ToArray())
        );

    /// <summary>The facts in a row of <see cref="SelectStatement"/>.</summary>
    public static SessionSnapshot FromRow(NpgsqlDataReader row) =>
        new(
            row.GetString("key"),
            row.GetBoolean("closed"),
            row.GetBoolean("has_pending_wake"),
            row.GetBoolean("manually_woken"),
            row.GetInt32("last_wake"),
            row.IsDBNull("open_wake")
                ? null
                : new(
                    row.GetInt32("open_wake"),
                    Positive(row.GetNullable<TimeSpan>("lease_remaining")),
                    Positive(row.GetNullable<TimeSpan>("delay_remaining")),
                    row.GetBoolean("waits_for_person"),
                    row.GetBoolean("parked")
                )
                {
                    Withheld = row.GetBoolean("withheld"),
                }
        )
        {
            Profile = row.GetString("profile"),
            Urgent = row.GetBoolean("urgent"),
            AffinityAddress = row.GetText("affinity_address"),
            AttendedRemaining = Positive(row.GetNullable<TimeSpan>("attended_remaining")),
            QuietRemaining = Positive(row.GetNullable<TimeSpan>("quiet_remaining")),
            Paused = row.GetBoolean("paused"),
            PauseRemaining = Positive(row.GetNullable<TimeSpan>("pause_remaining")),
            TrialDue = row.GetBoolean("trial_due"),
        };

    static TimeSpan? Positive(TimeSpan? span) => span > TimeSpan.Zero ? span : null;
}

/// <summary>A turn that has not ended.</summary>
/// <param name="WakeNumber">Which of the session's wakes.</param>
/// <param name="LeaseRemaining">How long its lease still lasts; null when nobody holds it.</param>
/// <param name="DelayRemaining">How long it must still be left alone; null when no date keeps it.</param>
/// <param name="WaitsForPerson">Only a person ends its wait.</param>
/// <param name="Parked">It waits for a person or a date rather than for a backoff.</param>
public sealed record OpenTurn(
    int WakeNumber,
    TimeSpan? LeaseRemaining,
    TimeSpan? DelayRemaining,
    bool WaitsForPerson,
    bool Parked
)
{
    /// <summary>It waits for a process that has its Claude session open, and no person's waking ends that.</summary>
    public bool Withheld { get; init; }
}
