using Npgsql;
using Wake.Contracts;

namespace Wake.Store;

/// <summary>
/// The execution of wakes: who holds a turn, until when, and how it ended. A turn is owned by a conditional update,
/// never by time or by having read a row; everything after the claim carries its epoch, and an older epoch writes
/// nothing.
/// </summary>
/// <remarks>
/// Every method is one batch, which is one round trip and one transaction, and begins by locking the session's timer
/// row. The statements after it therefore see everything committed before the lock was free: an event routed a moment
/// ago is either in this turn or has armed the timer for the next.
/// </remarks>
public sealed class Turns(NpgsqlDataSource database)
{
    /// <summary>
    /// Events of a turn that are told in full; of a longer burst the others are counted, and their data is not even
    /// read. <c>wake explain</c> lists all of it.
    /// </summary>
    public const int MaxEventsInPrompt = 200;

    /// <summary>
    /// The note of a turn whose message the CLI knew as done. Of a turn that was attempted once it would be a
    /// contradiction: an event that nobody was told.
    /// </summary>
    public const string FinishedBefore = "an earlier attempt had finished it";

    /// <summary>How the note of a turn begins that is parked because the attempts to mend CI are spent.</summary>
    public const string CiSpentPrefix = "CI of ";

    /// <summary>
    /// How long the saga waits for the message that a turn ended before it looks for itself. The message takes
    /// milliseconds; this is for the runner that died between saying so to the store and to the bus.
    /// </summary>
    static readonly TimeSpan EndedMessageTimeout = TimeSpan.FromSeconds(2);

    internal const string LockSession = "select 1 from wake_timers where session_id = $1 for update";

    // What every statement that settles an attempt adds up, from its first parameters after the holder's.
    const string AddCost = """
        cost_usd = cost_usd + $4, duration_ms = duration_ms + $5, input_tokens = input_tokens + $6, output_tokens = output_tokens + $7,
        cache_read_tokens = cache_read_tokens + $8, cache_creation_tokens = cache_creation_tokens + $9, settled = attempt
        """;

    const string Spend = $"""
        insert into spending as so_far (session_id, day, usd, input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens)
        select session_id, {Sql.TodayUtc}, $4, $6, $7, $8, $9
        from settled
        where $4 > 0 or $6 + $7 + $8 + $9 > 0
        on conflict (session_id, day) do update set
            usd = so_far.usd + excluded.usd,
            input_tokens = so_far.input_tokens + excluded.input_tokens,
            output_tokens = so_far.output_tokens + excluded.output_tokens,
            cache_read_tokens = so_far.cache_read_tokens + excluded.cache_read_tokens,
            cache_creation_tokens = so_far.cache_creation_tokens + excluded.cache_creation_tokens
        """;

    // Condition of every statement that belongs to the holder of the lease.
    internal const string IsHeldByCaller =
        "session_id = $1 and wake_number = $2 and epoch = $3 and lease_until is not null and ended_at is null";

