using System.Reflection;
using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Wake.ServiceDefaults;

/// <summary>
/// Numbered <c>.sql</c> files, embedded under <c>Migrations/</c> in the project that owns the tables, applied once each
/// when a service starts. Any number of processes may start at once.
/// </summary>
public static class SqlMigrations
{
    // Any constant will do; it only has to be the same in every process of this and later versions.
    const long Lock = 0x57414B45;

    const int MaxAttempts = 10;

    /// <summary>Applies the migrations of an assembly before the services registered after this start.</summary>
    public static IHostApplicationBuilder AddMigrations(this IHostApplicationBuilder builder, Assembly owner)
    {
        // AddHostedService would keep only the first of two owners: it registers a type once.
        builder.Services.AddSingleton<IHostedService>(services => new MigrationHostedService(
            services.GetRequiredService<NpgsqlDataSource>(),
            owner,
            services.GetRequiredService<ILoggerFactory>()
        ));
        return builder;
    }

    /// <summary>Applies what is missing. Returns how many files that were.</summary>
    /// <exception cref="InvalidOperationException">A file was changed after it was applied.</exception>
    public static async Task<int> Apply(NpgsqlDataSource database, Assembly owner, CancellationToken cancel)
    {
        // Services of the version before are at work in the same tables, and PostgreSQL ends one of two that wait for
        // each other. Nothing was done then.
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await ApplyTogether(database, owner, cancel);
            }
            catch (PostgresException crossed)
                when (crossed.SqlState is PostgresErrorCodes.DeadlockDetected && attempt < MaxAttempts)
            {
                // Again, at once: the other one has gone on.
            }
        }
    }

    static async Task<int> ApplyTogether(NpgsqlDataSource database, Assembly owner, CancellationToken cancel)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        if (await IsUpToDate(connection, owner, cancel))
            return 0;

        await using var transaction = await connection.BeginTransactionAsync(cancel);

        await Execute($"select pg_advisory_xact_lock({Lock})");
        await Execute(
            """
            create table if not exists migrations (
                name text primary key, sha256 text not null, applied_at timestamptz not null default now())
            """
        );

        var applied = await GetApplied(connection, cancel);
        var count = 0;
        foreach (var (name, sql) in GetPending(owner, applied))
        {
            await Execute(sql);
            await using var note = new NpgsqlCommand(
                "insert into migrations (name, sha256) values ($1, $2)",
                connection,
                transaction
            )
            {
                Parameters =
                {
                    new() { Value = name },
                    new() { Value = Sha256(sql) },
                },
            };
            await note.ExecuteNonQueryAsync(cancel);
            count++;
        }

        await transaction.CommitAsync(cancel);
        return count;

        async Task Execute(string sql)
        {
            // An index on a large table takes longer than any statement of a service may; the others wait at the lock
            // meanwhile.
            await using var command = new NpgsqlCommand(sql, connection, transaction) { CommandTimeout = 0 };
            await command.ExecuteNonQueryAsync(cancel);
        }
    }

    /// <summary>The migrations of an assembly in their order, as (name, text).</summary>
    public static IEnumerable<(string Name, string Sql)> GetScripts(Assembly owner) =>
        from resource in owner.GetManifestResourceNames()
        where resource.Contains(".Migrations.", StringComparison.Ordinal)
        orderby resource
        select (resource, Text(owner, resource));

    // Asked before anything is locked or made: a role of a service that may make nothing only needs to read this.
    static async Task<bool> IsUpToDate(NpgsqlConnection connection, Assembly owner, CancellationToken cancel)
    {
        await using var readable = new NpgsqlCommand(
            "select coalesce(has_table_privilege(to_regclass('migrations'), 'select'), false)",
            connection
        );
        return (bool)(await readable.ExecuteScalarAsync(cancel))!
            && !GetPending(owner, await GetApplied(connection, cancel)).Any();
    }

    static async Task<Dictionary<string, string>> GetApplied(NpgsqlConnection connection, CancellationToken cancel)
    {
        var applied = new Dictionary<string, string>();
        await using var known = new NpgsqlCommand("select name, sha256 from migrations", connection);
        await using var rows = await known.ExecuteReaderAsync(cancel);
        while (await rows.ReadAsync(cancel))
            applied.Add(rows.GetString(0), rows.GetString(1));
        return applied;
    }

    static IEnumerable<(string Name, string Sql)> GetPending(Assembly owner, Dictionary<string, string> applied)
    {
        foreach (var (name, sql) in GetScripts(owner))
        {
            if (!applied.TryGetValue(name, out var then))
                yield return (name, sql);
            else if (then != Sha256(sql))
                throw new InvalidOperationException(
                    $"{name} was changed after it was applied; add a new migration instead."
                );
        }
    }

    static string Sha256(string sql) =>
        Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(sql)));

    static string Text(Assembly owner, string resource)
    {
        using var reader = new StreamReader(owner.GetManifestResourceStream(resource)!);
        return reader.ReadToEnd();
    }

    sealed class MigrationHostedService(NpgsqlDataSource database, Assembly owner, ILoggerFactory loggers)
        : IHostedService
    {
        public async Task StartAsync(CancellationToken cancel)
        {
            var log = loggers.CreateLogger(typeof(SqlMigrations).FullName!);

            // Services and their database start together; the one that is up first waits.
            for (var waited = 0; ; waited++)
            {
                try
                {
                    if (await Apply(database, owner, cancel) is > 0 and var count)
                        log.LogInformation("Applied {Count} migrations of {Owner}.", count, owner.GetName().Name);
                    return;
                }
                catch (NpgsqlException down)
                    when (down.IsTransient || down.InnerException is IOException or System.Net.Sockets.SocketException)
                {
                    if (waited % 10 == 0)
                        log.LogWarning("PostgreSQL does not answer yet ({Reason}); waiting.", down.Message);
                    await Task.Delay(TimeSpan.FromSeconds(1), cancel);
                }
                catch (PostgresException refused) when (refused.SqlState is PostgresErrorCodes.InsufficientPrivilege)
                {
                    // A service with a role of its own makes no tables; whoever owns them does, before it or a moment
                    // after it.
                    if (waited % 10 == 0)
                        log.LogWarning(
                            "The tables of {Owner} are not all there yet, and this role may not make them "
                                + "({Reason}); waiting for wake migrate.",
                            owner.GetName().Name,
                            refused.MessageText
                        );
                    await Task.Delay(TimeSpan.FromSeconds(1), cancel);
                }
            }
        }

        public Task StopAsync(CancellationToken cancel) => Task.CompletedTask;
    }
}
