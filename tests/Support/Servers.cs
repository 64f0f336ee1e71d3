using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Npgsql;
using Wake.ServiceDefaults;
using Wake.Standalone;
using Wake.Store;

namespace Wake.Testing;

/// <summary>
/// The real servers of a run, started from the programs on this machine, once, and stopped by <see cref="Stop"/>. A
/// PostgreSQL that runs already is used instead when <c>WAKE_TEST_POSTGRES</c> says how its superuser connects, and
/// containers when <c>WAKE_TEST_CONTAINERS</c> names their images.
/// </summary>
public static class Servers
{
    static readonly Lazy<Task<string>> LazyPostgres = new(StartPostgres);
    static readonly Lazy<Task<RabbitNode>> LazyRabbit = new(StartRabbit);
    static readonly Lazy<Task<string>> LazyTemplate = new(MakeTemplate);
    static readonly Lazy<Task> LazyRoles = new(MakeRoles);
    static readonly ConcurrentStack<Func<Task>> Stopping = new();
    static readonly Lazy<string> LazyHome = new(MakeHome);
    static int databases;

    /// <summary>Whether what is measured shall survive a power cut; tests need not.</summary>
    public static bool Durable { get; set; }

    /// <summary>A connection string to the server's maintenance database.</summary>
    public static Task<string> Postgres => LazyPostgres.Value;

    public static Task<RabbitNode> RabbitMq => LazyRabbit.Value;

    /// <summary>
    /// The home folder of every process under test: what somebody has in the start-up files of their shell, which the
    /// CLI's Bash tool runs, is no part of a test.
    /// </summary>
    public static string Home => LazyHome.Value;

    /// <summary>Has something stopped with the servers, and before them, should it still run then.</summary>
    public static void AlsoStop(IAsyncDisposable what) => Stopping.Push(() => what.DisposeAsync().AsTask());

    /// <summary>Stops what was started, and nothing else.</summary>
    public static async Task Stop()
    {
        while (Stopping.TryPop(out var stop))
            await stop();
    }

    /// <summary>Creates a database and returns how to connect.</summary>
    /// <param name="like">
    /// The one to copy, which nobody is connected to; default: one with all tables, as the real migrations made them.
    /// </param>
    public static async Task<string> NewDatabase(string? like = null)
    {
        var template = like ?? await LazyTemplate.Value;
        var name = $"wake_{Environment.ProcessId}_{Interlocked.Increment(ref databases)}";
        await Execute(await Postgres, $"create database {name} template {template}");
        return new NpgsqlConnectionStringBuilder(await Postgres) { Database = name }.ConnectionString;
    }

    /// <summary>
    /// Creates a database in which every service has a role of its own, as deploy/postgres/roles.sql makes them, and no
    /// tables are yet. A role's password in tests is its name.
    /// </summary>
    public static async Task<string> NewGuardedDatabase()
    {
        await LazyRoles.Value;
        return await NewDatabase(Empty);
    }

    /// <summary>The same database as another role finds it.</summary>
    public static string As(string role, string connectionString) =>
        new NpgsqlConnectionStringBuilder(connectionString) { Username = role, Password = role }.ConnectionString;

    /// <summary>A file of the folder deploy.</summary>
    public static string Shipped(string file) =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Here())!, "..", "..", "deploy", file));

    static string Here([CallerFilePath] string here = "") => here;

    /// <summary>What a database with nothing in it is like.</summary>
    public const string Empty = "template0";

    public static async Task DropDatabase(string connectionString)
    {
        var name = new NpgsqlConnectionStringBuilder(connectionString).Database;
        await Execute(await Postgres, $"drop database if exists {name} with (force)");
    }

    static async Task<string> MakeTemplate()
    {
        var name = $"wake_{Environment.ProcessId}_template";
        await Execute(await Postgres, $"create database {name}");

        var connection = new NpgsqlConnectionStringBuilder(await Postgres) { Database = name, Pooling = false };
        await using var database = NpgsqlDataSource.Create(connection.ConnectionString);
        await SqlMigrations.Apply(database, typeof(Intake).Assembly, CancellationToken.None);
        await SqlMigrations.Apply(database, typeof(Coordinator.CoordinatorServices).Assembly, CancellationToken.None);
        return name;
    }

    // As psql would run it, but for where the passwords are. Roles are the server's, which may be somebody's who has
    // them already.
    static async Task MakeRoles()
    {
        var statements = string.Join(
            '\n',
            (await File.ReadAllLinesAsync(Shipped("postgres/roles.sql"))).Where(x => !x.StartsWith('\\'))
        );
        var sql = Regex.Replace(
            statements,
            @"create role (\w+) login password :'\w+'",
            "create role $1 login password '$1'"
        );

        await using var server = NpgsqlDataSource.Create(await Postgres);
        await using var known = server.CreateCommand(
            "select exists (select from pg_roles where rolname = 'wake_runner')"
        );
        if (!(bool)(await known.ExecuteScalarAsync())!)
            await Execute(await Postgres, sql);
    }

    static async Task<string> StartPostgres()
    {
        if (Environment.GetEnvironmentVariable("WAKE_TEST_POSTGRES") is { Length: > 0 } given)
            return given;

        string[] settings = Durable ? ["max_connections=500"] : ["max_connections=500", "fsync=off"];
        if (ContainerServers.FindImage("postgres") is { } image)
        {
            var (server, connectionString) = await ContainerServers.StartPostgres(image, settings);
            AlsoStop(server);
            return connectionString;
        }

        var folder = Durable ? Directory.CreateTempSubdirectory("wake-postgres-").FullName : MakeFolderInMemory();
        var postgres = await PrivatePostgres.Start(folder, settings, CancellationToken.None);

        Stopping.Push(async () =>
        {
            await postgres.DisposeAsync();
            Directory.Delete(folder, recursive: true);
        });
        return new NpgsqlConnectionStringBuilder(postgres.ConnectionString) { Database = "postgres" }.ConnectionString;
    }

    // Hundreds of databases of some hundred files each are made and dropped: on a disk that takes most of their time.
    static string MakeFolderInMemory()
    {
        const string memory = "/dev/shm";
        const long enough = 8L << 30;
        if (
            !Directory.Exists(memory)
            || new DriveInfo(memory).AvailableFreeSpace < enough
            || GC.GetGCMemoryInfo().TotalAvailableMemoryBytes < 2 * enough
        )
            return Directory.CreateTempSubdirectory("wake-postgres-").FullName;

        return Directory.CreateDirectory(Path.Combine(memory, $"wake-postgres-{Guid.NewGuid():N}")).FullName;
    }

    static string MakeHome()
    {
        var folder = Directory.CreateTempSubdirectory("wake-home-").FullName;
        Stopping.Push(() =>
        {
            Directory.Delete(folder, recursive: true);
            return Task.CompletedTask;
        });
        return folder;
    }

    static async Task<RabbitNode> StartRabbit()
    {
        var node = ContainerServers.FindImage("rabbitmq") is { } image
            ? await RabbitNode.StartContainer(image)
            : await RabbitNode.Start();
        Stopping.Push(() => node.DisposeAsync().AsTask());
        return node;
    }

    static async Task Execute(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