    /// <summary>
    /// Takes a turn for a runner, if it is free. The first claim binds all that is in the session's inbox, and no pause
    /// holds, to it; later claims of the same wake find the same events. A turn whose Claude session somebody else is
    /// at work in is withheld, and one whose session is paused is not due.
    /// </summary>
    public async Task<TurnClaim> Claim(
        Guid sessionId,
        int wakeNumber,
        string runner,
        TimeSpan lease,
        CancellationToken cancel,
        OpenClaudeSessions? here = null
    )
    {
        var inTerminal = here?.Terminal is not null;
        await using var batch = database.CreateBatch();
        // A terminal begins nothing before its acknowledgement is on the disk, and with it all before.
        if (inTerminal)
            batch.AddCommitWithoutFlush();
        batch.Add(LockSession, sessionId);
        batch.Add(Pauses.LockAgainstNew);
        batch.BatchCommands.Add(
            TurnHolds.Withhold(sessionId, wakeNumber, runner, lease, here ?? OpenClaudeSessions.None)
        );
        batch.AddGenericPlans();
        batch.Add(
            $"""
            with claimed as (
                update turns turn
                set attempt = attempt + 1, runner = $3, lease_until = clock_timestamp() + $4,
                    -- by the clock and not by a sequence: what a restored backup counts again, a runner may hold that has outlived it
                    epoch = greatest(epoch + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint),
                    message_salt = case when attempt = 0 then gen_random_uuid() else message_salt end,
                    started_at = coalesce(started_at, clock_timestamp()), not_before = null, parked = false, note = null, run_token = null,
                    in_terminal = in_terminal or $5
                where session_id = $1 and wake_number = $2 and ended_at is null
                  and (lease_until is null or lease_until <= clock_timestamp())
                  and (not_before is null or not_before <= clock_timestamp())
                  and exists (select from sessions s where s.id = $1 and s.closed_at is null and not {Pauses.StopClaim})
                returning attempt, lease_until
            ), taken as (
                update inbox i set wake_number = $2
                from claimed
                where i.session_id = $1 and i.wake_number is null and claimed.attempt = 1 and not {Pauses.HoldEvent}
            ), begun as (
                -- A reset that was asked for while the turn before ran. Not under a terminal that has the old one open, nor where
                -- the old one takes an answer.
                insert into session_ids (session_id, position, claude_session_id, reason, opened)
                select $1, coalesce((select max(position) from session_ids where session_id = $1), 0) + 1, gen_random_uuid(), $6, false
                from claimed
                join wake_timers timer on timer.session_id = $1 and timer.reset_after is not null
                where not $5 and not exists (select from questions where session_id = $1 and wake_number = $2)
                returning session_id
            ), timed as (
                update wake_timers timer
                set owed_at = claimed.lease_until, held = false,
                    reset_after = case when not exists (select from begun) then timer.reset_after end,
                    events_due_at = case when claimed.attempt > 1 then timer.events_due_at end,
                    ceiling_at = case when claimed.attempt > 1 then timer.ceiling_at end,
                    -- an answer's has done its work, unless a person's event has come meanwhile
                    urgent = claimed.attempt > 1 and timer.urgent and timer.events_due_at is not null
                from claimed
                where timer.session_id = $1
            ), unanswered as (
                -- its deadline is over, or a person has woken the session instead of answering
                update questions set outcome = 'noAnswer', settled_at = clock_timestamp()
                from claimed
                where session_id = $1 and wake_number = $2 and outcome is null
                returning id
            ), noted as (
                insert into decisions (kind, session_id, wake_number, note)
                select 'unanswered', $1, $2, format('question %s', id) from unanswered
                union all
                select 'claimed', $1, $2, format('attempt %s %s %s', attempt, case when $5 then 'in' else 'on runner' end, $3)
                from claimed
            )
            select 1 from claimed
            """,
            sessionId,
            wakeNumber,
            runner,
            lease,
            inTerminal,
            Sessions.WasReset
        );
        batch.Add(
            $"""
            select turn.outcome, turn.lease_until > clock_timestamp(), turn.epoch, turn.attempt, turn.interruptions, turn.answered,
                   turn.acted, s.key, s.workspace, s.profile, chain.claude_session_id, chain.opened, chain.reason, chain.wake_number,
                   turn.settled, turn.insisted, turn.started_at,
                   {Sessions.SelectRegisteredClaudeSession},
                   s.mcp_servers, turn.message_salt, turn.traceparent, turn.tracestate, turn.in_terminal
            from turns turn
            join sessions s on s.id = turn.session_id
            left join lateral (select * from session_ids where session_id = $1 order by position desc limit 1) chain on true
            where turn.session_id = $1 and turn.wake_number = $2
            """,
            sessionId,
            wakeNumber
        );
        batch.Add(
            """
            select e.id, e.source, e.type, e.subject, e.reason, e.actor, coalesce(e.happened_at, e.accepted_at), i.wakes, i.intent,
                   -- as text, and looked into by EventDetails: ->> fails on an escape that json allows and text does not
                   case when row_number() over (order by e.seq) <= $4 then left(e.data::text, $3) end,
                   r.full_prompt, r.delta_prompt, i.routed_at, e.traceparent, e.tracestate, coalesce(e.scope, ''), e.seq, e.related,
                   -- an older version did not note it
                   coalesce(i.ends_watch, i.watch_id is not null and not exists (select from watches w where w.id = i.watch_id)),
                   coalesce(i.ci, r.ci, profile.ci)::text,
                   case when coalesce(i.ci, r.ci, profile.ci) is not null and e.type = $5 then e.data::text end,
                   case when i.ci is not null then 'watch' when r.ci is not null then 'route ' || r.name else 'profile ' || profile.name end
            from inbox i
            join events e on e.seq = i.event
            left join routes r on r.id = i.route_id
            left join lateral (
                select s.profile as name, profile_ci(s.profile) as ci from sessions s where s.id = i.session_id and e.type = $5) profile on true
            where i.session_id = $1 and i.wake_number = $2
              -- as of its first attempt: what a later one is told must not differ
              and (e.expires_at is null or e.expires_at > (select started_at from turns where session_id = $1 and wake_number = $2))
            order by e.seq
            """,
            sessionId,
            wakeNumber,
            EventDetails.MaxData,
            MaxEventsInPrompt,
            CiResult.Type
        );
        batch.Add(
            """
            select tool_use_id, tool, input::text, answers::text, begun_at is not null
            from questions
            where session_id = $1 and wake_number = $2 and outcome is not null
            """,
            sessionId,
            wakeNumber
        );
        batch.Add(Questions.SelectForSession, sessionId);

        await using var rows = await batch.ExecuteReaderAsync(cancel);
        if (inTerminal)
            await rows.NextResultAsync(cancel);
        await rows.NextResultAsync(cancel);
        await rows.NextResultAsync(cancel);
        if (await rows.ReadAsync(cancel))
            return new TurnClaim.Withheld(rows.GetString(0), rows.GetGuid(1));

        await rows.NextResultAsync(cancel);
        await rows.NextResultAsync(cancel);
        var granted = await rows.ReadAsync(cancel);
        await rows.NextResultAsync(cancel);

        if (!await rows.ReadAsync(cancel))
            return new TurnClaim.NotDue();

        if (!rows.IsDBNull(0))
            return new TurnClaim.Ended(rows.GetEnum<TurnOutcome>(0));

        if (!granted)
            return !rows.IsDBNull(1) && rows.GetBoolean(1) ? new TurnClaim.Held() : new TurnClaim.NotDue();

        var turn = new ClaimedTurn(
            sessionId,
            rows.GetString(7),
            wakeNumber,
            rows.GetInt64(2),
            rows.GetInt32(3),
            rows.GetInt32(4),
            rows.GetInt32(5),
            rows.GetBoolean(6),
            rows.GetString(8),
            rows.GetString(9),
            rows.IsDBNull(10)
                ? null
                : new(rows.GetGuid(10), rows.GetBoolean(11), rows.GetString(12), rows.GetNullable<int>(13)),
            Events: []
        )
        {
            LastReportedAttempt = rows.GetInt32(14),
            BudgetOverride = rows.GetBoolean(15),
            FirstClaimedAt = rows.GetFieldValue<DateTimeOffset>(16),
            RegisteredClaudeSession = rows.GetNullable<Guid>(17),
            McpServers = rows.IsDBNull(18) ? null : rows.GetFieldValue<string[]>(18),
            MessageSalt = rows.GetNullable<Guid>(19),
            TraceParent = rows.GetText(20),
            TraceState = rows.GetText(21),
            InTerminal = rows.GetBoolean(22),
        };

        await rows.NextResultAsync(cancel);
        var events = await rows.ReadAll(
            row =>
            {
                var related = row.GetTexts(17) ?? [];
                var result =
                    row.GetBoolean(7) && row.GetText(20) is { } data && CiPolicy.FromJson(row.GetText(19)) is { } policy
                        ? CiResult.Parse(related.FirstOrDefault(), data, policy, row.GetText(21))
                        : null;
                return new TurnEvent(
                    row.GetString(0),
                    row.GetString(1),
                    row.GetString(2),
                    row.GetString(3),
                    row.GetString(4),
                    row.GetText(5),
                    row.GetFieldValue<DateTimeOffset>(6),
                    row.GetBoolean(7),
                    row.GetText(8)
                )
                {
                    FullPrompt = row.GetText(10),
                    DeltaPrompt = row.GetText(11),
                    RoutedAt = row.GetFieldValue<DateTimeOffset>(12),
                    TraceParent = row.GetText(13),
                    TraceState = row.GetText(14),
                    IsWakeRequest = row.GetString(15) == WakeRequested.VerifiedByWake,
                    Seq = row.GetInt64(16),
                    Related = related,
                    EndsWatch = row.GetBoolean(18),
                    CiResult = result,
                }.WithDetails(EventDetails.Parse(row.GetText(9)));
            },
            cancel
        );

        await rows.NextResultAsync(cancel);
        var settled = await rows.ReadAll(
            row => new SettledQuestion(row.GetString(0), row.GetString(1), row.GetString(2), row.GetText(3))
            {
                CallStarted = row.GetBoolean(4),
            },
            cancel
        );

        await rows.NextResultAsync(cancel);
        var permissions = await rows.ReadAll(Questions.ReadForSession, cancel);

        return new TurnClaim.Granted(turn with { Events = events, Questions = settled, Permissions = permissions });
    }

