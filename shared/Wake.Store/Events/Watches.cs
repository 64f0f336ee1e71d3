using System.Data;
using Npgsql;

namespace Wake.Store;

/// <summary>
/// Stores watches. Also written elsewhere: Intake.sql and LookBack.sql delete a watch that has fired its last time, and
/// Sessions.Close those of its session. WatchedSubjects reads them.
/// </summary>
public sealed class Watches(NpgsqlDataSource database)
{
    /// <summary>How far a new watch looks back: an agent often watches a thing seconds after it happened.</summary>
    public static readonly TimeSpan LookBack = TimeSpan.FromMinutes(5);

    /// <summary>
    /// How long after it was made a watch looks back again. An intake whose transaction was open at that moment neither
    /// saw the watch nor was seen by its first look.
    /// </summary>
    static readonly TimeSpan RepeatLookBackAfter = TimeSpan.FromSeconds(5);

    /// <summary>
    /// For how long it does so at most. What takes events in has ended by then: a statement of Wake's own is given up
    /// after thirty seconds, an idle transaction after ten.
    /// </summary>
    internal TimeSpan RepeatLookBackFor { get; init; } = TimeSpan.FromMinutes(1);

    static readonly string LookBackStatement = EventMatch.Expand(Sql.ReadResource("LookBack.sql"));

    // The planner knows neither how many events the last minutes have brought nor, of a young table, how large it is.
    const string Planning = "select set_config('enable_seqscan', 'off', true)";

    const string Columns = """
        w.id, s.key as session, w.subject, w.types, w.conditions, w.until, w.once, w.intent, w.expires_at, w.created_at,
        w.ci::text as ci, w.expect_by, w.expect_outcome, w.close_after, w.report
        from watches w join sessions s on s.id = w.session_id
        """;

    const string NotExpired = "(w.expires_at is null or w.expires_at > clock_timestamp())";

    /// <summary>
    /// Makes a watch and routes to it what happened in the last minutes. Null when no open session has this key.
    /// </summary>
    /// <param name="session">The session's key.</param>
    /// <param name="wanted">What it shall be told of; conditions in it are valid.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <param name="operationId">Its id, where a request may be done again; null for a new one.</param>
    /// <returns>
    /// The watch, how many earlier events it found, and whether it has ended already: by one of them, or, when it was
    /// made before, by anything.
    /// </returns>
    public async Task<(Watch Watch, int Found, bool Ended)?> Create(
        string session,
        WatchDefinition wanted,
        CancellationToken cancel,
        Guid? operationId = null
    )
    {
        var id = operationId ?? Guid.CreateVersion7();
        var pattern = wanted.Subject.Contains('*') ? Sql.LikePattern(wanted.Subject) : null;

        // Where the look back may write when the session closes, two that share its row would wait for each other.
        var hold = wanted.CloseAfter is null ? "share" : "no key update";

        await using var batch = database.CreateBatch();
        batch.Add(
            $"""
            with made as (
                insert into watches (id, session_id, subject, pattern, prefix, types, type_patterns, conditions, terms, until,
                                     until_patterns, once, intent, expires_at, look_again_at, ci, expect_by, expect_due_at,
                                     close_after, report)
                select $1, s.id, $3, $4::text, $5::text, $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
                       $11::text[], $12, $13::text, $14::timestamptz, clock_timestamp() + $15, $16::jsonb, $17::timestamptz, $17,
                       $18::interval, $19::text
                from sessions s
                where s.key = $2 and s.closed_at is null and {IdempotencyKeys.OperationNotDone}
                for {hold}
                on conflict (id) do nothing
                returning id
            )
            {IdempotencyKeys.MarkOperationDone} from made where work = made.id
            """,
            id,
            session,
            wanted.Subject,
            pattern,
            pattern is null ? null : wanted.Subject[..wanted.Subject.IndexOf('*')],
            wanted.Types?.ToArray(),
            Sql.LikePatterns(wanted.Types),
            wanted.Where?.ToArray(),
            EventCondition.ToSqlTerms(wanted.Where),
            wanted.Until?.ToArray(),
            Sql.LikePatterns(wanted.Until),
            wanted.Once,
            wanted.Intent,
            wanted.Expires?.ToUniversalTime(),
            RepeatLookBackAfter,
            wanted.Ci?.ToJson(),
            wanted.ExpectBy?.ToUniversalTime(),
            wanted.CloseAfter,
            wanted.Report?.ToCamelCase()
        );
        batch.Add($"select {Columns} where w.id = $1", id);
        batch.Add(IdempotencyKeys.SelectOperationDone, id);
        batch.Add(Planning);
        batch.BatchCommands.Add(LookBackFor([id]));

        await using var rows = await batch.ExecuteReaderAsync(cancel);
        var watch = await rows.ReadAsync(cancel) ? Read(rows) : null;
        await rows.NextResultAsync(cancel);
        if (watch is null)
        {
            return await rows.ReadAsync(cancel)
                ? (
                    new(
                        id,
                        session,
                        wanted.Subject,
                        wanted.Types,
                        wanted.Where,
                        wanted.Until,
                        wanted.Once,
                        wanted.Intent,
                        wanted.Expires,
                        rows.GetFieldValue<DateTimeOffset>("begun_at")
                    )
                    {
                        Ci = wanted.Ci,
                        Report = wanted.Report,
                        ExpectBy = wanted.ExpectBy,
                        Expectation = wanted.ExpectBy is null ? null : WatchExpectation.Waiting,
                        CloseAfter = wanted.CloseAfter,
                    },
                    0,
                    true
                )
                : null;
        }

        await rows.NextResultAsync(cancel);
        await rows.NextResultAsync(cancel);
        await rows.ReadAsync(cancel);
        return (watch, (int)rows.GetInt64("found"), rows.GetBoolean("ended"));
    }

