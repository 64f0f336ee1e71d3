using Npgsql;

namespace Wake.Store;

/// <summary>
/// The names of the runners that are connected to a database. Each holds its name by an advisory lock of a session of
/// PostgreSQL, which ends with the process whatever ends that; while it is held nobody else goes by the name, and
/// nobody takes the turns of that name for a dead runner's.
/// </summary>
public sealed class RunnerNames(NpgsqlDataSource database)
{
    /// <summary>The condition under which a transaction may act for a runner of this name: nobody goes by it, nor will
    /// until it ends.</summary>
    internal const string NameIsFree = $"pg_try_advisory_xact_lock({Locks}, hashtext($1))";

    /// <summary>Whether somebody goes by the name of a row <c>r</c>.</summary>
    internal const string IsTaken = $"""
        exists (select from pg_locks
                where locktype = 'advisory' and classid = {Locks} and objid = hashtext(r.name)::oid and granted
                  and database = (select oid from pg_database where datname = current_database()))
        """;

    // The first half of the keys of these locks.
    const string Locks = "5427022";

    /// <summary>Takes a name for as long as the result lives. Null: another process has it.</summary>
    /// <param name="name">The name.</param>
    /// <param name="before">
    /// The hold on the name that this process had, whose connection broke. The server may not have noticed; then it is
    /// told.
    /// </param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<RunnerNameLock?> Acquire(string name, RunnerNameLock? before, CancellationToken cancel)
    {
        var connection = await database.OpenConnectionAsync(cancel);
        var held = false;
        try
        {
            if (before is not null)
            {
                await using var end = new NpgsqlCommand(
                    $"""
                    select pg_terminate_backend(pid) from pg_locks
                    where locktype = 'advisory' and classid = {Locks} and objid = hashtext($1)::oid and pid = $2
                      and database = (select oid from pg_database where datname = current_database())
                    """,
                    connection
                );
                end.Parameters.AddWithValue(name);
                end.Parameters.AddWithValue(before.BackendPid);
                await end.ExecuteNonQueryAsync(cancel);
            }

            await using var take = new NpgsqlCommand($"select pg_try_advisory_lock({Locks}, hashtext($1))", connection);
            take.Parameters.AddWithValue(name);
            held = (bool)(await take.ExecuteScalarAsync(cancel))!;
            return held ? new(connection) : null;
        }
        finally
        {
            if (!held)
                await connection.DisposeAsync();
        }
    }
}

/// <summary>A name that this process holds until it is disposed.</summary>
public sealed class RunnerNameLock : IAsyncDisposable
{
    // Often enough that no firewall and no setting of the server takes the connection for idle.
    static readonly TimeSpan PingInterval = TimeSpan.FromSeconds(10);

    readonly NpgsqlConnection connection;

    internal RunnerNameLock(NpgsqlConnection connection) =>
        (this.connection, BackendPid) = (connection, connection.ProcessID);

    /// <summary>The server's process that holds the lock.</summary>
    internal int BackendPid { get; }

    /// <summary>Returns when the connection that holds the name is gone, and the name with it.</summary>
    public async Task WaitUntilLost(CancellationToken cancel)
    {
        try
        {
            while (true)
            {
                if (await connection.WaitAsync(PingInterval, cancel))
                    continue;

                await using var look = new NpgsqlCommand("select 1", connection);
                await look.ExecuteNonQueryAsync(cancel);
            }
        }
        catch (Exception lost) when (lost is NpgsqlException or InvalidOperationException)
        {
            // Gone.
        }
    }

    /// <summary>Gives the name up.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            // The connection goes back to a pool, which does not reset it.
            await using var unlock = new NpgsqlCommand("select pg_advisory_unlock_all()", connection);
            await unlock.ExecuteNonQueryAsync();
        }
        catch (Exception gone) when (gone is NpgsqlException or InvalidOperationException)
        {
            // And with it the lock.
        }

        await connection.DisposeAsync();
    }
}