    /// <summary>
    /// Counts what a turn that is held is told that CI came to, once for each wake. After it was asked whether that is
    /// still so: what is over is no attempt.
    /// </summary>
    /// <returns>The turn with its attempts; and why it is to wait for a person when they are spent.</returns>
    public async Task<(ClaimedTurn Turn, string? Spent)> CountCiAttempts(ClaimedTurn turn, CancellationToken cancel)
    {
        if (!turn.Events.Any(x => x.CiResult is not null && !x.IsOver))
            return (turn, null);

        var (attempts, spent) = await CiAttempts.Count(database, turn, cancel);
        return (
            turn with
            {
                Events =
                [
                    .. turn.Events.Select(x =>
                        x.CiResult is { Passed: false, Subject: var subject }
                            ? x with
                            {
                                Ci = attempts.GetValueOrDefault(subject),
                            }
                            : x
                    ),
                ],
            },
            spent
        );
    }

    /// <summary>Keeps a turn. False: it is no longer the caller's, whose child must die at once.</summary>
    public async Task<bool> Renew(TurnToken turn, TimeSpan lease, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(LockSession, turn.SessionId);
        batch.Add(
            $"""
            with renewed as (
                update turns set lease_until = clock_timestamp() + $4 where {IsHeldByCaller} returning lease_until
            )
            update wake_timers set owed_at = renewed.lease_until from renewed where session_id = $1
            """,
            turn.SessionId,
            turn.WakeNumber,
            turn.Epoch,
            lease
        );

        return await batch.ExecuteAffected(cancel);
    }

