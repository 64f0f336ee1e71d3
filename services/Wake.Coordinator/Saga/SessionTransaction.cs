using System.Data;
using System.Diagnostics;
using Npgsql;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>
/// The transaction in which it is decided about one session, or about a set of them: it locks, then reads, and what the
/// state machine's answers add is written with the saga's rows or not at all. Before turns are dispatched it asks
/// whether a limit allows them.
/// </summary>
/// <remarks>
/// Does not wait for the disk. A decision that a crash of PostgreSQL takes back is taken again from the same facts, and
/// what must not be taken back (an event, a claim, an ending) is written by others, whose commit also settles all
/// before it.
/// </remarks>
sealed class SessionTransaction(NpgsqlDataSource database) : IAsyncDisposable
{
    // Of several limits each may be reached, one after the other.
    const int MaxAdmissions = 20;

    readonly List<OpenedBreaker> opened = [];
    readonly bool traced = Tracing.Source.HasListeners();
    NpgsqlConnection? connection;

    /// <summary>Whether the transaction wrote and committed.</summary>
    public bool Committed { get; private set; }

    /// <summary>How long until the session of a message is due again, if what was written knows.</summary>
    public TimeSpan? DueIn { get; private set; }

    /// <summary>The breakers that it has opened, if it commits.</summary>
    public IReadOnlyList<OpenedBreaker> Opened => opened;

    /// <summary>
    /// Locks a session and reads the saga's row with the facts, for a message about it. Null when there is no such
    /// session, or no saga yet and <paramref name="orNew"/> is null.
    /// </summary>
    public async Task<SessionWake?> Load(Guid sessionId, SessionWake? orNew, CancellationToken cancel)
    {
        SessionWake? saga;
        await using (var batch = await Begin(SessionSnapshot.Lock(sessionId), cancel))
        {
            AddReads(batch, [sessionId]);
            await using var rows = await batch.ExecuteReaderAsync(cancel);
            await rows.NextResultAsync(cancel);
            saga = (await ReadSagas(rows, [sessionId], _ => orNew, cancel)).SingleOrDefault();
        }

        if (saga is not null)
            await Admit(saga, cancel);
        return saga;
    }

    /// <summary>
    /// Locks the sessions that are due, but for those that are locked, and reads their facts. In two statements: what
    /// was committed before a lock was free is seen by the second.
    /// </summary>
    /// <param name="limit">How many at most.</param>
    /// <param name="since">As in <see cref="WakeTimers.ClaimDue"/>.</param>
    /// <param name="urgentOnly">Only those that a person waits for.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <returns>The sagas, the longest waiting first, how long until the next session is due, if it is not among
    /// them, when this was so, and how long it took to find them.</returns>
    public async Task<(IReadOnlyList<SessionWake> Due, TimeSpan? Next, DateTimeOffset Looked, TimeSpan Took)> LoadDue(
        int limit,
        DateTimeOffset? since,
        bool urgentOnly,
        CancellationToken cancel
    )
    {
        List<Guid> due;
        TimeSpan? next;
        DateTimeOffset looked;
        var begun = Stopwatch.GetTimestamp();
        await using (var locking = await Begin(WakeTimers.LockDue(limit, since, urgentOnly), cancel))
        {
            locking.BatchCommands.Add(WakeTimers.SelectNext(since));
            await using var locked = await locking.ExecuteReaderAsync(cancel);
            due = await locked.ReadAll(row => row.GetGuid(0), cancel);
            await locked.NextResultAsync(cancel);
            (next, looked) = await WakeTimers.ReadNext(locked, cancel);
        }

        var took = Stopwatch.GetElapsedTime(begun);
        if (due is [])
            return ([], next, looked, took);

        await using var reading = new NpgsqlBatch(connection);
        AddReads(reading, due);
        await using var rows = await reading.ExecuteReaderAsync(cancel);
        return (await ReadSagas(rows, due, x => new() { CorrelationId = x }, cancel), next, looked, took);
    }

