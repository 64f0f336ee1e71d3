using System.Data;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using Wake.Contracts;

namespace Wake.Store;

/// <summary>Answers "why" from rows alone: what became of an event, why a session does or does not run, what happens
/// now.</summary>
public sealed class Explanations(NpgsqlDataSource database, Sessions sessions, Watches watches)
{
    const int MaxLines = 200;

    // Longer than a coordinator that runs leaves anything.
    static readonly TimeSpan OverdueAfter = TimeSpan.FromSeconds(5);

    /// <summary>
    /// What became of an event, by the id of any observation of it. Null when it was never accepted. When several
    /// sources use the same id, the newest is meant unless <paramref name="source"/> says which.
    /// </summary>
    /// <param name="id">The id.</param>
    /// <param name="source">Who observed it; null for anybody.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <param name="only">The session for which it is explained, which is told of itself alone; null for
    /// people.</param>
    public async Task<EventExplanation?> ExplainEvent(
        string id,
        string? source,
        CancellationToken cancel,
        string? only = null
    )
    {
        await using var db = database.OpenReader();
        if (await FindEvent(db, id, source, cancel) is not var (seq, acceptedAt, observed, collision))
            return null;

        var duplicates = await ListDuplicates(db, seq, cancel);
        var deliveries = await ListInboxEntries(db, seq, only, cancel);
        if (only is not null)
        {
            if (deliveries is [])
                return null;

            observed = observed with { Sessions = observed.Sessions is null ? null : [only] };
        }

        List<LedgerLine> ledger =
        [
            new(
                acceptedAt,
                "accepted",
                observed.Id,
                null,
                null,
                observed.ReplayOf is { } original ? $"replay of {original}" : observed.Reason
            ),
            .. (observed.Warnings ?? []).Select(x => new LedgerLine(acceptedAt, "warning", observed.Id, null, null, x)),
            .. collision is null
                ? []
                : (LedgerLine[])[new(acceptedAt, "collision", observed.Id, null, null, collision)],
            .. duplicates.Select(x => new LedgerLine(x.At, "duplicate", x.Id, null, null, $"seen by {x.Source}")),
            .. deliveries.Select(x => new LedgerLine(
                x.RoutedAt,
                "routed",
                observed.Id,
                x.Session,
                null,
                x switch
                {
                    { Watch: { } watch } => $"by watch {watch}",
                    { Route: { } route } => $"by route {route}",
                    _ when SubjectEnd.Find(observed.Type) is { } ends
                            && observed.Sessions?.Contains(x.Session) is not true => ends
                        ? "its subject is over"
                        : "its subject is taken up again",
                    _ => "the event names the session",
                }
            )),
            .. (
                await ToLedger(
                    db.Decisions.Where(x =>
                        db.Inbox.Any(i => i.Event == seq && i.SessionId == x.SessionId && i.WakeNumber == x.WakeNumber)
                    ),
                    cancel
                )
            ).Where(x => only is null || x.Session == only),
        ];

        return new(
            await Summarize(
                observed,
                deliveries,
                (await ListHeld("i.event = $1", seq, cancel)).Values.FirstOrDefault(),
                cancel
            ),
            observed,
            acceptedAt,
            duplicates,
            deliveries,
            [.. ledger.OrderBy(x => x.At)]
        );
    }

    /// <summary>Events that came under the dedup key of another fact: how many the store knows of, and the
    /// latest.</summary>
    public async Task<Collisions> ListCollisions(CancellationToken cancel)
    {
        await using var db = database.OpenReader();
        var known =
            from collision in db.Collisions
            join observed in db.Events on collision.Event equals observed.Seq
            join holder in db.Events on collision.HeldBy equals holder.Seq into holders
            from holder in holders.DefaultIfEmpty()
            orderby collision.Event descending
            select new Collision(observed.Id, collision.DedupKey, holder!.Id, collision.At);
        return new(await known.LongCountAsync(cancel), await known.Take(20).ToListAsync(cancel));
    }