    /// <summary>
    /// Notes that a call which a person has allowed is made now. A later attempt that finds no result of it does not
    /// make it again. False: the turn is no longer the caller's, and the call is not to be made.
    /// </summary>
    public async Task<bool> MarkCallStarted(ClaimedTurn turn, string toolUseId, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(LockSession, turn.SessionId);
        batch.Add(
            $"""
            update questions set begun_at = clock_timestamp()
            where session_id = $1 and wake_number = $2 and tool_use_id = $4 and exists (select from turns where {IsHeldByCaller})
            """,
            turn.SessionId,
            turn.WakeNumber,
            turn.Epoch,
            toolUseId
        );

        return await batch.ExecuteAffected(cancel);
    }

    /// <summary>Notes that a call is made which a person has allowed for the session. False: the turn is no longer the
    /// caller's, or the permission was withdrawn.</summary>
    public async Task<bool> MarkPermittedCall(
        ClaimedTurn turn,
        Guid question,
        string toolUseId,
        CancellationToken cancel
    )
    {
        await using var batch = database.CreateBatch();
        batch.Add(LockSession, turn.SessionId);
        batch.Add(
            $"""
            insert into decisions (kind, session_id, wake_number, note)
            select 'permitted', $1, $2, format('call %s, as question %s allows', $5::text, q.id)
            from questions q
            where q.id = $4 and q.session_id = $1 and {Questions.IsForSession} and exists (select from turns where {IsHeldByCaller})
            """,
            turn.SessionId,
            turn.WakeNumber,
            turn.Epoch,
            question,
            toolUseId
        );

        return await batch.ExecuteAffected(cancel);
    }

    /// <summary>
    /// Draws a new random part for the id of a turn's message, because the CLI took the first attempt for one that it
    /// had finished before, and says so in the ledger. Null: the turn is no longer the caller's.
    /// </summary>
    public async Task<ClaimedTurn?> RenewMessageSalt(ClaimedTurn turn, string note, CancellationToken cancel)
    {
        var salt = Guid.NewGuid();
        await using var batch = database.CreateBatch();
        batch.Add(LockSession, turn.SessionId);
        batch.Add(
            $"""
            with salted as (
                update turns set message_salt = $4 where {IsHeldByCaller} returning session_id
            )
            insert into decisions (kind, session_id, wake_number, note) select 'toldAgain', $1, $2, $5 from salted
            """,
            turn.SessionId,
            turn.WakeNumber,
            turn.Epoch,
            salt,
            note
        );

        return await batch.ExecuteAffected(cancel) ? turn with { MessageSalt = salt } : null;
    }

