using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Options;
using Wake.Coordinator;
using Wake.Gateway;
using Wake.Notifier;
using Wake.Producers.Cron;
using Wake.Producers.GitHub;
using Wake.Producers.Webhooks;
using Wake.Producing;
using Wake.Runner;
using Wake.ServiceDefaults;
using Wake.Store;
using Wake.WebConsole;

namespace Wake.Standalone;

/// <summary>
/// All of Wake in one process for one person's machine: the services' own registrations put together, the bus in
/// memory, PostgreSQL private. Survives kill -9 because everything owed is a row.
/// </summary>
public static class StandaloneHost
{
    /// <summary>Where the HTTP door is unless told otherwise: WAKE on a telephone's keys.</summary>
    public const int DefaultPort = 9253;

    const string RunUrlSetting = "Claude:Environment:WAKE_URL";

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
        ProcessHardening.Apply();
        var systemd = new SystemdStatus();
        var folder = new DataFolder(data);
        using var locked = folder.Lock();
        folder.SessionsFile.Delete();
        var own = Environment.GetEnvironmentVariable($"ConnectionStrings__{Postgres.ConnectionStringName}");
        await using var postgres = own is null
            ? await PrivatePostgres.Prepare(folder.FullPath, settings: null, cancel)
            : null;

        var door = Listen(port);
        var url = new Uri($"http://{door.LocalEndPoint}");

        await using var app = await Start(folder, postgres, door, cancel);

        if (postgres?.Note is { } note)
            app.Logger.LogWarning("{Note}", note);

        folder.WriteEndpoint(new(url, Environment.ProcessId));
        app.Lifetime.ApplicationStopping.Register(() => systemd.Notify(ServiceState.Stopping, app.Logger));
        systemd.Notify(ServiceState.Ready, app.Logger);
        ready(url);

        var kept = postgres?.Supervise(app.Logger) ?? Task.Delay(Timeout.Infinite, CancellationToken.None);
        if (await Task.WhenAny(app.WaitForShutdownAsync(cancel), kept) == kept)
            await app.StopAsync(CancellationToken.None);

