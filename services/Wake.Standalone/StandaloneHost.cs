using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Wake.Coordinator;
using Wake.Gateway;
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

        await using var app = Build(folder, own ?? postgres!.ConnectionString, port ?? (IsFree(DefaultPort) ? DefaultPort : 0));
        try
        {
            await app.StartAsync(cancel);
        }
        catch (IOException taken) when (taken.InnerException is AddressInUseException)
        {
            throw new StandaloneException($"Port {port} is taken. Choose another with --port, or leave it out.");
        }

        var url = new Uri(app.Urls.First());
        folder.WriteEndpoint(new(url, Environment.ProcessId));
        ready(url);

        await app.WaitForShutdownAsync(cancel);
        folder.DeleteEndpoint();
    }

    static WebApplication Build(DataFolder folder, string connectionString, int port)
    {
        // Not the current directory, whose appsettings.json may be anybody's.
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });

        builder.Configuration.AddJsonFile(folder.Settings, optional: true, reloadOnChange: false);
        builder.Configuration.AddEnvironmentVariables();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["ConnectionStrings:Wake"] = connectionString,
            ["MessageBus:Host"] = "loopback://wake",
            ["urls"] = $"http://127.0.0.1:{port}",
        });
        if (builder.Configuration["Logging:LogLevel:Default"] is null)
            builder.Logging.SetMinimumLevel(LogLevel.Warning).AddFilter("Wake", LogLevel.Information);

        // Standard output is for the one line that says it is ready.
        builder.Logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);

        builder.AddServiceDefaults();
        builder.AddMigrations(typeof(Intake).Assembly);
        builder.Services.AddStore();
        builder.AddCoordinator();
        builder.Services.AddHostedService<RecoverAtStart>();
        builder.AddRunner();
        builder.AddGateway();
        builder.AddMessageBus(bus =>
        {
            bus.AddSessionWake();
            bus.AddResumeSession();
        });
        builder.AddRunnerSlots();

        var app = builder.Build();
        app.MapHealth();
        app.MapGateway();
        return app;
    }

    static bool IsFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port) { ExclusiveAddressUse = true };
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Whoever held a lease or a message of this folder died with the process before this one.</summary>
    sealed class RecoverAtStart(WakeTimers timers) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => timers.Recover(cancellationToken);

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
