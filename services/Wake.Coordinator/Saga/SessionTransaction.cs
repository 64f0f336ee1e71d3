using System.Data;
using Npgsql;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>
/// The transaction in which one message is handled: two round trips, one that locks and reads, one that writes and
/// commits. What the state machine's answers add is written with the saga's row or not at all.
/// </summary>
/// <remarks>
/// Does not wait for the disk. A decision that a crash of PostgreSQL takes back is taken again from the same facts, and
/// what must not be taken back (an event, a claim, an ending) is written by others, whose commit also settles all
/// before it.
/// </remarks>
sealed class SessionTransaction(NpgsqlDataSource database) : IAsyncDisposable
{
    readonly List<NpgsqlBatchCommand> writes = [];
    NpgsqlConnection? connection;

    /// <summary>Whether the transaction wrote and committed.</summary>
    public bool Committed { get; private set; }

    /// <summary>How long until the session is due again, if what is written knows.</summary>
    public TimeSpan? DueIn { get; set; }

    /// <summary>Adds a statement to the commit.</summary>
    public void AddWrite(NpgsqlBatchCommand write) => writes.Add(write);

    /// <summary>
    /// Locks a session and reads the saga's row with the facts. Null when there is no such session, or no saga yet and
    /// <paramref name="orNew"/> is null.
    /// </summary>
    public async Task<SessionWake?> Load(Guid sessionId, SessionWake? orNew, CancellationToken cancel)
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
