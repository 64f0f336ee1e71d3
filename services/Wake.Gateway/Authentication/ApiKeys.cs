using System.Data;
using Npgsql;
using Wake.Contracts;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>The keys of the API. Only their hashes are kept; a key is 256 random bits, so its hash needs no
/// salt.</summary>
sealed class ApiKeys(NpgsqlDataSource database)
{
    /// <summary>What every key begins with, so that one that leaks is found by whoever looks for secrets.</summary>
    public const string Prefix = "wake_";

    /// <summary>How many there can be at a time. A gateway holds all of them in memory.</summary>
    public const int Max = 1000;

    const string Columns =
        "id, name, scopes, created_at, used_at, ends_at, sha256, sources, types, subjects, namespace";
    const string Live = "(ends_at is null or ends_at > clock_timestamp())";

    /// <summary>Makes one. Null when there are too many.</summary>
    /// <param name="name">What its maker calls it.</param>
    /// <param name="scopes">What it may do.</param>
    /// <param name="rights">What its events may say.</param>
    /// <param name="nameSpace">The name under which its dedup keys count; null for its own.</param>
    /// <param name="cancel">Ends the wait.</param>
    public Task<NewApiKey?> Create(
        string name,
        IReadOnlyList<string> scopes,
        PublishPermissions rights,
        string? nameSpace,
        CancellationToken cancel
    ) =>
        Insert(
            $"""
            insert into api_keys (id, sha256, name, scopes, sources, types, subjects, namespace)
            select $1, $2, $3, $4, nullif($5, array[]::text[]), nullif($6, array[]::text[]), nullif($7, array[]::text[]), nullif($8, '')
            where (select count(*) from api_keys where {Live}) < {Max}
            returning name, scopes
            """,
            [
                name,
                scopes.ToArray(),
                rights.Sources.ToArray(),
                rights.Types.ToArray(),
                rights.Subjects.ToArray(),
                nameSpace ?? "",
            ],
            cancel
        );

    /// <summary>
    /// Makes another of the same name, scopes and limits, and lets the old one live on for a while. Null when there is
    /// no such key, or when another has taken its place before.
    /// </summary>
    public Task<NewApiKey?> Rotate(Guid id, TimeSpan overlap, CancellationToken cancel) =>
        Insert(
            """
            with old as (
                update api_keys set ends_at = clock_timestamp() + $4 where id = $3 and ends_at is null
                returning name, scopes, sources, types, subjects, coalesce(namespace, id::text) as namespace
            )
            insert into api_keys (id, sha256, name, scopes, sources, types, subjects, namespace)
            select $1, $2, name, scopes, sources, types, subjects, namespace from old
            returning name, scopes
            """,
            [id, overlap],
            cancel
        );

    /// <summary>Ends one now. False when there is none.</summary>
    public async Task<bool> Revoke(Guid id, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add($"delete from api_keys where id = $1 and {Live}", id);
        return await batch.ExecuteAffected(cancel);
    }

    /// <summary>Live keys with their hashes, oldest first.</summary>
    public async Task<IReadOnlyList<(ApiKey Key, byte[] Sha256)>> List(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"select {Columns} from api_keys where {Live} order by created_at"
        );
        await using var rows = await command.ExecuteReaderAsync(cancel);

        List<(ApiKey, byte[])> keys = [];
        while (await rows.ReadAsync(cancel))
        {
            keys.Add(
                (
                    new(
                        rows.GetGuid("id"),
                        rows.GetString("name"),
                        rows.GetFieldValue<string[]>("scopes"),
                        rows.GetFieldValue<DateTimeOffset>("created_at"),
                        rows.GetNullable<DateTimeOffset>("used_at"),
                        rows.GetNullable<DateTimeOffset>("ends_at")
                    )
                    {
                        Sources = rows.GetTexts("sources"),
                        Types = rows.GetTexts("types"),
                        Subjects = rows.GetTexts("subjects"),
                        Namespace = rows.GetText("namespace"),
                    },
                    rows.GetFieldValue<byte[]>("sha256")
                )
            );
        }

        return keys;
    }

    /// <summary>Remembers that one was used now.</summary>
    public async Task MarkUsed(Guid id, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add("update api_keys set used_at = clock_timestamp() where id = $1", id);
        await batch.ExecuteNonQueryAsync(cancel);
    }

    async Task<NewApiKey?> Insert(string sql, object[] terms, CancellationToken cancel)
    {
        var (id, key) = (Guid.CreateVersion7(), SecretTokens.Generate(Prefix));
        await using var batch = database.CreateBatch();
        batch.Add("delete from api_keys where ends_at < clock_timestamp()");
        batch.Add(sql, [id, SecretTokens.Hash(key), .. terms]);

        await using var rows = await batch.ExecuteReaderAsync(cancel);
        return await rows.ReadAsync(cancel)
            ? new(id, rows.GetString("name"), rows.GetFieldValue<string[]>("scopes"), key)
            : null;
    }
}
