using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Npgsql;
using Wake.ServiceDefaults;

namespace Wake.Standalone;

/// <summary>
/// A PostgreSQL of one's own: in a folder, on loopback, with a password nobody else knows, started and stopped with its
/// owner. What a killed owner left running is stopped first.
/// </summary>
public sealed class PrivatePostgres : IAsyncDisposable
{
    const string User = "wake";

    // How long a start may take: after a power cut PostgreSQL replays its log first.
    internal static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(5);

    // How soon it is seen that it has ended.
    static readonly TimeSpan ServerPollInterval = TimeSpan.FromSeconds(0.5);

    const int MaxRestarts = 60;
    const int MaxPorts = 3;

    readonly PostgresBinaries binaries;
    readonly UnprivilegedUser? account;
    readonly string folder;
    readonly IReadOnlyList<string> settings;
    readonly CancellationTokenSource stopping = new();
    readonly NpgsqlConnectionStringBuilder connection;
    int ports;
    Task<bool> starting = Task.FromResult(false);
    Task supervision = Task.CompletedTask;

    PrivatePostgres(
        PostgresBinaries binaries,
        UnprivilegedUser? account,
        string folder,
        IReadOnlyList<string> settings,
        string password
    )
    {
        (this.binaries, this.account, this.folder, this.settings) = (binaries, account, folder, settings);
        connection = new()
        {
            Host = "127.0.0.1",
            Port = FreePort(),
            Username = User,
            Password = password,
            Database = User,
            // It offers neither, so asking for them is a round trip and a library more.
            SslMode = SslMode.Disable,
            GssEncryptionMode = GssEncryptionMode.Disable,
        };
    }

    /// <summary>How to connect to its database.</summary>
    public string ConnectionString => connection.ConnectionString;

    /// <summary>What people should know about where its files are; null when there is nothing.</summary>
    public string? Note { get; private init; }

    /// <summary>Starts it, making the cluster at the first time.</summary>
    /// <inheritdoc cref="Prepare" path="/param|/exception"/>
    public static async Task<PrivatePostgres> Start(
        string parent,
        IReadOnlyList<string>? settings,
        CancellationToken cancel
    )
    {
        var postgres = await Prepare(parent, settings, cancel);
        while (!await postgres.TryStart(cancel)) { }
        return postgres;
    }

    /// <summary>Makes the cluster at the first time, and chooses a port.</summary>
    /// <param name="parent">The folder to live in, as <c>postgres/</c>.</param>
    /// <param name="settings">Further settings of PostgreSQL, as <c>name=value</c>; names and values of this program's
    /// own.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="StandaloneException">No PostgreSQL is installed, or it does not start; the message says what to
    /// do.</exception>
    public static async Task<PrivatePostgres> Prepare(
        string parent,
        IReadOnlyList<string>? settings,
        CancellationToken cancel
    )
    {
        var account = UnprivilegedUser.ForRoot();
        var place = PostgresFolder.Prepare(parent);
        var folder = Path.Combine(place.Path, "postgres");
        var cluster = Path.Combine(folder, "data");
        var binaries = ChooseBinaries(cluster);

        if (!File.Exists(Path.Combine(cluster, "PG_VERSION")))
            await Initialize(binaries, account, folder, cluster, cancel);

        var password = await File.ReadAllTextAsync(Path.Combine(folder, "password"), cancel);
        return new(binaries, account, folder, settings ?? [], password.Trim()) { Note = place.Note };
    }

    /// <summary>
    /// Starts it. False when that must be tried again, with the <see cref="ConnectionString"/> that it has then:
    /// somebody may have taken the port that was chosen.
    /// </summary>
    /// <exception cref="StandaloneException">It does not start, at no port.</exception>
    public Task<bool> TryStart(CancellationToken cancel) => starting = StartAtPort(cancel);

    async Task<bool> StartAtPort(CancellationToken cancel)
    {
        await Stop(cancel);
        if (await StartServer(cancel) is not { } problem)
        {
            await CreateDatabase(cancel);
            return true;
        }

        if (++ports == MaxPorts)
            throw new StandaloneException(problem);
        connection.Port = FreePort();
        return false;
    }

    /// <summary>Starts it again, at the same address, whenever it ends: out of memory, say, or killed.</summary>
    /// <returns>Ends when it is disposed of.</returns>
    /// <exception cref="StandaloneException">It ended and does not start again.</exception>
    public Task Supervise(ILogger log) => supervision = RestartWhenEnded(log);

    /// <summary>Stops it, letting what is committed reach the disk.</summary>
    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        await ((Task)starting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await supervision.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stopping.Dispose();
        NpgsqlConnection.ClearAllPools();
        await Stop(CancellationToken.None);
    }