    /// <summary>The watches of one session, or of all, the oldest first.</summary>
    /// <param name="session">The session's key; null: of all.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <param name="after">Those that follow this one; null: from the beginning.</param>
    public async Task<IReadOnlyList<Watch>> List(
        string? session,
        int limit,
        CancellationToken cancel,
        Watch? after = null
    )
    {
        await using var command = database.CreateCommand(
            $"""
            select {Columns}
            where {(
                session is null
                    ? ""
                    : "w.session_id = (select id from sessions where key = $4 and closed_at is null) and"
            )}
                  s.closed_at is null and {NotExpired} and (w.created_at, w.id) > ($2, $3)
            order by w.created_at, w.id limit $1
            """
        );
        command.Parameters.AddWithValue(limit);
        command.Parameters.AddWithValue((after?.Created ?? DateTimeOffset.UnixEpoch).ToUniversalTime());
        command.Parameters.AddWithValue(after?.Id ?? Guid.Empty);
        if (session is not null)
            command.Parameters.AddWithValue(session);
        return await command.ReadAll(Read, cancel);
    }

    /// <summary>One watch; null when there is none.</summary>
    public async Task<Watch?> Find(Guid id, CancellationToken cancel)
    {
        await using var command = database.CreateCommand($"select {Columns} where w.id = $1 and {NotExpired}");
        command.Parameters.AddWithValue(id);
        await using var rows = await command.ExecuteReaderAsync(cancel);
        return await rows.ReadAsync(cancel) ? Read(rows) : null;
    }

    /// <summary>Ends a watch. What it has routed already stays routed.</summary>
    public async Task<bool> Delete(Guid id, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("delete from watches where id = $1");
        command.Parameters.AddWithValue(id);
        return await command.ExecuteNonQueryAsync(cancel) > 0;
    }

