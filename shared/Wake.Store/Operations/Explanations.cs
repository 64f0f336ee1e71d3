using System.Text.Json;
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

    // The decision rows of some wakes or sessions, as ledger lines.
    const string SelectDecisions = """
        select d.at, d.kind, null as event, s.key, d.wake_number, d.note, d.seq from decisions d join sessions s on s.id = d.session_id
        """;

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
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            select e.seq, e.id, e.source, e.type, e.subject, e.related, coalesce(c.dedup_key, e.dedup_key), e.reason, e.wakes, e.urgent,
                   e.sessions,
                   e.actor, e.happened_at, e.expires_at, e.data::text, e.accepted_at, e.replay_of, e.warnings, c.event is not null, h.id,
                   h.type = e.type and h.subject = e.subject, e.scope
            from events e
            left join collisions c on c.event = e.seq
            left join events h on h.seq = c.held_by
            where e.seq in (select seq from events where id = $1 and ($2::text is null or source = $2)
                            union all
                            select event from duplicates where observation = $1 and ($2::text is null or source = $2))
            order by e.seq desc
            limit 1
            """,
            id,
            source
        );

        if (await ReadEvent(batch, cancel) is not var (seq, acceptedAt, observed, collision))
            return null;

        var duplicates = await ListDuplicates(seq, cancel);
        var deliveries = await ListInboxEntries(seq, only, cancel);
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
                    _ => "the event names the session",
                }
            )),
            .. (
                await ReadLedger(
                    $"""
                    {SelectDecisions}
                    where (d.session_id, d.wake_number) in (select session_id, wake_number from inbox where event = $1)
                    """,
                    seq,
                    cancel
                )
            ).Where(x => only is null || x.Session == only),
        ];

        return new(
            await Summarize(observed, deliveries, cancel),
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
        await using var command = database.CreateCommand(
            """
            select e.id, c.dedup_key, h.id, c.at, count(*) over ()
            from collisions c
            join events e on e.seq = c.event
            left join events h on h.seq = c.held_by
            order by c.event desc
            limit 20
            """
        );
        var latest = await command.ReadAll(
            row =>
                (
                    Collision: new Collision(
                        row.GetString(0),
                        row.GetString(1),
                        row.GetText(2),
                        row.GetFieldValue<DateTimeOffset>(3)
                    ),
                    Count: row.GetInt64(4)
                ),
            cancel
        );
        return new(latest is [] ? 0 : latest[0].Count, [.. latest.Select(x => x.Collision)]);
    }

    static async Task<(long Seq, DateTimeOffset AcceptedAt, ExternalEventObserved Event, string? Collision)?> ReadEvent(
        NpgsqlBatch batch,
        CancellationToken cancel
    )
    {
        await using var rows = await batch.ExecuteReaderAsync(cancel);
        if (!await rows.ReadAsync(cancel))
            return null;

        return (
            rows.GetInt64(0),
            rows.GetFieldValue<DateTimeOffset>(15),
            new ExternalEventObserved
            {
                Id = rows.GetString(1),
                Source = rows.GetString(2),
                Type = rows.GetString(3),
                Subject = rows.GetString(4),
                Related = rows.IsDBNull(5) ? null : rows.GetFieldValue<string[]>(5),
                DedupKey = rows.GetString(6),
                Reason = rows.GetString(7),
                Delivery = rows.GetBoolean(8) ? Delivery.Wake : Delivery.Ambient,
                Urgent = rows.GetBoolean(9),
                Sessions = rows.IsDBNull(10) ? null : rows.GetFieldValue<string[]>(10),
                Actor = rows.GetText(11),
                Time = rows.GetNullable<DateTimeOffset>(12),
                Expires = rows.GetNullable<DateTimeOffset>(13),
                Data = rows.GetText(14) is { } data ? JsonElement.Parse(data) : null,
                ReplayOf = rows.GetText(16),
                Warnings = rows.IsDBNull(17) ? null : rows.GetFieldValue<string[]>(17),
                VerifiedBy =
                    rows.GetText(21) is { Length: > 0 } scope && !scope.Contains(':', StringComparison.Ordinal)
                        ? scope
                        : null,
            },
            rows.GetBoolean(18) ? Collides(rows.GetText(19), rows.GetNullable<bool>(20) ?? false) : null
        );

        static string Collides(string? holder, bool alike) =>
            $"its dedup key is that of {(holder is null ? "an event" : $"event {holder}")}, "
            + (alike ? "published by another source" : "which is another fact");
    }

    /// <summary>Why a session does what it does. Null when there never was one with this key.</summary>
    public async Task<SessionExplanation?> ExplainSession(string key, CancellationToken cancel)
    {
        if (await sessions.Find(key, cancel) is not { } session)
            return null;

        var pending = await ListPending(session.Id, cancel);
        return new(
            await Summarize(session, pending, cancel) + await UnsavedWarning(session.Id, cancel),
            session,
            await ListClaudeSessions(session.Id, cancel),
            await watches.List(key, MaxLines, cancel),
            pending,
            await sessions.ListTurns(session.Id, limit: 20, cancel),
            [
                .. (
                    await ReadLedger(
                        $"{SelectDecisions} where d.session_id = $1 order by d.seq desc limit {MaxLines}",
                        session.Id,
                        cancel
                    )
                ).OrderBy(x => x.At),
            ]
        );
    }

    /// <summary>
    /// What was accepted and decided after a moment, in order. A transaction that was still open then shows its rows
    /// late, so a follower asks for a few seconds more than it needs and drops what it has seen.
    /// </summary>
    public Task<IReadOnlyList<LedgerLine>> ListLedgerSince(DateTimeOffset moment, CancellationToken cancel) =>
        ReadLedger(
            """
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
            """,
            moment.ToUniversalTime(),
            cancel
        );

    /// <summary>The database's clock, by which the ledger is written.</summary>
    public async Task<DateTimeOffset> GetDatabaseTime(CancellationToken cancel)
    {
        await using var command = database.CreateCommand("select clock_timestamp()");
        return new((DateTime)(await command.ExecuteScalarAsync(cancel))!);
    }

    async Task<string> Summarize(
        ExternalEventObserved observed,
        IReadOnlyList<InboxEntry> deliveries,
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
        var states = new Dictionary<string, string>();
        foreach (var key in deliveries.Where(x => x.Wake is null).Select(x => x.Session).Distinct().Take(5))
        {
            if (await sessions.Find(key, cancel) is { } session)
                states[key] = " " + await Summarize(session, await ListPending(session.Id, cancel), cancel);
        }

        return string.Join(
            " ",
            deliveries.Select(x =>
                (x, x.Turn) switch
                {
                    ({ Wake: null }, _) when expired =>
                        $"It expired before a turn of {x.Session} began, and is handed to no turn.",
                    ({ Wake: null }, _) when observed.Delivery is Delivery.Ambient =>
                        $"It waits for the next turn of {x.Session}; being ambient it starts none.",
                    ({ Wake: null }, _) =>
                        $"It waits in the inbox of {x.Session}.{states.GetValueOrDefault(x.Session)}",
                    (_, { State: TurnState.Ended } turn) => $"{x.Session} received it in wake {x.Wake}, which ended: "
                        + $"{turn.Outcome?.ToCamelCase()}{Note(turn)}.",
                    (_, { State: TurnState.Waiting } turn) =>
                        $"{x.Session} receives it in wake {x.Wake}, which is waiting: {turn.Note}.",
                    (_, { } turn) =>
                        $"{x.Session} received it in wake {x.Wake}, which is {turn.State.ToCamelCase()}{Note(turn)}.",
                    _ => $"{x.Session} received it in wake {x.Wake}.",
                }
            )
        );

        static string Note(Turn turn) => turn.Note is { } note ? $" ({note})" : "";
    }

    async Task<string> Summarize(Session session, IReadOnlyList<PendingEvent> pending, CancellationToken cancel)
    {
        var wakes = pending.Count(x => x.Delivery is Delivery.Wake);
        var deadline = session.WaitsFor is { } question ? await Deadline(question, cancel) : null;
        var overdue = session.State is SessionState.Idle ? await Overdue(session.Id, cancel) : null;
        var note = session.LastTurn?.Note is { } text ? $" ({text})" : "";
        return session.State switch
        {
            SessionState.Idle when pending.Any(x => x.Delivery is Delivery.Wake) && overdue > OverdueAfter =>
                $"Idle; it should have been woken {overdue.Value.TotalSeconds:0} s ago: no coordinator runs, or "
                    + "RabbitMQ takes nothing from it.",
            SessionState.Idle when pending.Any(x => x.Delivery is Delivery.Wake) =>
                "Idle; its quiet window has not ended, then it is woken.",
            SessionState.Idle when pending is not [] => "Idle; only ambient events wait, which start no turn.",
            SessionState.Idle => "Idle; nothing waits.",
            SessionState.Dispatched => $"Wake {session.LastTurn?.Number} waits for a runner{note}.",
            SessionState.Waiting => $"Wake {session.LastTurn?.Number} is waiting: {session.LastTurn?.Note}.",
            SessionState.Running => $"Wake {session.LastTurn?.Number} runs on {session.LastTurn?.Runner}.",
            SessionState.Parked => $"Wake {session.LastTurn?.Number} is parked{note}.",
            SessionState.WaitingForAnswer =>
                $"Wake {session.LastTurn?.Number} waits for the answer to question {session.WaitsFor}{note}."
                    + (deadline is { } end ? $" Without one it goes on at {end:u}." : "")
                    + (
                        wakes > 0
                            ? $" {(wakes == 1 ? "One event waits" : $"{wakes} events wait")} behind it; wake resume "
                                + "ends the wait."
                            : ""
                    ),
            _ => "Closed; it takes no more turns.",
        };
    }

    async Task<DateTimeOffset?> Deadline(Guid question, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("select deadline from questions where id = $1");
        command.Parameters.AddWithValue(question);
        return await command.ExecuteScalarAsync(cancel) is DateTime deadline ? new(deadline) : null;
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

    async Task<IReadOnlyList<Duplicate>> ListDuplicates(long seq, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"select observation, source, at from duplicates where event = $1 order by at limit {MaxLines}"
        );
        command.Parameters.AddWithValue(seq);
        return await command.ReadAll(
            row => new Duplicate(row.GetString(0), row.GetString(1), row.GetFieldValue<DateTimeOffset>(2)),
            cancel
        );
    }

    async Task<IReadOnlyList<InboxEntry>> ListInboxEntries(long seq, string? only, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"""
            select {Store.InboxEntries.Columns}
            {Store.InboxEntries.From}
            where i.event = $1 {(only is null ? "" : "and s.key = $2")}
            order by s.key
            limit {MaxLines}
            """
        );
        command.Parameters.AddWithValue(seq);
        if (only is not null)
            command.Parameters.AddWithValue(only);
        return await command.ReadAll(row => Store.InboxEntries.Read(row, 0), cancel);
    }

    async Task<IReadOnlyList<PendingEvent>> ListPending(Guid sessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"""
            select e.id, e.type, e.subject, e.reason, i.wakes, i.routed_at
            from inbox i
            join events e on e.seq = i.event
            where i.session_id = $1 and i.wake_number is null
            order by e.seq
            limit {MaxLines}
            """
        );
        command.Parameters.AddWithValue(sessionId);
        return await command.ReadAll(
            row => new PendingEvent(
                row.GetString(0),
                row.GetString(1),
                row.GetString(2),
                row.GetString(3),
                row.GetBoolean(4) ? Delivery.Wake : Delivery.Ambient,
                row.GetFieldValue<DateTimeOffset>(5)
            ),
            cancel
        );
    }

    async Task<IReadOnlyList<ClaudeSessionUse>> ListClaudeSessions(Guid sessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select claude_session_id, reason, wake_number, since
            from session_ids
            where session_id = $1
            order by position
            """
        );
        command.Parameters.AddWithValue(sessionId);
        return await command.ReadAll(
            row => new ClaudeSessionUse(
                row.GetGuid(0),
                row.GetString(1),
                row.GetNullable<int>(2),
                row.GetFieldValue<DateTimeOffset>(3)
            ),
            cancel
        );
    }

    async Task<IReadOnlyList<LedgerLine>> ReadLedger(string sql, object parameter, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(sql);
        command.Parameters.AddWithValue(parameter);
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
}