    /// <summary>
    /// Ends a turn for good. False: it is no longer the caller's, and nothing was written. What only waited for a turn
    /// waits for the next one where this one was not run.
    /// </summary>
    /// <param name="turn">The turn.</param>
    /// <param name="outcome">How it ended.</param>
    /// <param name="note">More about that, for people.</param>
    /// <param name="cost">What the attempt took.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <param name="near">Where the session's next wake is best sent; null when it does not matter.</param>
    /// <param name="announced">Whether a message tells the coordinator; else it looks by itself, at once.</param>
    /// <param name="lastWords">Its last words, cut short; null when they are not known.</param>
    public async Task<bool> EndTurn(
        TurnToken turn,
        TurnOutcome outcome,
        string? note,
        TurnCost cost,
        CancellationToken cancel,
        RunnerAffinity? near = null,
        bool announced = true,
        string? lastWords = null
    )
    {
        await using var batch = database.CreateBatch();
        batch.Add(LockSession, turn.SessionId);
        batch.Add(
            $"""
            with settled as (
                update turns
                set ended_at = clock_timestamp(), lease_until = null, outcome = $10, note = $11, said = $15::text, {AddCost},
                    claude_session_id = (select claude_session_id from session_ids where session_id = $1 order by position desc limit 1)
                where {IsHeldByCaller}
                returning session_id
            ), spent as (
                {Spend}
            ), noted as (
                insert into decisions (kind, session_id, wake_number, note)
                select 'ended', $1, $2, concat_ws(': ', $10, $11) from settled
            ), returned as (
                update inbox i set wake_number = null
                from settled
                where $10 = 'stale' and i.session_id = $1 and i.wake_number = $2 and not i.wakes and not {FactChecks.IsNoLonger}
            ), opened as (
                update session_ids chain set opened = true
                from settled
                where chain.session_id = $1 and not chain.opened and $10 = 'completed'
                  and chain.position = (select max(position) from session_ids where session_id = $1)
            )
            update wake_timers timer set owed_at = clock_timestamp() + $12, near = $13, near_until = clock_timestamp() + $14
            from settled where timer.session_id = settled.session_id
            """,
            [
                turn.SessionId,
                turn.WakeNumber,
                turn.Epoch,
                .. Parameters(cost),
                outcome.ToCamelCase(),
                note,
                announced ? EndedMessageTimeout : TimeSpan.Zero,
                near?.Address,
                near?.Ttl,
                lastWords,
            ]
        );

        return await batch.ExecuteAffected(cancel);
    }

