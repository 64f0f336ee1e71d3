using Npgsql;

namespace Wake.Testing;

/// <summary>
/// What was read of the large tables of a database, by whatever statement: PostgreSQL's own counters, so that a
/// statement nobody thought of counts too.
/// </summary>
public sealed class TableReads
{
    readonly Dictionary<string, (long Rows, long Scans, long Read)> tables = [];

    /// <summary>The counters now. What a connection that is still open did in its last second may be missing.</summary>
    /// <param name="database">The database.</param>
    /// <param name="large">Tables of more rows than this.</param>
    public static async Task<TableReads> Capture(NpgsqlDataSource database, long large)
    {
        await using var command = database.CreateCommand(
            """
            select c.oid::regclass::text, c.reltuples::bigint, s.seq_scan, s.seq_tup_read + coalesce(s.idx_tup_fetch, 0)
            from pg_stat_user_tables s join pg_class c on c.oid = s.relid
            where c.reltuples > $1
            """
        );
        command.Parameters.AddWithValue((float)large);
        await using var rows = await command.ExecuteReaderAsync();

        var reads = new TableReads();
        while (await rows.ReadAsync())
            reads.tables.Add(rows.GetString(0), (rows.GetInt64(1), rows.GetInt64(2), rows.GetInt64(3)));
        return reads;
    }

    /// <summary>The counters once nobody else is connected any more, so that all is counted.</summary>
    public static async Task<TableReads> CaptureWhenIdle(string connectionString, long large)
    {
        await using var alone = NpgsqlDataSource.Create(
            new NpgsqlConnectionStringBuilder(connectionString) { MaxPoolSize = 1 }
        );
        await Eventually.Holds(
            async () =>
            {
                await using var others = alone.CreateCommand(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = "
                        + "current_database() and pid <> pg_backend_pid()"
                );
                return (long)(await others.ExecuteScalarAsync())! == 0;
            },
            "nobody else is connected"
        );
        return await Capture(alone, large);
    }

    /// <summary>The names of the tables.</summary>
    public IEnumerable<string> Tables => tables.Keys;

    /// <summary>The tables that were read from end to end since then, and how often.</summary>
    public IReadOnlyList<string> ScannedSince(TableReads before) =>
        [
            .. from table in tables
            let scans = table.Value.Scans - before.tables.GetValueOrDefault(table.Key).Scans
            where scans > 0
            select $"{table.Key} ({table.Value.Rows:#,0} rows) {scans} times",
        ];

    /// <summary>How many rows were read since then of the table of which most were.</summary>
    public (string Table, long Rows) MostSince(TableReads before) =>
        tables.Select(x => (x.Key, x.Value.Read - before.tables.GetValueOrDefault(x.Key).Read)).MaxBy(x => x.Item2);
}
