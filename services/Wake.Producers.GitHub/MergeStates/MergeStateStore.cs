using Npgsql;

namespace Wake.Producers.GitHub;

/// <summary>Keeps what became of the merge states of pull requests, as polls and webhook deliveries saw them.</summary>
sealed class MergeStateStore(NpgsqlDataSource database, TimeProvider time)
{
    // Nothing was different for that long: what is seen then is taken for what a watch begins with.
    static readonly TimeSpan RetentionPeriod = TimeSpan.FromDays(90);

    /// <summary>The same rows, as webhook deliveries change them.</summary>
    public WebhookStateTable<long, MergeStateHistory> Table { get; } =
        new(database, "github.merge_states", "number", RetentionPeriod, time);

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

    /// <summary>Saves one that a poll has seen: the poll itself knows when to look again.</summary>
    public async Task Save(string repository, long number, MergeStateHistory history, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            insert into github.merge_states (repository, number, state)
            values ($1, $2, $3::json)
            on conflict (repository, number) do update
            set state = excluded.state, due_at = null, moved_at = clock_timestamp()
            """
        );
        command.Parameters.AddWithValue(repository);
        command.Parameters.AddWithValue(number);
        command.Parameters.AddWithValue(history.ToJson());
        await command.ExecuteNonQueryAsync(cancel);
        await Table.DeleteOld(cancel);
    }
}