    async Task RestartWhenEnded(ILogger log)
    {
        while (true)
        {
            await WaitForServerExit(stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (stopping.IsCancellationRequested)
                return;

            log.LogWarning("PostgreSQL has ended; it is started again. Its log: {File}", Path.Combine(folder, "log"));
            for (var tries = 1; await StartServer(CancellationToken.None) is { } problem; tries++)
            {
                if (tries == MaxRestarts)
                    throw new StandaloneException(problem);

                // What the one before it has left behind ends by itself, and keeps it out until then.
                await Task.Delay(TimeSpan.FromSeconds(1), stopping.Token);
            }
        }
    }

    async Task WaitForServerExit(CancellationToken cancel)
    {
        // The first line of what it leaves where it runs.
        var pid = (await File.ReadAllLinesAsync(Path.Combine(folder, "data", "postmaster.pid"), cancel))[0];
        using var server = Process.GetProcessById(int.Parse(pid, CultureInfo.InvariantCulture));

        // Process.WaitForExitAsync asks ten times a second, of a process that is no child of this one.
        while (!server.HasExited)
            await Task.Delay(ServerPollInterval, cancel);
    }

    // What is wrong when it does not.
    async Task<string?> StartServer(CancellationToken cancel)
    {
        var (code, output) = await RunPgCtl(
            [
                "-w",
                "-t",
                $"{StartTimeout.TotalSeconds:0}",
                "-l",
                Path.Combine(folder, "log"),
                "-o",
                ServerOptions(connection.Port, settings),
                "start",
            ],
            cancel
        );
        return code == 0 ? null : $"PostgreSQL does not start: {output.Trim()}\n{ReadLogTail(folder)}";
    }

    static PostgresBinaries ChooseBinaries(string cluster)
    {
        var found = PostgresBinaries.FindInstalled();
        if (found is [])
            throw new StandaloneException($"No PostgreSQL was found. {PostgresBinaries.HowToInstall}");

        var version = Path.Combine(cluster, "PG_VERSION");
        if (!File.Exists(version))
            return found[0];

        var major = int.Parse(File.ReadAllText(version).Trim().Split('.')[0], CultureInfo.InvariantCulture);
        return found.FirstOrDefault(x => x.Major == major)
            ?? throw new StandaloneException(
                $"The database in {cluster} was made by PostgreSQL {major}, and only "
                    + $"{string.Join(", ", found.Select(x => x.Major))} "
                    + $"is installed. Install PostgreSQL {major}, or move the database on with pg_upgrade."
            );
    }

    static async Task Initialize(
        PostgresBinaries binaries,
        UnprivilegedUser? account,
        string folder,
        string cluster,
        CancellationToken cancel
    )
    {
        // Whatever an interrupted first start left is no database yet.
        if (Directory.Exists(cluster))
            SafeDelete.DeleteDirectory(cluster, made: null, account is null ? [] : [account.Id]);

        PrivateDirectory.CreateIfMissing(folder);
        account?.Chown(folder);

        var password = Path.Combine(folder, "password");
        PrivateFile.WriteAtomically(password, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24)));
        account?.Chown(password);

        var (code, output) = await RunProgram(
            binaries.ProgramPath("initdb"),
            ["-D", cluster, "-U", User, $"--pwfile={password}", "--auth=scram-sha-256", "-E", "UTF8", "--no-locale"],
            folder,
            account,
            cancel
        );

        if (code != 0)
            throw new StandaloneException($"PostgreSQL could not make its database in {cluster}: {output.Trim()}");
    }

    // Read by a shell inside pg_ctl, so nothing but this program's own words and a number may be in it.
    static string ServerOptions(int port, IReadOnlyList<string> settings) =>
        string.Join(
            ' ',
            (
                (string[])
                    [
                        $"port={port}",
                        "listen_addresses=127.0.0.1",
                        "unix_socket_directories=",
                        "max_connections=100",
                        "wal_compression=on",
                        .. settings,
                    ]
            ).Select(x => $"-c {x}")
        );

    async Task CreateDatabase(CancellationToken cancel)
    {
        var admin = new NpgsqlConnectionStringBuilder(ConnectionString) { Database = "postgres", Pooling = false };
        await using var connection = new NpgsqlConnection(admin.ConnectionString);
        await connection.OpenAsync(cancel);
        await using var exists = new NpgsqlCommand("select 1 from pg_database where datname = $1", connection)
        {
            Parameters = { new() { Value = User } },
        };
        if (await exists.ExecuteScalarAsync(cancel) is not null)
            return;

        await using var create = new NpgsqlCommand($"create database {User}", connection);
        await create.ExecuteNonQueryAsync(cancel);
    }

    async Task Stop(CancellationToken cancel)
    {
        // Who runs, or was killed, has one.
        if (!File.Exists(Path.Combine(folder, "data", "postmaster.pid")))
            return;

        var (running, _) = await RunPgCtl(["status"], cancel);
        if (running == 0)
            await RunPgCtl(["-w", "-m", "fast", "stop"], cancel);
    }

    Task<(int Code, string Output)> RunPgCtl(string[] arguments, CancellationToken cancel) =>
        RunProgram(
            binaries.ProgramPath("pg_ctl"),
            ["-D", Path.Combine(folder, "data"), .. arguments],
            folder,
            account,
            cancel
        );

    static async Task<(int Code, string Output)> RunProgram(
        string program,
        string[] arguments,
        string workingDirectory,
        UnprivilegedUser? account,
        CancellationToken cancel
    )
    {
        string[] command = [.. account?.CommandPrefix ?? [], program, .. arguments];
        using var process = Process.Start(
            new ProcessStartInfo(command[0], command[1..])
            {
                WorkingDirectory = Directory.Exists(workingDirectory) ? workingDirectory : "/",
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            }
        )!;
        process.StandardInput.Close();

        // The server that pg_ctl leaves behind writes to its log and does not keep these open.
        var output = process.StandardOutput.ReadToEndAsync(cancel);
        var errors = process.StandardError.ReadToEndAsync(cancel);
        await process.WaitForExitAsync(cancel);
        return (process.ExitCode, await errors + await output);
    }

    static string ReadLogTail(string folder)
    {
        var log = Path.Combine(folder, "log");
        return File.Exists(log) ? string.Join('\n', File.ReadLines(log).TakeLast(10)) : "";
    }

    static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