    /// <summary>
    /// Asks for all of a set at once. Returns those that may not be dispatched together with the others: each is asked
    /// for by itself, by <see cref="Admit"/>, when what was decided before is written.
    /// </summary>
    public async Task<IReadOnlyList<SessionWake>> AdmitAll(IReadOnlyList<SessionWake> sagas, CancellationToken cancel)
    {
        var asking = sagas.Where(NeedsAdmission).ToList();
        var together = asking.FindAll(x => x.Decision is not WakeDecision.Repeat);
        if (together is [])
            return asking;

        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands = { Breakers.LockLimits, Breakers.AdmitAll(together.ConvertAll(x => x.CorrelationId)) },
        };
        await using var rows = await batch.ExecuteReaderAsync(cancel);
        await rows.NextResultAsync(cancel);
        var admitted = (await rows.ReadAll(row => row.GetGuid(0), cancel)).ToHashSet();
        foreach (var saga in together.Where(x => admitted.Contains(x.CorrelationId)))
            saga.Admitted = saga.Decision.WakeNumber;
        return asking.FindAll(x => x.Admitted is null);
    }

    /// <summary>Asks for one session, until it is allowed its turn or has no more to ask.</summary>
    public async Task Admit(SessionWake saga, CancellationToken cancel)
    {
        for (var asked = 0; NeedsAdmission(saga); asked++)
        {
            if (asked == MaxAdmissions)
                throw new InvalidOperationException($"The limits of session {saga.Facts.Key} contradict each other.");
            if (await IsAllowed(saga, cancel))
            {
                saga.Admitted = saga.Decision.WakeNumber;
                return;
            }

            await ReadAgain(saga, cancel);
        }
    }

    // What is collected is dispatched by the first look, which found it due.
    static bool NeedsAdmission(SessionWake saga) =>
        saga.Decision switch
        {
            WakeDecision.Dispatch => true,
            WakeDecision.Collect => saga.CurrentState is not (SessionWake.Dispatched or SessionWake.Parked),
            WakeDecision.Repeat => saga.Facts.TrialDue,
            _ => false,
        };

    async Task<bool> IsAllowed(SessionWake saga, CancellationToken cancel)
    {
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                Breakers.LockLimits,
                Breakers.Admit(
                    saga.CorrelationId,
                    saga.Decision.WakeNumber,
                    begins: saga.Decision is not WakeDecision.Repeat
                ),
            },
        };
        await using var rows = await batch.ExecuteReaderAsync(cancel);
        await rows.NextResultAsync(cancel);

        var allowed = true;
        while (await rows.ReadAsync(cancel))
        {
            allowed &= rows.GetBoolean("admitted");
            if (Breakers.FromRow(rows) is { } breaker)
                opened.Add(breaker);
        }

        return allowed;
    }

    async Task ReadAgain(SessionWake saga, CancellationToken cancel)
    {
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                Breakers.ReturnTrials(saga.CorrelationId, saga.Decision.WakeNumber),
                SessionSnapshot.SelectStatement([saga.CorrelationId]),
            },
        };
        await using var rows = await batch.ExecuteReaderAsync(cancel);
        await rows.ReadAsync(cancel);
        saga.Facts = SessionSnapshot.FromRow(rows);
    }

    async Task<NpgsqlBatch> Begin(NpgsqlBatchCommand locking, CancellationToken cancel)
    {
        connection = await database.OpenConnectionAsync(cancel);
        return new(connection) { BatchCommands = { new("begin"), new("set local synchronous_commit = off"), locking } };
    }

    // A statement about an array of sessions is planned anew with every run otherwise, at several times its own cost.
    void AddReads(NpgsqlBatch batch, IReadOnlyList<Guid> sessions)
    {
        batch.BatchCommands.Add(new("set local plan_cache_mode = force_generic_plan"));
        batch.BatchCommands.Add(
            NpgsqlExtensions.CreateNamed(
                "select session_id, current_state, wake_number from session_wakes where session_id = any (@sessions)",
                ("sessions", sessions.ToArray())
            )
        );
        batch.BatchCommands.Add(SessionSnapshot.SelectStatement(sessions));
        // Not of what follows: the limits look at the turns of an hour or a day, which one plan for all reads all of.
        batch.BatchCommands.Add(new("set local plan_cache_mode = auto"));
        if (traced)
            batch.BatchCommands.Add(StoredTraceContexts.SelectPendingEvents(sessions, Tracing.MaxEvents));
    }

    // Of sessions that nothing was decided about there is no saga yet.
    async Task<IReadOnlyList<SessionWake>> ReadSagas(
        NpgsqlDataReader rows,
        IReadOnlyList<Guid> sessions,
        Func<Guid, SessionWake?> orNew,
        CancellationToken cancel
    )
    {
        Dictionary<Guid, SessionWake> known = [];
        while (await rows.ReadAsync(cancel))
        {
            var id = rows.GetGuid("session_id");
            known[id] = new()
            {
                CorrelationId = id,
                CurrentState = rows.GetInt32("current_state"),
                WakeNumber = rows.GetInt32("wake_number"),
            };
        }

        await rows.NextResultAsync(cancel);
        Dictionary<Guid, SessionWake> sagas = [];
        while (await rows.ReadAsync(cancel))
        {
            var id = rows.GetGuid("id");
            if ((known.GetValueOrDefault(id) ?? orNew(id)) is not { } saga)
                continue;
            saga.Facts = SessionSnapshot.FromRow(rows);
            sagas[id] = saga;
        }

        if (traced)
        {
            await rows.NextResultAsync(cancel);
            while (await rows.ReadAsync(cancel))
                sagas.GetValueOrDefault(rows.GetGuid("session_id"))?.InboxEvents.Add(StoredTraceContexts.FromRow(rows));
        }

        return [.. sessions.Select(x => sagas.GetValueOrDefault(x)).OfType<SessionWake>()];
    }

    /// <summary>Writes what was decided about some of a set: it counts when the next are asked for.</summary>
    public async Task Write(IReadOnlyList<SessionWake> sagas, CancellationToken cancel)
    {
        if (sagas is [])
            return;

        await using var batch = new NpgsqlBatch(connection);
        AddWrites(batch, sagas);
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Writes the saga of a message and what was decided, and commits.</summary>
    public async Task Commit(SessionWake saga, CancellationToken cancel)
    {
        await using var batch = new NpgsqlBatch(connection);
        AddWrites(batch, [saga]);
        batch.BatchCommands.Add(new("commit"));
        await batch.ExecuteNonQueryAsync(cancel);
        (Committed, DueIn) = (true, saga.DueIn);
    }

    /// <summary>Writes the sagas of a set, those that are not written yet, and commits.</summary>
    /// <returns>How long until the next session is due; null when none is.</returns>
    public async Task<TimeSpan?> CommitDue(
        IReadOnlyList<SessionWake> sagas,
        DateTimeOffset? since,
        CancellationToken cancel
    )
    {
        await using var batch = new NpgsqlBatch(connection);
        AddWrites(batch, sagas);
        batch.BatchCommands.Add(WakeTimers.SelectNext(since));
        batch.BatchCommands.Add(new("commit"));

        await using var rows = await batch.ExecuteReaderAsync(cancel);
        // To notify is a select, with rows of its own.
        if (sagas.Any(x => x.Writes.Any(y => y is SagaWrite.NotifyTerminal)))
            await rows.NextResultAsync(cancel);
        var (next, _) = await WakeTimers.ReadNext(rows, cancel);
        while (await rows.NextResultAsync(cancel)) { }
        Committed = true;
        return next;
    }

    static void AddWrites(NpgsqlBatch batch, IReadOnlyList<SessionWake> sagas)
    {
        foreach (var statement in SagaStatements.For(sagas.SelectMany(x => x.Writes)))
            batch.BatchCommands.Add(statement);

        // As when a late word of an earlier turn has led here.
        foreach (var saga in sagas)
        {
            if (saga.Admitted is { } wake && saga.WakeNumber != wake)
                batch.BatchCommands.Add(Breakers.ReturnTrials(saga.CorrelationId, wake));
        }

        batch.BatchCommands.Add(
            NpgsqlExtensions.CreateNamed(
                """
                insert into session_wakes (session_id, current_state, wake_number)
                select * from unnest(@sessions, @states, @wakes)
                on conflict (session_id) do update
                set current_state = excluded.current_state, wake_number = excluded.wake_number
                """,
                ("sessions", sagas.Select(x => x.CorrelationId).ToArray()),
                ("states", sagas.Select(x => x.CurrentState).ToArray()),
                ("wakes", sagas.Select(x => x.WakeNumber).ToArray())
            )
        );
    }

    /// <summary>Rolls back what was not committed.</summary>
    public async ValueTask DisposeAsync()
    {
        if (connection is null)
            return;

        try
        {
            if (!Committed && connection.State is ConnectionState.Open)
            {
                await using var rollback = new NpgsqlCommand("rollback", connection);
                await rollback.ExecuteNonQueryAsync();
            }
        }
        catch (Exception broken) when (PostgresErrors.IsFailure(broken))
        {
            // The connection broke; PostgreSQL rolls back what it had open.
        }

        await connection.DisposeAsync();
    }
}
