using System.Text.Json;
using Npgsql;
using Wake.Contracts;

namespace Wake.Store;

/// <summary>How rows are read and written, in the store and by the services that have tables of their own.</summary>
public static class NpgsqlExtensions
{
    /// <summary>Adds one statement with its parameters, as <see cref="CreateCommand"/> makes it.</summary>
    public static void Add(this NpgsqlBatch batch, string sql, params ReadOnlySpan<object?> parameters) =>
        batch.BatchCommands.Add(CreateCommand(sql, parameters));

    /// <summary>
    /// One statement with its parameters, <c>$1</c> first; null is SQL's null. Everything that the store writes passes
    /// here, and what is a note, a name or a path came from outside at some time: it is made storable.
    /// </summary>
    public static NpgsqlBatchCommand CreateCommand(string sql, params ReadOnlySpan<object?> parameters)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var value in parameters)
            command.Parameters.Add(new() { Value = Storable(value) });
        return command;
    }

    /// <summary>
    /// The same with parameters that the statement calls <c>@name</c>, for those with more than a reader can count.
    /// </summary>
    public static NpgsqlBatchCommand CreateNamed(
        string sql,
        params ReadOnlySpan<(string Name, object? Value)> parameters
    )
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var (name, value) in parameters)
            command.Parameters.Add(new(name, Storable(value)));
        return command;
    }

    static object Storable(object? value) =>
        value switch
        {
            null => DBNull.Value,
            string text => StorableText.Sanitize(text),
            string?[] texts => Array.ConvertAll(texts, x => x is null ? null : StorableText.Sanitize(x)),
            _ => value,
        };

    /// <summary>
    /// Has a batch commit without waiting for the disk. What a crash of PostgreSQL takes back of it has to be as if it
    /// had never been asked for. Returns a row.
    /// </summary>
    public static void AddCommitWithoutFlush(this NpgsqlBatch batch) =>
        batch.Add("select set_config('synchronous_commit', 'off', true)");

    /// <summary>
    /// Has what follows in a batch planned for all values. By itself PostgreSQL plans a statement anew for each of its
    /// first five runs on a connection, which takes several times as long as running it. For statements that find
    /// their rows by the session alone. Returns a row.
    /// </summary>
    public static void AddGenericPlans(this NpgsqlBatch batch) =>
        batch.Add("select set_config('plan_cache_mode', 'force_generic_plan', true)");

    /// <summary>Runs a batch whose last statement says by its row count whether it happened.</summary>
    public static async Task<bool> ExecuteAffected(this NpgsqlBatch batch, CancellationToken cancel)
    {
        await batch.ExecuteNonQueryAsync(cancel);
        return batch.BatchCommands[^1].RecordsAffected > 0;
    }

    /// <summary>Runs a query and reads every row of it.</summary>
    public static async Task<List<T>> ReadAll<T>(
        this NpgsqlCommand command,
        Func<NpgsqlDataReader, T> read,
        CancellationToken cancel
    )
    {
        await using var rows = await command.ExecuteReaderAsync(cancel);
        return await rows.ReadAll(read, cancel);
    }

    /// <summary>Runs a query and reads its first row; null when there is none.</summary>
    public static async Task<T?> ReadFirst<T>(
        this NpgsqlCommand command,
        Func<NpgsqlDataReader, T> read,
        CancellationToken cancel
    )
        where T : class
    {
        await using var rows = await command.ExecuteReaderAsync(cancel);
        return await rows.ReadAsync(cancel) ? read(rows) : null;
    }

    /// <summary>Reads what is left of a result.</summary>
    public static async Task<List<T>> ReadAll<T>(
        this NpgsqlDataReader rows,
        Func<NpgsqlDataReader, T> read,
        CancellationToken cancel
    )
    {
        List<T> all = [];
        while (await rows.ReadAsync(cancel))
            all.Add(read(rows));
        return all;
    }

    /// <summary>Waits for a notification, and no longer than this. Npgsql takes what is less than a millisecond for
    /// ever.</summary>
    public static Task WaitForNotification(
        this NpgsqlConnection connection,
        TimeSpan timeout,
        CancellationToken cancel
    ) => connection.WaitAsync(Math.Max(1, (int)timeout.TotalMilliseconds), cancel);

    public static string? GetText(this NpgsqlDataReader row, int column) =>
        row.IsDBNull(column) ? null : row.GetString(column);

    public static string? GetText(this NpgsqlDataReader row, string column) => row.GetText(row.GetOrdinal(column));

    public static string[]? GetTexts(this NpgsqlDataReader row, int column) =>
        row.IsDBNull(column) ? null : row.GetFieldValue<string[]>(column);

    public static string[]? GetTexts(this NpgsqlDataReader row, string column) => row.GetTexts(row.GetOrdinal(column));

    public static T? GetNullable<T>(this NpgsqlDataReader row, int column)
        where T : struct => row.IsDBNull(column) ? null : row.GetFieldValue<T>(column);

    public static T? GetNullable<T>(this NpgsqlDataReader row, string column)
        where T : struct => row.GetNullable<T>(row.GetOrdinal(column));

    public static T GetEnum<T>(this NpgsqlDataReader row, int column)
        where T : struct, Enum => Enum.Parse<T>(row.GetString(column), ignoreCase: true);

    public static T GetEnum<T>(this NpgsqlDataReader row, string column)
        where T : struct, Enum => row.GetEnum<T>(row.GetOrdinal(column));

    /// <summary>An enum as the store and the API write it.</summary>
    public static string ToCamelCase<T>(this T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());
}
