using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Options;
using Wake.Coordinator;
using Wake.Gateway;
using Wake.Producers.Cron;
using Wake.Producers.GitHub;
using Wake.Producers.Webhooks;
using Wake.Producing;
using Wake.Runner;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Standalone;

/// <summary>
/// All of Wake in one process for one person's machine: the services' own registrations put together, the bus in memory,
/// PostgreSQL private. Survives kill -9 because everything owed is a row.
/// </summary>
public static class StandaloneHost
{
    /// <summary>Where the HTTP door is unless told otherwise: WAKE on a telephone's keys.</summary>
    public const int DefaultPort = 9253;

    /// <summary>
    /// Runs until it is told to stop (Ctrl-C, SIGTERM, or the token), and stops its PostgreSQL with itself. With
    /// <c>ConnectionStrings__Wake</c> in the environment it uses that one instead of its own.
    /// </summary>
    /// <param name="data">The data folder; null for the default one.</param>
    /// <param name="port">The port on loopback; null for the default one or, if that is taken, any; 0 for any.</param>
    /// <param name="ready">Called with the address once it serves.</param>
    /// <param name="cancel">Stops it.</param>
    /// <exception cref="StandaloneException">It cannot start; the message says why and what to do.</exception>
    public static async Task Run(string? data, int? port, Action<Uri> ready, CancellationToken cancel)
    {
        var folder = new DataFolder(data);
        using var locked = folder.Lock();
        var own = Environment.GetEnvironmentVariable($"ConnectionStrings__{Postgres.Name}");
        await using var postgres = own is null ? await PrivatePostgres.Start(folder.FullPath, settings: null, cancel) : null;

        var door = Listen(port);
        var url = new Uri($"http://{door.LocalEndPoint}");

        await using var app = Build(folder, own ?? postgres!.ConnectionString, door);
        try
        {
            await app.StartAsync(cancel);
        }
        catch (OptionsValidationException wrong)
        {
            throw new StandaloneException($"A setting is wrong: {wrong.Message}");
        }

        folder.WriteEndpoint(new(url, Environment.ProcessId));
        ready(url);

        var kept = postgres?.KeepRunning(app.Logger) ?? Task.Delay(Timeout.Infinite, CancellationToken.None);
        if (await Task.WhenAny(app.WaitForShutdownAsync(cancel), kept) == kept)
            await app.StopAsync(CancellationToken.None);

        folder.DeleteEndpoint();
        if (kept.IsFaulted)
            await kept;
    }

    // Taken before anything is built, because only the one who has the port knows that it is free.
    static Socket Listen(int? port)
    {
        if (port is null && TryListen(DefaultPort) is { } usual)
            return usual;

        return TryListen(port ?? 0) ?? throw new StandaloneException($"Port {port} is taken. Choose another with --port, or leave it out.");
    }

    static Socket? TryListen(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            socket.Listen();
            return socket;
        }
        catch (SocketException taken) when (taken.SocketErrorCode is SocketError.AddressAlreadyInUse)
        {
            socket.Dispose();
            return null;
        }
    }

    static WebApplication Build(DataFolder folder, string connectionString, Socket door)
    {
        // Not the current directory, whose appsettings.json may be anybody's.
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });

        try
        {
            builder.Configuration.AddJsonFile(folder.Settings, optional: true, reloadOnChange: false);
        }
        catch (InvalidDataException unreadable)
        {
            throw new StandaloneException($"{folder.Settings} cannot be read: {unreadable.GetBaseException().Message}");
        }

        builder.Configuration.AddEnvironmentVariables();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["ConnectionStrings:Wake"] = connectionString,
            ["MessageBus:Host"] = "loopback://wake",
            [$"{LocalOptions.Section}:Spool"] = folder.Spool.FullPath,
            // In a folder with a very long name there is none.
            [$"{LocalOptions.Section}:Socket"] = folder.Socket.Length <= LocalOptions.MaxSocketPath ? folder.Socket : null,
        });
        if (builder.Configuration["Logging:LogLevel:Default"] is null)
            builder.Logging.SetMinimumLevel(LogLevel.Warning).AddFilter("Wake", LogLevel.Information);

        // It logs with a stack trace what Serve says in a sentence.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);

        // Standard output is for the one line that says it is ready.
        builder.Logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);

        builder.WebHost.UseSockets(sockets => sockets.CreateBoundListenSocket = _ => door);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(door.LocalEndPoint!));
        builder.AddServiceDefaults();
        builder.AddMigrations(typeof(Intake).Assembly);
        builder.Services.AddStore();
        builder.AddCoordinator();
        builder.Services.AddHostedService<RecoverAtStart>();
        builder.AddRunner();
        builder.AddGateway();
        builder.AddLocalDoors();
        builder.Services.AddSingleton<IEventPublisher, IntakePublisher>();
        builder.AddGitHub();
        builder.AddWebhooks();
        builder.AddCron();
        builder.AddMessageBus(bus =>
        {
            bus.AddSessionWake();
            bus.AddResumeSession();
        });
        builder.AddRunnerSlots();

        var app = builder.Build();
        app.MapHealth();
        app.MapGateway();
        app.MapGitHub();
        app.MapWebhooks();
        return app;
    }

    /// <summary>Whoever held a lease or a message of this folder died with the process before this one.</summary>
    sealed class RecoverAtStart(WakeTimers timers) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => timers.Recover(cancellationToken);

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