    static async Task<(long Seq, DateTimeOffset AcceptedAt, ExternalEventObserved Event, string? Collision)?> FindEvent(
        StoreContext db,
        string id,
        string? source,
        CancellationToken cancel
    )
    {
        var seen = db
            .Events.Where(x => x.Id == id && (source == null || x.Source == source))
            .Select(x => x.Seq)
            .Concat(
                db.Duplicates.Where(x => x.Observation == id && (source == null || x.Source == source))
                    .Select(x => x.Event)
            );
        var newest = await db
            .Events.Where(x => seen.Contains(x.Seq))
            .OrderByDescending(x => x.Seq)
            .FirstOrDefaultAsync(cancel);
        if (newest is null)
            return null;

        var collision = await (
            from row in db.Collisions
            where row.Event == newest.Seq
            join holder in db.Events on row.HeldBy equals holder.Seq into holders
            from holder in holders.DefaultIfEmpty()
            select new { row.DedupKey, Holder = holder }
        ).FirstOrDefaultAsync(cancel);
        return (
            newest.Seq,
            newest.AcceptedAt,
            new ExternalEventObserved
            {
                Id = newest.Id,
                Source = newest.Source,
                Type = newest.Type,
                Subject = newest.Subject,
                Related = newest.Related,
                DedupKey = collision?.DedupKey ?? newest.DedupKey,
                Reason = newest.Reason,
                Delivery = newest.Wakes ? Delivery.Wake : Delivery.Ambient,
                Urgent = newest.Urgent,
                Sessions = newest.Sessions,
                Actor = newest.Actor,
                Time = newest.HappenedAt,
                Expires = newest.ExpiresAt,
                Data = newest.Data is { } data ? JsonElement.Parse(data) : null,
                ReplayOf = newest.ReplayOf,
                Warnings = newest.Warnings,
                VerifiedBy =
                    newest.Scope is { Length: > 0 } scope && !scope.Contains(':', StringComparison.Ordinal)
                        ? scope
                        : null,
            },
            collision is null ? null : Collides(collision.Holder, newest)
        );

        static string Collides(EventRow? holder, EventRow observed) =>
            $"its dedup key is that of {(holder is null ? "an event" : $"event {holder.Id}")}, "
            + (
                holder?.Type == observed.Type && holder?.Subject == observed.Subject
                    ? "published by another source"
                    : "which is another fact"
            );
    }

    /// <summary>Why a session does what it does. Null when there never was one with this key.</summary>
    public async Task<SessionExplanation?> ExplainSession(string key, CancellationToken cancel)
    {
        if (await sessions.Find(key, cancel) is not { } session)
            return null;

        await using var db = database.OpenReader();
        var pending = await ListPending(db, session.Id, cancel);
        return new(
            await Summarize(session, pending, cancel) + await UnsavedWarning(session.Id, cancel),
            session,
            await db
                .ClaudeSessions.Where(x => x.SessionId == session.Id)
                .OrderBy(x => x.Position)
                .Select(x => new ClaudeSessionUse(x.ClaudeSessionId, x.Reason, x.WakeNumber, x.Since))
                .ToListAsync(cancel),
            await watches.List(key, MaxLines, cancel),
            pending,
            await sessions.ListTurns(session.Id, limit: 20, cancel),
            [
                .. (
                    await ToLedger(
                        db.Decisions.Where(x => x.SessionId == session.Id).OrderByDescending(x => x.Seq).Take(MaxLines),
                        cancel
                    )
                )
                    .Concat(await ListNotified(session.Id, cancel))
                    .Concat(await ListOwedReports(session.Id, cancel))
                    .OrderBy(x => x.At),
            ]
        );
    }

