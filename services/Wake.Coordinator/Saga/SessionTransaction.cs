using System.Data;
using Npgsql;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>
/// The transaction in which one message is handled: two round trips, one that locks and reads, one that writes and
/// commits. A third before a turn is dispatched asks whether a limit allows it. What the state machine's answers add is
/// written with the saga's row or not at all.
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

    readonly List<NpgsqlBatchCommand> writes = [];
    readonly List<OpenedBreaker> opened = [];
    NpgsqlConnection? connection;
    int? admitted;

    /// <summary>Whether the transaction wrote and committed.</summary>
    public bool Committed { get; private set; }

    /// <summary>How long until the session is due again, if what is written knows.</summary>
    public TimeSpan? DueIn { get; set; }

    /// <summary>The breakers that it has opened, if it commits.</summary>
    public IReadOnlyList<OpenedBreaker> Opened => opened;

    /// <summary>Adds a statement to the commit.</summary>
    public void AddWrite(NpgsqlBatchCommand write) => writes.Add(write);

    /// <summary>
    /// Locks a session and reads the saga's row with the facts. Null when there is no such session, or no saga yet and
    /// <paramref name="orNew"/> is null.
    /// </summary>
    public async Task<SessionWake?> Load(Guid sessionId, SessionWake? orNew, CancellationToken cancel)
    {
        var saga = await Read(sessionId, orNew, cancel);
        for (var asked = 0; saga is not null && NeedsAdmission(saga); asked++)
        {
            if (asked == MaxAdmissions)
                throw new InvalidOperationException($"The limits of session {saga.Facts.Key} contradict each other.");
            admitted = await Admit(saga, cancel) ? saga.Decision.WakeNumber : null;
            if (admitted is not null)
                break;
            await ReadAgain(saga, cancel);
        }

        return saga;
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

    async Task<bool> Admit(SessionWake saga, CancellationToken cancel)
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

        var admitted = true;
        while (await rows.ReadAsync(cancel))
        {
            admitted &= rows.GetBoolean("admitted");
            if (Breakers.FromRow(rows) is { } breaker)
                opened.Add(breaker);
        }

        return admitted;
    }

    async Task ReadAgain(SessionWake saga, CancellationToken cancel)
    {
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                Breakers.ReturnTrials(saga.CorrelationId, saga.Decision.WakeNumber),
                SessionSnapshot.SelectStatement(saga.CorrelationId),
            },
        };
        await using var rows = await batch.ExecuteReaderAsync(cancel);
        await rows.ReadAsync(cancel);
        saga.Facts = SessionSnapshot.FromRow(rows);
    }

    async Task<SessionWake?> Read(Guid sessionId, SessionWake? orNew, CancellationToken cancel)
    {
        connection = await database.OpenConnectionAsync(cancel);
        var traced = Tracing.Source.HasListeners();

        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new("begin"),
                new("set local synchronous_commit = off"),
                SessionSnapshot.Lock(sessionId),
                new("select current_state, wake_number from session_wakes where session_id = @session")
                {
                    Parameters = { new("session", sessionId) },
                },
                SessionSnapshot.SelectStatement(sessionId),
            },
        };
        if (traced)
            batch.BatchCommands.Add(StoredTraceContexts.SelectPendingEvents(sessionId, Tracing.MaxEvents));

        await using var rows = await batch.ExecuteReaderAsync(cancel);

        await rows.NextResultAsync(cancel);
        var saga = await rows.ReadAsync(cancel)
            ? new SessionWake
            {
                CorrelationId = sessionId,
                CurrentState = rows.GetInt32("current_state"),
                WakeNumber = rows.GetInt32("wake_number"),
            }
            : orNew;

        await rows.NextResultAsync(cancel);
        if (saga is null || !await rows.ReadAsync(cancel))
            return null;

        saga.Facts = SessionSnapshot.FromRow(rows);
        if (!traced)
            return saga;

        await rows.NextResultAsync(cancel);
        List<PendingEventTrace> waiting = [];
        while (await rows.ReadAsync(cancel))
            waiting.Add(StoredTraceContexts.FromRow(rows));
        saga.InboxEvents = waiting;
        return saga;
    }

    /// <summary>Writes the saga's row and everything added, and commits.</summary>
    public async Task Commit(SessionWake saga, CancellationToken cancel)
    {
        await using var batch = new NpgsqlBatch(connection);

        foreach (var write in writes)
            batch.BatchCommands.Add(write);

        // As when a late word of an earlier turn has led here.
        if (admitted is { } wake && saga.WakeNumber != wake)
            batch.BatchCommands.Add(Breakers.ReturnTrials(saga.CorrelationId, wake));

        batch.BatchCommands.Add(
            new(
                """
                insert into session_wakes (session_id, current_state, wake_number) values (@session, @state, @wake)
                on conflict (session_id) do update
                set current_state = excluded.current_state, wake_number = excluded.wake_number
                """
            )
            {
                Parameters =
                {
                    new("session", saga.CorrelationId),
                    new("state", saga.CurrentState),
                    new("wake", saga.WakeNumber),
                },
            }
        );
        batch.BatchCommands.Add(new("commit"));

        await batch.ExecuteNonQueryAsync(cancel);
        Committed = true;
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
