using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>
/// What webhook deliveries say of the commits, or the pull requests, of repositories that no account polls: a row for
/// each, with what became of it and when to look at it again. All processes share them; one changes a row at a time.
/// </summary>
/// <typeparam name="TKey">What tells one from another within a repository.</typeparam>
/// <typeparam name="TState">What became of it, kept as JSON.</typeparam>
/// <param name="database">The database.</param>
/// <param name="table">The table.</param>
/// <param name="column">Its column with the key.</param>
/// <param name="retention">How long a row is kept that no delivery changes.</param>
/// <param name="time">The clock.</param>
sealed class WebhookStateTable<TKey, TState>(
    NpgsqlDataSource database,
    string table,
    string column,
    TimeSpan retention,
    TimeProvider time
)
    where TKey : notnull
    where TState : class, new()
{
    static readonly TimeSpan CleanupInterval = TimeSpan.FromHours(1);

    DateTimeOffset nextCleanup;

    /// <summary>A row that is due.</summary>
    /// <param name="Repository">The subject of its repository.</param>
    /// <param name="Key">Its key.</param>
    /// <param name="State">What became of it.</param>
    /// <param name="Polled">Whether an account polls the repository by now: it reports what it sees itself.</param>
    public sealed record DueRow(string Repository, TKey Key, TState State, bool Polled);

    /// <summary>Takes in a delivery. Null when nothing is kept of it.</summary>
    /// <param name="repository">The subject of the repository.</param>
    /// <param name="key">The key.</param>
    /// <param name="initial">What the first delivery begins with.</param>
    /// <param name="hasAccount">Whether an account of this process could poll the repository. Then nothing is kept
    /// while nothing in it is watched: once it is, the account looks. What the account is not shown is kept.</param>
    /// <param name="change">What becomes of the state, and how long until it is due; null when nothing is kept.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<TState?> Update(
        string repository,
        TKey key,
        TState initial,
        bool hasAccount,
        Func<TState, (TState State, TimeSpan? Due)?> change,
        CancellationToken cancel
    )
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        await using var take = new NpgsqlCommand(
            $"""
            insert into {table} (repository, {column}, state)
            select $1, $2, $3::json
            where not {IsPolled("$1")} and (not $4 or exists (select from github.cursors where repository = $1))
            on conflict (repository, {column}) do update set moved_at = clock_timestamp()
            returning state::text
            """,
            connection,
            transaction
        );
        take.Parameters.AddWithValue(repository);
        take.Parameters.AddWithValue(key);
        take.Parameters.AddWithValue(JsonSerializer.Serialize(initial));
        take.Parameters.AddWithValue(hasAccount);
        if (await take.ExecuteScalarAsync(cancel) is not string json || change(Parse(json)) is not var (state, due))
            return null;

        await Save(connection, repository, key, state, due, cancel);
        await transaction.CommitAsync(cancel);
        return state;
    }

    /// <summary>
    /// Takes the next row that is due; false when none is. It is reported before that is saved: after a crash in
    /// between once more, with the same keys.
    /// </summary>
    /// <param name="handle">Reports it; returns the new state, and how long until it is due again.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<bool> HandleNext(
        Func<DueRow, CancellationToken, Task<(TState State, TimeSpan? Due)>> handle,
        CancellationToken cancel
    )
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        if (await ClaimDue(connection, cancel) is not { } row)
        {
            await DeleteOld(cancel);
            return false;
        }

        var (state, due) = await handle(row, cancel);
        await Save(connection, row.Repository, row.Key, state, due, cancel);
        await transaction.CommitAsync(cancel);
        return true;
    }

    /// <summary>
    /// Takes a row that is found some other way than by its time, which stays as it is; false when none is. It is
    /// reported before that is saved, as above.
    /// </summary>
    /// <param name="find">A query for one: the row <c>h</c>, to be locked. Those that an account polls are passed
    /// over.</param>
    /// <param name="handle">Reports it; returns the new state, by which it is not found again.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<bool> HandleFound(
        string find,
        Func<DueRow, CancellationToken, Task<TState>> handle,
        CancellationToken cancel
    )
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        await using var take = new NpgsqlCommand(
            $"""
            select h.repository, h.{column}, h.state::text, false
            {find} and not {IsPolled("h.repository")}
            limit 1 for update of h skip locked
            """,
            connection
        );
        if (await take.ReadFirst(Read, cancel) is not { } row)
            return false;

        var state = await handle(row, cancel);
        await using var save = new NpgsqlCommand(
            $"update {table} set state = $3::json where repository = $1 and {column} = $2",
            connection
        );
        save.Parameters.AddWithValue(row.Repository);
        save.Parameters.AddWithValue(row.Key);
        save.Parameters.AddWithValue(JsonSerializer.Serialize(state));
        await save.ExecuteNonQueryAsync(cancel);
        await transaction.CommitAsync(cancel);
        return true;
    }

    /// <summary>The state of one; null when there is none.</summary>
    public async Task<TState?> Find(string repository, TKey key, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"select state::text from {table} where repository = $1 and {column} = $2"
        );
        command.Parameters.AddWithValue(repository);
        command.Parameters.AddWithValue(key);
        return await command.ExecuteScalarAsync(cancel) is string json ? Parse(json) : null;
    }

    /// <summary>Deletes, once an hour, what has not changed for long.</summary>
    public async Task DeleteOld(CancellationToken cancel)
    {
        if (time.GetUtcNow() < nextCleanup)
            return;

        await using var command = database.CreateCommand(
            $"delete from {table} where moved_at < clock_timestamp() - $1"
        );
        command.Parameters.AddWithValue(retention);
        await command.ExecuteNonQueryAsync(cancel);
        nextCleanup = time.GetUtcNow() + CleanupInterval;
    }

    async Task<DueRow?> ClaimDue(NpgsqlConnection connection, CancellationToken cancel)
    {
        await using var take = new NpgsqlCommand(
            $"""
            select repository, {column}, state::text, {IsPolled("due.repository")}
            from {table} due
            where due_at <= clock_timestamp()
            order by due_at limit 1 for update skip locked
            """,
            connection
        );
        return await take.ReadFirst(Read, cancel);
    }

    static DueRow Read(NpgsqlDataReader row) =>
        new(row.GetString(0), row.GetFieldValue<TKey>(1), Parse(row.GetString(2)), row.GetBoolean(3));

    async Task Save(
        NpgsqlConnection connection,
        string repository,
        TKey key,
        TState state,
        TimeSpan? due,
        CancellationToken cancel
    )
    {
        await using var save = new NpgsqlCommand(
            $"""
            update {table} set state = $3::json, due_at = clock_timestamp() + $4
            where repository = $1 and {column} = $2
            """,
            connection
        );
        save.Parameters.AddWithValue(repository);
        save.Parameters.AddWithValue(key);
        save.Parameters.AddWithValue(JsonSerializer.Serialize(state));
        save.Parameters.Add(
            new() { NpgsqlDbType = NpgsqlDbType.Interval, Value = due is { } wait ? wait : DBNull.Value }
        );
        await save.ExecuteNonQueryAsync(cancel);
    }

    static TState Parse(string json) => JsonSerializer.Deserialize<TState>(json) ?? new();

    // Whether an account looks at the repository and can.
    static string IsPolled(string repository) =>
        $"""
            exists (select from github.cursors c
                    where c.repository = {repository} and c.account is not null
                      and c.seen_at > clock_timestamp() - interval '2 minutes'
                      and coalesce((c.unable ->> c.account)::timestamptz <= clock_timestamp(), true))
            """;
}