    /// <summary>
    /// Gives a turn back without ending it: the same wake, with the same events, runs again later. False: it is no
    /// longer the caller's, and nothing was written.
    /// </summary>
    /// <param name="turn">The turn.</param>
    /// <param name="how">What happens to it next.</param>
    /// <param name="answered">Whether the CLI answered this attempt's message, and so will not act on it again.</param>
    /// <param name="cost">What the attempt took.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<bool> Release(
        TurnToken turn,
        TurnRelease how,
        bool answered,
        TurnCost cost,
        CancellationToken cancel
    )
    {
        var asks = (how as TurnRelease.Park)?.Question;
        var (kind, notBefore, parked) = how switch
        {
            TurnRelease.Retry retry => ("released", retry.After, false),
            TurnRelease.Park { Until: null } => ("parked", (TimeSpan?)null, true),
            TurnRelease.Park { Until: { } until } => ("parked", until, true),
            _ => throw new InvalidOperationException($"Unknown {how}."),
        };

        await using var batch = database.CreateBatch();
        batch.Add(LockSession, turn.SessionId);
        batch.Add(
            $"""
            with settled as (
                update turns
                set lease_until = null, not_before = coalesce(clock_timestamp() + $10, 'infinity'), parked = $11, note = $12, {AddCost},
                    interruptions = interruptions + $13, answered = case when $15 then attempt else answered end,
                    -- what a person has allowed outlasts pauses, not the next park
                    insisted = insisted and not $11
                where {IsHeldByCaller}
                returning session_id
            ), spent as (
                {Spend}
            ), asked as (
                -- what is asked again was answered to no effect; a person has to see to that
                insert into questions (id, session_id, wake_number, tool_use_id, tool, input, call, call_sha256, deadline)
                select $16::uuid, $1, $2, $17::text, $18::text, $19::json, $20::text, $21::text, clock_timestamp() + $10 from settled where $16::uuid is not null
                on conflict (session_id, wake_number, tool_use_id) do nothing
                returning id
            ), noted as (
                insert into decisions (kind, session_id, wake_number, note)
                select 'asked', $1, $2, format('question %s', id) from asked
                union all
                select $14, $1, $2, $12 from settled
            )
            -- the saga looks at once and decides when to look again; who woke the session while the turn ran has not seen it park
            update wake_timers timer set owed_at = clock_timestamp(), nudged = timer.nudged and not $11 from settled where timer.session_id = settled.session_id
            """,
            [
                turn.SessionId,
                turn.WakeNumber,
                turn.Epoch,
                .. Parameters(cost),
                notBefore,
                parked,
                how.Note,
                how.Interrupted ? 1 : 0,
                kind,
                answered,
                asks is null ? null : Guid.CreateVersion7(),
                asks?.ToolUseId,
                asks?.Tool,
                asks?.Input,
                asks?.Call,
                asks?.Hash,
            ]
        );

        return await batch.ExecuteAffected(cancel);
    }

    /// <summary>Says for people what a turn that nobody holds waits for.</summary>
    public async Task NoteWaiting(Guid sessionId, int wakeNumber, string note, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            update turns set note = $3
            where session_id = $1 and wake_number = $2 and ended_at is null and lease_until is null and not parked
              and note is distinct from $3
            """
        );
        command.Parameters.AddWithValue(sessionId);
        command.Parameters.AddWithValue(wakeNumber);
        command.Parameters.AddWithValue(StorableText.Sanitize(note));
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Writes into the ledger what happened to a turn on its way.</summary>
    public async Task WriteDecision(ClaimedTurn turn, string kind, string note, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "insert into decisions (kind, session_id, wake_number, note) values ($1, $2, $3, $4)"
        );
        command.Parameters.AddWithValue(kind);
        command.Parameters.AddWithValue(turn.SessionId);
        command.Parameters.AddWithValue(turn.WakeNumber);
        command.Parameters.AddWithValue(note);
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Whether an attempt was ended or given back, for a caller who was not told that it was.</summary>
    public async Task<bool> IsAttemptReported(ClaimedTurn turn, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "select exists (select from turns where session_id = $1 and wake_number = $2 and settled = $3)"
        );
        command.Parameters.AddWithValue(turn.SessionId);
        command.Parameters.AddWithValue(turn.WakeNumber);
        command.Parameters.AddWithValue(turn.Attempt);
        return (bool)(await command.ExecuteScalarAsync(cancel))!;
    }

    static object?[] Parameters(TurnCost cost) =>
        [
            cost.Usd,
            (long)cost.Duration.TotalMilliseconds,
            cost.Tokens.Input,
            cost.Tokens.Output,
            cost.Tokens.CacheRead,
            cost.Tokens.CacheCreation,
        ];
}

/// <summary>A runner that has a session at hand: its process, or its workspace.</summary>
/// <param name="Address">Where to send the session's next wake.</param>
/// <param name="Ttl">For how long.</param>
public sealed record RunnerAffinity(string Address, TimeSpan Ttl);

/// <summary>How a turn is given back.</summary>
/// <param name="Note">Why, for people.</param>
/// <param name="Interrupted">Whether the reason lies outside the turn (the runner shuts down, a limit, a budget), which
/// is no failure.</param>
public abstract record TurnRelease(string Note, bool Interrupted = false)
{
    /// <summary>It is tried again by itself.</summary>
    /// <param name="After">How long to leave it alone.</param>
    /// <param name="Note">Why, for people.</param>
    /// <param name="Interrupted">Whether the reason lies outside the turn, which is no failure.</param>
    public sealed record Retry(TimeSpan After, string Note, bool Interrupted = false) : TurnRelease(Note, Interrupted);

    /// <summary>It waits for a person, who ends the wait by waking the session, or for a date.</summary>
    /// <param name="Until">How long; null waits for the person.</param>
    /// <param name="Note">Why, for people.</param>
    /// <param name="Interrupted">Whether the reason lies outside the turn, which is no failure; all but what has failed
    /// too often.</param>
    public sealed record Park(TimeSpan? Until, string Note, bool Interrupted = true) : TurnRelease(Note, Interrupted)
    {
        /// <summary>What the person is asked; null when only their waking ends the wait.</summary>
        public ToolCallQuestion? Question { get; init; }
    }
}
