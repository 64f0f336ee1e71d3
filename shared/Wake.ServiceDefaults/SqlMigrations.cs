using System.Reflection;
using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Wake.ServiceDefaults;

/// <summary>
/// Numbered <c>.sql</c> files, embedded under <c>Migrations/</c> in the project that owns the tables, applied once each when
/// a service starts. Any number of processes may start at once.
/// </summary>
public static class SqlMigrations
{
    // Any constant will do; it only has to be the same in every process of this and later versions.
    const long Lock = 0x57414B45;

    /// <summary>Applies the migrations of an assembly before the services registered after this start.</summary>
    public static IHostApplicationBuilder AddMigrations(this IHostApplicationBuilder builder, Assembly owner)
    {
        // AddHostedService would keep only the first of two owners: it registers a type once.
        builder.Services.AddSingleton<IHostedService>(services => new AtStart(
            services.GetRequiredService<NpgsqlDataSource>(), owner, services.GetRequiredService<ILoggerFactory>()));
        return builder;
    }

    /// <summary>Applies what is missing. Returns how many files that were.</summary>
    /// <exception cref="InvalidOperationException">A file was changed after it was applied.</exception>
    public static async Task<int> Apply(NpgsqlDataSource database, Assembly owner, CancellationToken cancel)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);

        await Execute($"select pg_advisory_xact_lock({Lock})");
        await Execute(
            """
            create table if not exists migrations (
                name text primary key, sha256 text not null, applied_at timestamptz not null default now())
            """);

        var applied = new Dictionary<string, string>();
        await using (var known = new NpgsqlCommand("select name, sha256 from migrations", connection, transaction))
        await using (var rows = await known.ExecuteReaderAsync(cancel))
        {
            while (await rows.ReadAsync(cancel))
                applied.Add(rows.GetString(0), rows.GetString(1));
        }

        var count = 0;
        foreach (var (name, sql) in Files(owner))
        {
            var sha = Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(sql)));

            if (applied.TryGetValue(name, out var then))
            {
                if (then != sha)
                    throw new InvalidOperationException($"{name} was changed after it was applied; add a new migration instead.");
                continue;
            }

            await Execute(sql);
            await using var note = new NpgsqlCommand("insert into migrations (name, sha256) values ($1, $2)", connection, transaction)
            {
                Parameters = { new() { Value = name }, new() { Value = sha } },
            };
            await note.ExecuteNonQueryAsync(cancel);
            count++;
        }

        await transaction.CommitAsync(cancel);
        return count;

        async Task Execute(string sql)
        {
            // An index on a large table takes longer than any statement of a service may; the others wait at the lock meanwhile.
            await using var command = new NpgsqlCommand(sql, connection, transaction) { CommandTimeout = 0 };
            await command.ExecuteNonQueryAsync(cancel);
        }
    }

    /// <summary>The migrations of an assembly in their order, as (name, text).</summary>
    public static IEnumerable<(string Name, string Sql)> Files(Assembly owner) =>
        from resource in owner.GetManifestResourceNames()
        where resource.Contains(".Migrations.", StringComparison.Ordinal)
        orderby resource
        select (resource, Text(owner, resource));

    static string Text(Assembly owner, string resource)
    {
        using var reader = new StreamReader(owner.GetManifestResourceStream(resource)!);
        return reader.ReadToEnd();
    }

    sealed class AtStart(NpgsqlDataSource database, Assembly owner, ILoggerFactory loggers) : IHostedService
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
                catch (NpgsqlException down) when (down.IsTransient || down.InnerException is IOException or System.Net.Sockets.SocketException)
                {
                    if (waited % 10 == 0)
                        log.LogWarning("PostgreSQL does not answer yet ({Reason}); waiting.", down.Message);
                    await Task.Delay(TimeSpan.FromSeconds(1), cancel);
                }
            }
        }

        public Task StopAsync(CancellationToken cancel) => Task.CompletedTask;
    }
}