    // Of what people were told of a session: to whom, and whether it arrived.
    async Task<IReadOnlyList<LedgerLine>> ListNotified(Guid sessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select coalesce(n.settled_at, n.due_at) as at, f.data->>'session' as session, f.wake_number,
                   concat(f.type, case when f.question_id is not null then ' ' || f.question_id end,
                          case n.outcome when 'delivered' then ' to ' when 'dead' then ' was given up to ' else ' waits for ' end,
                          n.target, ': ' || n.error) as note
            from notification_facts f
            join notifications n on n.fact = f.seq
            where f.session_id = $1
            order by f.seq desc
            limit $2
            """
        );
        return await ReadNotes(command, "notified", sessionId, cancel);
    }

    // What is still to be reported of its turns. What became of the others is in the ledger.
    async Task<IReadOnlyList<LedgerLine>> ListOwedReports(Guid sessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select t.ended_at, s.key, t.wake_number,
                   concat(r.kind, ' on ', r.subject, ': ',
                          case when exists (select from fact_checkers c
                                            where r.subject like c.pattern and c.seen_at > clock_timestamp() - interval '1 minute')
                               then concat('is sent at ', to_char(r.due_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'), 'Z')
                               else 'no producer with an account for it runs' end,
                          ', ' || r.error)
            from reports r
            join sessions s on s.id = r.session_id
            join report_turns t on t.report = r.id and t.settled_at is null
            where r.session_id = $1
            order by t.ended_at desc
            limit $2
            """
        );
        return await ReadNotes(command, "reporting", sessionId, cancel);
    }

    // When, the session, its wake and a note.
    static async Task<IReadOnlyList<LedgerLine>> ReadNotes(
        NpgsqlCommand command,
        string what,
        Guid sessionId,
        CancellationToken cancel
    )
    {
        command.Parameters.AddWithValue(sessionId);
        command.Parameters.AddWithValue(MaxLines);
        return await command.ReadAll(
            row => new LedgerLine(
                row.GetFieldValue<DateTimeOffset>(0),
                what,
                null,
                row.GetText(1),
                row.GetNullable<int>(2),
                row.GetText(3)
            ),
            cancel
        );
    }

    /// <summary>
    /// What was accepted and decided after a moment, in order. A transaction that was still open then shows its rows
    /// late, so a follower asks for a few seconds more than it needs and drops what it has seen.
    /// </summary>
    public async Task<IReadOnlyList<LedgerLine>> ListLedgerSince(DateTimeOffset moment, CancellationToken cancel)
    {
        // The fences keep every plan to the newest rows, whatever the planner believes of their number.
        await using var command = database.CreateCommand(
            $"""
            with accepted as materialized (
                select e.*
                from (select seq, id, subject, reason, accepted_at from events
                      where seq between events_before($1) and (select max(seq) from events) offset 0) e
                where e.accepted_at > $1
            )
            select d.at, d.kind, null as event, s.key, d.wake_number, d.note, d.seq, 2
            from (select * from decisions where at between $1 and now() + interval '1 hour' offset 0) d
            cross join lateral (select key from sessions where id = d.session_id offset 0) s
            where d.at > $1
            union all
            select p.created_at, 'paused', null, case p.scope when 'session' then p.name end, null, {Pauses.Note}, 0, 2
            from pauses p where p.created_at > $1
            union all
            select p.ended_at, 'unpaused', null, case p.scope when 'session' then p.name end, null, {Pauses.Note}, 0, 2
            from pauses p where p.ended_at > $1
            union all
            select seen_at, 'deadLettered', null, null, null, queue || ': ' || reason, 0, 2 from dead_letters where seen_at > $1
            union all
            select at, kind, null, null, null, note, seq, 2 from operator_actions where at > $1
            union all
            select accepted_at, 'accepted', id, null, null, reason, seq, 0 from accepted
            union all
            select at, 'duplicate', observation, null, null, 'seen by ' || source, event, 0 from duplicates where at > $1
            union all
            select i.routed_at, 'routed', e.id, s.key, null, e.subject, e.seq, 1
            from accepted e
            cross join lateral (select session_id, routed_at from inbox where event = e.seq offset 0) i
            cross join lateral (select key from sessions where id = i.session_id offset 0) s
            -- Of one moment: taken in, routed, decided.
            order by 1, 8, 7
            limit 10000
            """
        );
        command.Parameters.AddWithValue(moment.ToUniversalTime());
        return await command.ReadAll(
            row => new LedgerLine(
                row.GetFieldValue<DateTimeOffset>(0),
                row.GetString(1),
                row.GetText(2),
                row.GetText(3),
                row.GetNullable<int>(4),
                row.GetText(5)
            ),
            cancel
        );
    }

    /// <summary>A page of what people did, the newest first: wakes and replays that they asked for, answers, what they
    /// allowed, closed, reset, paused, redrove, dropped and drained.</summary>
    /// <param name="limit">How many at most.</param>
    /// <param name="cursor">The cursor of the page before; null for the first.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="PageCursorException">The cursor is none of this list.</exception>
    public async Task<Page<LedgerLine>> ListActivity(int limit, string? cursor, CancellationToken cancel)
    {
        var before = PageCursor<ActivityPlace>.Parse(cursor, ActivityOrder)?.Value ?? ActivityPlace.Newest;
        await using var command = database.CreateCommand(
            $"""
            select *
            from (
                (select d.at, 3 as kind, lpad(d.seq::text, 20, '0') as key, d.kind as what, null as event, s.key as session, d.wake_number, d.note
                 from decisions d join sessions s on s.id = d.session_id
                 where d.kind in ('closed', 'answered', 'permitted', 'withdrawn', 'reset') and d.at <= $1
                   and (d.at, 3, lpad(d.seq::text, 20, '0')) < ($1, $2, $3)
                 order by d.at desc, d.seq desc limit $4)
                union all
                (select e.accepted_at, 2, lpad(e.seq::text, 20, '0'), case when e.replay_of is null then 'woken' else 'replayed' end, e.id,
                        e.sessions[1], null,
                        concat(e.reason, case when e.type = 'wake.requested' then ', by ' || e.actor end)
                 from events e
                 where (e.type = 'wake.requested' or e.replay_of is not null) and e.accepted_at <= $1
                   and (e.accepted_at, 2, lpad(e.seq::text, 20, '0')) < ($1, $2, $3)
                 order by e.accepted_at desc, e.seq desc limit $4)
                union all
                (select p.created_at, 1, p.id::text, 'paused', null, case p.scope when 'session' then p.name end, null,
                        concat({Pauses.Note}, ', by ' || p.created_by)
                 from pauses p
                 where p.breaker is null and (p.created_at, 1, p.id::text) < ($1, $2, $3)
                 order by p.created_at desc, p.id desc limit $4)
                union all
                (select p.ended_at, 0, p.id::text, 'unpaused', null, case p.scope when 'session' then p.name end, null,
                        concat({Pauses.Note}, ', by ' || p.ended_by)
                 from pauses p
                 where p.by_hand and p.ended_at is not null and (p.ended_at, 0, p.id::text) < ($1, $2, $3)
                 order by p.ended_at desc, p.id desc limit $4)
                union all
                (select o.at, 4, lpad(o.seq::text, 20, '0'), o.kind, null, null, null, concat(o.note, ', by ' || o.done_by)
                 from operator_actions o
                 where o.at <= $1 and (o.at, 4, lpad(o.seq::text, 20, '0')) < ($1, $2, $3)
                 order by o.at desc, o.seq desc limit $4)
            ) done
            order by 1 desc, 2 desc, 3 desc
            limit $4
            """
        );
        command.Parameters.AddWithValue(before.At.ToUniversalTime());
        command.Parameters.AddWithValue(before.Kind);
        command.Parameters.AddWithValue(before.Key);
        command.Parameters.AddWithValue(limit + 1);
        var rows = await command.ReadAll(
            row =>
                (
                    Place: new ActivityPlace(row.GetFieldValue<DateTimeOffset>(0), row.GetInt32(1), row.GetString(2)),
                    Line: new LedgerLine(
                        row.GetFieldValue<DateTimeOffset>(0),
                        row.GetString(3),
                        row.GetText(4),
                        row.GetText(5),
                        row.GetNullable<int>(6),
                        row.GetText(7)
                    )
                ),
            cancel
        );
        return new(
            [.. rows.Take(limit).Select(x => x.Line)],
            rows.Count > limit
                ? $"{new PageCursor<ActivityPlace>(ActivityOrder, rows[limit - 1].Place, Guid.Empty)}"
                : null
        );
    }

    const string ActivityOrder = "activity";

    // What happened in one moment is told apart by what it is, and by its number.
    sealed record ActivityPlace(DateTimeOffset At, int Kind, string Key)
    {
        // No ledger is written so far ahead.
        public static readonly ActivityPlace Newest = new(new(9000, 1, 1, 0, 0, 0, TimeSpan.Zero), 0, "");
    }

    /// <summary>The database's clock, by which the ledger is written.</summary>
    public async Task<DateTimeOffset> GetDatabaseTime(CancellationToken cancel)
    {
        await using var command = database.CreateCommand("select clock_timestamp()");
        return new((DateTime)(await command.ExecuteScalarAsync(cancel))!);
    }

    async Task<string> Summarize(
        ExternalEventObserved observed,
        IReadOnlyList<InboxEntry> deliveries,
        string? heldBy,
        CancellationToken cancel
    )
    {
        if (deliveries is [])
        {
            return observed.Sessions is { Count: > 0 } named
                ? $"Nothing woke: no open session is called {string.Join(" or ", named)}, and nobody watched "
                    + $"{observed.Subject}."
                : $"Nothing woke: nobody watched {observed.Subject}.";
        }

        var expired = observed.Expires is { } end && end <= await GetDatabaseTime(cancel);

        // What the first of many wait for says enough.
        await using var db = database.OpenReader();
        var states = new Dictionary<string, string>();
        foreach (var key in deliveries.Where(x => x.Wake is null).Select(x => x.Session).Distinct().Take(5))
        {
            if (await sessions.Find(key, cancel) is { } session)
                states[key] = " " + await Summarize(session, await ListPending(db, session.Id, cancel), cancel);
        }

        var held = heldBy is null ? "." : $", held by the pause of {heldBy}.";

        return string.Join(
            " ",
            deliveries.Select(x =>
                (x, x.Turn) switch
                {
                    ({ Wake: null }, _) when expired =>
                        $"It expired before a turn of {x.Session} began, and is handed to no turn.",
                    ({ Wake: null }, _) when observed.Delivery is Delivery.Ambient =>
                        $"It waits for the next turn of {x.Session}; being ambient it starts none"
                            + (heldBy is null ? "." : $". It is held by the pause of {heldBy}."),
                    ({ Wake: null }, _) =>
                        $"It waits in the inbox of {x.Session}{held}{states.GetValueOrDefault(x.Session)}",
                    ({ Fact: { Answer: FactAnswer.NoLonger } fact }, { Outcome: TurnOutcome.Stale }) =>
                        $"{x.Session} was not told of it: wake {x.Wake} ended stale: {fact.Reason}.",
                    (_, { State: TurnState.Ended } turn) => $"{x.Session} received it in wake {x.Wake}, which ended: "
                        + $"{turn.Outcome?.ToCamelCase()}{Note(turn)}.{Fact(x)}",
                    (_, { State: TurnState.Waiting } turn) =>
                        $"{x.Session} receives it in wake {x.Wake}, which is waiting: {turn.Note}.",
                    (_, { } turn) =>
                        $"{x.Session} received it in wake {x.Wake}, which is {turn.State.ToCamelCase()}{Note(turn)}.",
                    _ => $"{x.Session} received it in wake {x.Wake}.",
                }
            )
        );

        static string Note(Turn turn) => turn.Note is { } note ? $" ({note})" : "";

        static string Fact(InboxEntry entry) =>
            entry.Fact switch
            {
                { Answer: FactAnswer.NoLonger } fact => $" It was no longer so by then: {fact.Reason}.",
                { Answer: FactAnswer.Unknown } fact =>
                    $" Whether it was still so by then could not be looked up: {fact.Reason}.",
                _ => "",
            };
    }

    async Task<string> Summarize(Session session, IReadOnlyList<PendingEvent> pending, CancellationToken cancel)
    {
        var wakes = pending.Count(x => x.Delivery is Delivery.Wake);
        var deadline = session.WaitsFor is { } question ? await Deadline(question, cancel) : null;
        var overdue = session.State is SessionState.Idle ? await Overdue(session.Id, cancel) : null;
        var note = session.LastTurn?.Note is { } text ? $" ({text})" : "";
        var waiting = wakes == 1 ? "One event waits" : $"{wakes} events wait";
        if (session is { Paused: { } paused, State: SessionState.Idle or SessionState.Dispatched })
        {
            return paused.Sentence
                + (
                    session.State is SessionState.Dispatched ? $" Wake {session.LastTurn?.Number} waits for that."
                    : wakes > 0 ? $" {waiting} for that, and one wake is " + "told of all."
                    : " Nothing waits."
                );
        }

        var held = pending.Count(x => x.HeldBy is not null);
        return (session.Paused is { } also ? $"{also.Sentence} " : "")
            + (
                held == 0 ? ""
                : held == 1 ? "One event waits for the end of a pause. "
                : $"{held} events wait for the end of a pause. "
            )
            + session.State switch
            {
                SessionState.Idle when pending.Any(x => x.Delivery is Delivery.Wake) && overdue > OverdueAfter =>
                    $"Idle; it should have been woken {overdue.Value.TotalSeconds:0} s ago: no coordinator runs, or "
                        + "RabbitMQ takes nothing from it.",
                SessionState.Idle when pending.Any(x => x.Delivery is Delivery.Wake) =>
                    "Idle; its quiet window has not ended, then it is woken.",
                SessionState.Idle when session.ClosesAt is { } end =>
                    $"Idle; its subject is over, and it closes at {end.UtcDateTime:u} unless something else wakes it.",
                SessionState.Idle when pending is not [] => "Idle; only ambient events wait, which start no turn.",
                SessionState.Idle => "Idle; nothing waits.",
                SessionState.Dispatched => $"Wake {session.LastTurn?.Number} waits for a runner{note}.",
                SessionState.Waiting => $"Wake {session.LastTurn?.Number} is waiting: {session.LastTurn?.Note}.",
                SessionState.Running => $"Wake {session.LastTurn?.Number} runs on {session.LastTurn?.Runner}.",
                SessionState.Parked => $"Wake {session.LastTurn?.Number} is parked{note}.",
                SessionState.WaitingForAnswer =>
                    $"Wake {session.LastTurn?.Number} waits for the answer to question {session.WaitsFor}{note}."
                        + (deadline is { } end ? $" Without one it goes on at {end:u}." : "")
                        + (wakes > 0 ? $" {waiting} behind it; wake " + "resume ends the wait." : ""),
                _ => "Closed; it takes no more turns.",
            };
    }

    async Task<DateTimeOffset?> Deadline(Guid question, CancellationToken cancel)
    {
        await using var db = database.OpenReader();
        return await db.Questions.Where(x => x.Id == question).Select(x => x.Deadline).FirstOrDefaultAsync(cancel);
    }

    async Task<string> UnsavedWarning(Guid sessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"select t.wake_number from {Transcripts.UnsavedSessions} and s.id = $1"
        );
        command.Parameters.AddWithValue(sessionId);
        return await command.ExecuteScalarAsync(cancel) is int wake
            ? $" Warning: wake {wake} completed but its transcript was not saved. A runner without the local file "
                + "resumes without it."
            : "";
    }

    async Task<TimeSpan?> Overdue(Guid sessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "select clock_timestamp() - due_at from wake_timers where session_id = $1 and due_at <= clock_timestamp()"
        );
        command.Parameters.AddWithValue(sessionId);
        return await command.ExecuteScalarAsync(cancel) as TimeSpan?;
    }

    static async Task<IReadOnlyList<Duplicate>> ListDuplicates(StoreContext db, long seq, CancellationToken cancel) =>
        await db
            .Duplicates.Where(x => x.Event == seq)
            .OrderBy(x => x.At)
            .Take(MaxLines)
            .Select(x => new Duplicate(x.Observation, x.Source, x.At))
            .ToListAsync(cancel);

    static async Task<IReadOnlyList<InboxEntry>> ListInboxEntries(
        StoreContext db,
        long seq,
        string? only,
        CancellationToken cancel
    )
    {
        var first = db
            .Inbox.Where(x => x.Event == seq && (only == null || x.Session.Key == only))
            .OrderBy(x => x.Session.Key)
            .Take(MaxLines);
        var entries = await InboxEntryView.Select(db, first).ToListAsync(cancel);
        return entries.ConvertAll(x => x.ToEntry());
    }

    async Task<IReadOnlyList<PendingEvent>> ListPending(StoreContext db, Guid sessionId, CancellationToken cancel)
    {
        var pending = await db
            .Inbox.Where(x => x.SessionId == sessionId && x.WakeNumber == null)
            .OrderBy(x => x.Event)
            .Take(MaxLines)
            .Select(x => new
            {
                x.Event,
                Entry = new PendingEvent(
                    x.Observed.Id,
                    x.Observed.Type,
                    x.Observed.Subject,
                    x.Observed.Reason,
                    x.Wakes ? Delivery.Wake : Delivery.Ambient,
                    x.RoutedAt
                ),
            })
            .ToListAsync(cancel);
        var held = await ListHeld("i.session_id = $1 and i.wake_number is null", sessionId, cancel);
        return pending.ConvertAll(x => x.Entry with { HeldBy = held.GetValueOrDefault(x.Event) });
    }

    // Events in inboxes that pauses hold, by their numbers, each with the pauses in words.
    async Task<IReadOnlyDictionary<long, string>> ListHeld(string which, object parameter, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"""
            select i.event, string_agg(distinct {Pauses.Note}, '; ') as pauses
            from inbox i
            cross join lateral (select * from event_pauses(i.event) where {Pauses.AnyOfEvents}) p
            where {which}
            group by i.event
            """
        );
        command.Parameters.AddWithValue(parameter);
        return (
            await command.ReadAll(row => KeyValuePair.Create(row.GetInt64("event"), row.GetString("pauses")), cancel)
        ).ToDictionary();
    }

    static async Task<IReadOnlyList<LedgerLine>> ToLedger(
        IQueryable<DecisionRow> decisions,
        CancellationToken cancel
    ) =>
        await decisions
            .Select(x => new LedgerLine(x.At, x.Kind, null, x.Session.Key, x.WakeNumber, x.Note))
            .ToListAsync(cancel);
}
