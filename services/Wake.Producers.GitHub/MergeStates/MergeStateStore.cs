using Npgsql;
using NpgsqlTypes;

namespace Wake.Producers.GitHub;

/// <summary>Keeps what became of the merge states of pull requests.</summary>
sealed class MergeStateStore(NpgsqlDataSource database)
{
    // Nothing was different for that long: what is seen then is taken for what a watch begins with.
    static readonly TimeSpan RetentionPeriod = TimeSpan.FromDays(90);

    /// <summary>Those of these pull requests of a repository, by number.</summary>
    public async Task<Dictionary<long, MergeStateHistory>> Load(
        string repository,
        IEnumerable<long> numbers,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            "select number, state::text from github.merge_states where repository = $1 and number = any ($2)"
        );
        command.Parameters.AddWithValue(repository);
        command.Parameters.AddWithValue(numbers.ToArray());
        Dictionary<long, MergeStateHistory> found = [];
        await using var rows = await command.ExecuteReaderAsync(cancel);
        while (await rows.ReadAsync(cancel))
            found[rows.GetInt64(0)] = MergeStateHistory.FromJson(rows.GetString(1));
        return found;
    }

    public async Task Save(string repository, long number, MergeStateHistory history, CancellationToken cancel)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await Save(connection, repository, number, history, due: null, cancel);
    }

    /// <param name="connection">In its transaction, where it has one.</param>
    /// <param name="repository">The repository.</param>
    /// <param name="number">The pull request.</param>
    /// <param name="history">What became of it.</param>
    /// <param name="due">When to look whether it has stood long enough; null where nothing waits, or a poll
    /// does.</param>
    /// <param name="cancel">Ends the wait.</param>
    public static async Task Save(
        NpgsqlConnection connection,
        string repository,
        long number,
        MergeStateHistory history,
        TimeSpan? due,
        CancellationToken cancel
    )
    {
        await using var command = new NpgsqlCommand(
            """
            with old as (
                delete from github.merge_states where moved_at < clock_timestamp() - $5 and (repository, number) <> ($1, $2)
            )
            insert into github.merge_states as known (repository, number, state, due_at)
            values ($1, $2, $3::json, clock_timestamp() + $4)
            on conflict (repository, number) do update
            set state = excluded.state, due_at = excluded.due_at, moved_at = clock_timestamp()
            """,
            connection
        );
        command.Parameters.AddWithValue(repository);
        command.Parameters.AddWithValue(number);
        command.Parameters.AddWithValue(history.ToJson());
        command.Parameters.Add(
            new() { NpgsqlDbType = NpgsqlDbType.Interval, Value = due is { } wait ? wait : DBNull.Value }
        );
        command.Parameters.AddWithValue(RetentionPeriod);
        await command.ExecuteNonQueryAsync(cancel);
    }
}