        folder.DeleteEndpoint();
        if (kept.IsFaulted)
            await kept;
        if (own is null)
            await SaveKnownSessions(app.Services.GetRequiredService<Sessions>(), folder);
    }

    static async Task<WebApplication> Start(
        DataFolder folder,
        PrivatePostgres? postgres,
        Socket door,
        CancellationToken cancel
    )
    {
        WebApplication? app = null;
        try
        {
            while (app is null)
            {
                // It takes as long as putting the services together, which does not need it yet.
                var database = postgres?.ConnectionString;
                var starting = postgres?.TryStart(cancel) ?? Task.FromResult(true);
                app = Build(folder, database, door);
                if (!await starting)
                {
                    await app.DisposeAsync();
                    app = null;
                }
            }

            await app.StartAsync(cancel);
            return app;
        }
        catch (Exception failed)
        {
            if (app is not null)
                await app.DisposeAsync();
            if (failed is OptionsValidationException wrong)
                throw new StandaloneException($"A setting is wrong: {wrong.Message}");
            throw;
        }
    }

    // Who is told of an unknown session while this does not run is told at once. Not needed for anything else.
    static async Task SaveKnownSessions(Sessions sessions, DataFolder folder)
    {
        try
        {
            folder.SessionsFile.Write(await sessions.ListNames(CancellationToken.None));
        }
        catch (Exception failed)
            when (PostgresErrors.IsTransient(failed) || failed is IOException or UnauthorizedAccessException)
        {
            folder.SessionsFile.Delete();
        }
    }

    // Taken before anything is built, because only the one who has the port knows that it is free.
    static Socket Listen(int? port)
    {
        if (port is null && TryListen(DefaultPort) is { } usual)
            return usual;

        return TryListen(port ?? 0)
            ?? throw new StandaloneException($"Port {port} is taken. Choose another with --port, or leave it out.");
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

    /// <summary>The sections of the configuration that it reads, which are all.</summary>
    public static IReadOnlyList<SettingsSection> Sections =>
        [.. AddServices(WebApplication.CreateEmptyBuilder(new()), new DataFolder()).GetSettingsSections()];

    /// <summary>The settings that it would use, and the sections they are in.</summary>
    /// <exception cref="StandaloneException">The folder's file of settings cannot be read.</exception>
    public static (IConfigurationRoot Configuration, IReadOnlyList<SettingsSection> Sections) Settings(
        DataFolder folder
    )
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        ConfigureSettings(builder, folder, ownDatabase: null);
        builder.AddSecretFiles();
        return (builder.Configuration, Sections);
    }

    internal static WebApplication Build(DataFolder folder, string? ownDatabase, Socket door)
    {
        // Not the current directory, whose appsettings.json may be anybody's. Slim: it serves on loopback alone,
        // without HTTPS, QUIC and IIS.
        var builder = WebApplication.CreateSlimBuilder(
            new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory }
        );

        ConfigureSettings(builder, folder, ownDatabase);

        // What runs in a turn knows where it is, and finds nothing else of it.
        if (builder.Configuration[RunUrlSetting] is null)
            builder.Configuration.AddInMemoryCollection([new(RunUrlSetting, $"http://{door.LocalEndPoint}")]);
        builder.Configuration.AddInMemoryCollection([
            new($"{ConsoleOptions.Section}:{nameof(ConsoleOptions.GatewayUrl)}", $"http://{door.LocalEndPoint}"),
        ]);
        if (builder.Configuration["Logging:LogLevel:Default"] is null)
            builder.Logging.SetMinimumLevel(LogLevel.Warning).AddFilter("Wake", LogLevel.Information);

        // The host would log startup failures with a stack trace; StandaloneHost.Run reports them as one sentence.
        var hasStarted = false;
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", x => hasStarted && x >= LogLevel.Error);

        // Standard output is for the one line that says it is ready.
        builder.Logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);

        builder.WebHost.UseSockets(sockets => sockets.CreateBoundListenSocket = _ => door);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(door.LocalEndPoint!));
        AddServices(builder, folder);

        var app = builder.Build();
        app.Lifetime.ApplicationStarted.Register(() => hasStarted = true);
        app.MapHealth();
        app.UseConsole();
        app.MapGateway();
        app.MapGitHub();
        app.MapWebhooks();
        return app;
    }

    // What stands in the folder, then what the environment says; where its own things are is nobody's choice.
    static void ConfigureSettings(WebApplicationBuilder builder, DataFolder folder, string? ownDatabase)
    {
        try
        {
            builder.Configuration.AddJsonFile(folder.SettingsFile, optional: true, reloadOnChange: false);
        }
        catch (Exception unreadable) when (unreadable is InvalidDataException or UnauthorizedAccessException)
        {
            throw new StandaloneException(
                $"{folder.SettingsFile} cannot be read: {unreadable.GetBaseException().Message}"
            );
        }

        builder.Configuration.AddEnvironmentVariables();
        builder.Configuration.AddInMemoryCollection(
            new Dictionary<string, string?>
            {
                ["MessageBus:Host"] = "loopback://wake",
                [$"{GatewayOptions.Section}:{nameof(GatewayOptions.TokenFile)}"] = folder.TokenFile,
                [$"{LocalOptions.Section}:Spool"] = folder.Spool.FullPath,
                // In a folder with a very long name there is none.
                [$"{LocalOptions.Section}:Socket"] =
                    folder.SocketFile.Length <= LocalOptions.MaxSocketPath ? folder.SocketFile : null,
            }
        );
        if (ownDatabase is not null)
            builder.Configuration.AddInMemoryCollection([
                new($"ConnectionStrings:{Postgres.ConnectionStringName}", ownDatabase),
            ]);
    }

    static IServiceCollection AddServices(WebApplicationBuilder builder, DataFolder folder)
    {
        builder.AddServiceDefaults();
        builder.AddMigrations(typeof(Intake).Assembly);
        builder.Services.AddStore();
        builder.AddCoordinator();
        builder.Services.AddHostedService(services =>
            ActivatorUtilities.CreateInstance<RecoverAtStart>(services, folder)
        );
        builder.AddRunner();
        builder.AddGateway();
        builder.AddLocalIngress();
        builder.Services.AddSingleton(services => new RegistrationNoticeProvider(
            (session, registered) =>
                services
                    .GetRequiredService<SettingSourceResolver>()
                    .Resolve(session.Id, session.Workspace, session.Profile, registered)
                    .LeftOut
                    is { } leftOut
                    ? $"Its turns run {leftOut}."
                    : null
        ));
        builder.Services.AddSingleton<IEventPublisher, InProcessPublisher>();
        builder.AddGitHub();
        builder.AddWebhooks();
        builder.AddCron();
        builder.AddNotifier();
        builder.AddConsole();
        // By the cookie alone: a key would be judged instead of it.
        builder.Services.AddSingleton(
            new LocalBrowsers(
                async http =>
                    http.Request.Headers.Authorization.Count == 0 && (await http.AuthenticateAsync()).Succeeded,
                OwnUser.IsCaller
            )
        );
        builder.Services.AddSingleton(services => new ConsoleRoot(
            services.GetRequiredService<IOptions<ConsoleOptions>>().Value.PathBase
        ));
        builder.AddMessageBus(bus =>
        {
            bus.AddSessionWake();
            bus.AddResumeSession();
        });
        builder.AddRunnerSlots(folder.WriteRunner);
        return builder.Services;
    }

    /// <summary>
    /// What the process before this one on this folder held died with it. What others hold on the same database is
    /// theirs, also where they go by the same name.
    /// </summary>
    sealed class RecoverAtStart(WakeTimers timers, DataFolder folder, ILogger<RecoverAtStart> log) : IHostedService
    {
        // The server hears at once that a process of this machine has died, and needs a moment over it.
        static readonly TimeSpan RecoveryTimeout = TimeSpan.FromSeconds(3);
        static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(200);

        public async Task StartAsync(CancellationToken cancellationToken)
        {
            var last = folder.ReadLastRunner();
            for (var began = Stopwatch.GetTimestamp(); !await timers.Recover(last, cancellationToken); )
            {
                if (Stopwatch.GetElapsedTime(began) > RecoveryTimeout)
                {
                    log.LogWarning(
                        "Another runner on this database is called {Name}, as the one before was on this folder. "
                            + "Turns that one left are taken up when their leases are over.",
                        last
                    );
                    return;
                }

                await Task.Delay(RetryDelay, cancellationToken);
            }
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