    /// <summary>
    /// Looks back once more for watches made a few seconds ago, and again, for a minute at most, as long as a
    /// transaction that old is still open and has written something. An intake has a transaction id before it reads the
    /// watches; a dump never has one.
    /// </summary>
    /// <returns>How many events it found that the first look could not see.</returns>
    public async Task<int> RepeatLookBack(CancellationToken cancel)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);

        // The look may write in the sessions of watches that close theirs. They are locked by their keys and before
        // watches and timers, as the intake and a close lock them.
        await using var hold = new NpgsqlCommand(
            """
            select s.id from sessions s
            where s.id = any (array(select session_id from watches where look_again_at <= now() and close_after is not null
                                    order by look_again_at limit 100))
            order by s.key for no key update
            """,
            connection,
            transaction
        );
        var held = await hold.ReadAll(row => row.GetGuid(0), cancel);

        // Whether old transactions are open is asked in a statement before the look: one that commits in between is
        // seen.
        List<Guid> due = [];
        await using (
            var settle = new NpgsqlCommand(
                """
                with due as (
                    select id from watches
                    where look_again_at <= now() and (close_after is null or session_id = any ($3))
                    order by look_again_at limit 100 for update skip locked
                )
                update watches w
                set look_again_at = case
                    when w.created_at > now() - $2
                         -- locks are seen by every role, the times of another role's sessions only by those who may read all statistics
                         and exists (select from pg_stat_activity join pg_locks using (pid)
                                     where datname = current_database() and pid <> pg_backend_pid()
                                       and locktype = 'transactionid' and mode = 'ExclusiveLock' and granted
                                       and (xact_start is null or xact_start < w.created_at + interval '1 second'))
                    then now() + $1
                end
                from due where w.id = due.id
                returning w.id
                """,
                connection,
                transaction
            )
        )
        {
            settle.Parameters.AddWithValue(RepeatLookBackAfter);
            settle.Parameters.AddWithValue(RepeatLookBackFor);
            settle.Parameters.AddWithValue(held.ToArray());
            await using var rows = await settle.ExecuteReaderAsync(cancel);
            while (await rows.ReadAsync(cancel))
                due.Add(rows.GetGuid("id"));
        }

        if (due is [])
            return 0;

        await using (var plan = new NpgsqlCommand(Planning, connection, transaction))
            await plan.ExecuteNonQueryAsync(cancel);

        await using var look = new NpgsqlBatch(connection, transaction) { BatchCommands = { LookBackFor([.. due]) } };
        var found = (long)(await look.ExecuteScalarAsync(cancel))!;

        await transaction.CommitAsync(cancel);
        return (int)found;
    }

    static NpgsqlBatchCommand LookBackFor(Guid[] watches) =>
        NpgsqlExtensions.CreateNamed(
            LookBackStatement,
            ("watches", watches),
            ("look_back", LookBack),
            ("ends", SubjectEnd.Types.ToArray()),
            ("reopenings", SubjectEnd.ReopeningTypes.ToArray())
        );

    /// <summary>Deletes watches whose time is over. The intake passes over them by itself, and then has less to pass
    /// over.</summary>
    public async Task DeleteExpired(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            delete from watches
            where id = any (array(select id from watches where expires_at <= now() and expect_due_at is null
                                  order by expires_at limit 1000 for update skip locked))
            """
        );
        await command.ExecuteNonQueryAsync(cancel);
    }

    static Watch Read(NpgsqlDataReader row) =>
        new(
            row.GetGuid("id"),
            row.GetString("session"),
            row.GetString("subject"),
            row.GetTexts("types"),
            row.GetTexts("conditions"),
            row.GetTexts("until"),
            row.GetBoolean("once"),
            row.GetText("intent"),
            row.GetNullable<DateTimeOffset>("expires_at"),
            row.GetFieldValue<DateTimeOffset>("created_at")
        )
        {
            Ci = CiPolicy.FromJson(row.GetText("ci")),
            Report = row.IsDBNull("report") ? null : row.GetEnum<ReportPolicy>("report"),
            ExpectBy = row.GetNullable<DateTimeOffset>("expect_by"),
            Expectation =
                row.IsDBNull("expect_by") ? null
                : row.IsDBNull("expect_outcome") ? WatchExpectation.Waiting
                : row.GetEnum<WatchExpectation>("expect_outcome"),
            CloseAfter = row.GetNullable<TimeSpan>("close_after"),
        };
}
