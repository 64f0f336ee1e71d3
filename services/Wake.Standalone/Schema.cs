using System.Reflection;
using Npgsql;
using Wake.Coordinator;
using Wake.Producers.Cron;
using Wake.Producers.GitHub;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Standalone;

/// <summary>All tables of Wake, for those whose services come with roles that may not make them.</summary>
public static class Schema
{
    static readonly Assembly[] MigrationAssemblies =
    [
        typeof(Intake).Assembly,
        typeof(CoordinatorServices).Assembly,
        typeof(CronServices).Assembly,
        typeof(GitHubServices).Assembly,
    ];

    /// <summary>Applies every migration that is missing and says what each role may do. Returns how many were
    /// missing.</summary>
    public static async Task<int> Migrate(NpgsqlDataSource database, CancellationToken cancel)
    {
        var applied = 0;
        foreach (var owner in MigrationAssemblies)
            applied += await SqlMigrations.Apply(database, owner, cancel);

        await RoleGrants.Apply(database, cancel);
        return applied;
    }
}
