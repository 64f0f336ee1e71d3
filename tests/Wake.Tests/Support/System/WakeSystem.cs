using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Npgsql;
using RabbitMQ.Client;
using Wake.Contracts;
using Wake.Store;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>How the parts of the system under test talk to each other.</summary>
public enum Transport
{
    /// <summary>One process, as <c>wake up</c> runs it.</summary>
    InMemory,

    /// <summary>Every service its own process, on a real RabbitMQ.</summary>
    RabbitMq,
}

/// <summary>
/// A whole Wake as its operator would run it: real processes, a real PostgreSQL, the real migrations; changed only
/// through settings an operator has. Tests talk to it from outside.
/// </summary>
public sealed class WakeSystem : IAsyncDisposable
{
    readonly List<ServiceProcess> processes = [];
    readonly Dictionary<string, string> settings;
    readonly string folder;
    bool guarded;
    IConnection? amqp;
    IChannel? channel;
    int sessions;

    WakeSystem(
        Transport transport,
        string connectionString,
        Uri? broker,
        string folder,
        Dictionary<string, string> settings
    )
    {
        (Transport, ConnectionString, Broker, this.folder, this.settings) = (
            transport,
            connectionString,
            broker,
            folder,
            settings
        );
        Database = ServiceDefaults.Postgres.CreateDataSource(connectionString);
        ClaudeConfig = Directory.CreateDirectory(Path.Combine(folder, "claude")).FullName;
    }

    public Transport Transport { get; }

    public string ConnectionString { get; }

    public Uri? Broker { get; }

    public NpgsqlDataSource Database { get; }

    /// <summary>The config folder of the CLI, shared by all runners.</summary>
    public string ClaudeConfig { get; }

    /// <summary>The data folder of a standalone one.</summary>
    public string Data => Path.Combine(folder, "data");

    /// <summary>The HTTP door, by its owner's token or a key of its configuration.</summary>
    public HttpClient Http { get; private set; } = null!;

    /// <summary>The environment in which the <c>wake</c> command finds this system and may do everything.</summary>
    public Dictionary<string, string> Here
    {
        get
        {
            var here = new Dictionary<string, string> { ["WAKE_URL"] = $"{Http.BaseAddress}".TrimEnd('/') };
            if (Transport is Transport.InMemory)
                here["WAKE_DATA"] = Data;
            else
                here["WAKE_API_KEY"] = Http.DefaultRequestHeaders.Authorization!.Parameter!;
            return here;
        }
    }

    public IReadOnlyList<ServiceProcess> Processes => processes;

    /// <summary>The fake CLI, as the executable the runner starts.</summary>
    public static string FakeClaude => Path.Combine(AppContext.BaseDirectory, "fake-claude");

    /// <summary>Starts one. Windows and retries are short; everything else is as delivered.</summary>
    public static async Task<WakeSystem> Start(
        Transport transport,
        IReadOnlyDictionary<string, string>? settings = null,
        bool runner = true,
        bool guarded = false
    )
    {
        var system = await Create(transport, settings, guarded: guarded);
        if (transport is Transport.InMemory)
        {
            await system.StartProcess("Wake.Standalone");
            return system;
        }

        if (guarded)
            await system.Migrate();

        var starting = new List<Task<ServiceProcess>>
        {
            system.StartProcess("Wake.Gateway"),
            system.StartProcess("Wake.Coordinator"),
        };
        if (runner)
            starting.Add(system.StartProcess("Wake.Runner"));

        await Task.WhenAll(starting);
        return system;
    }

    /// <summary>Everything but the processes, for tests that start those themselves.</summary>
    /// <param name="transport">How they talk to each other.</param>
    /// <param name="settings">What is set otherwise.</param>
    /// <param name="like"><inheritdoc cref="Servers.NewDatabase" path="/param[@name='like']" /></param>
    /// <param name="guarded">Whether each service has a role and a user of its own; its tables are made by <c>wake
    /// migrate</c>.</param>
    public static async Task<WakeSystem> Create(
        Transport transport,
        IReadOnlyDictionary<string, string>? settings = null,
        string? like = null,
        bool guarded = false
    )
    {
        var broker =
            transport is not Transport.RabbitMq ? null
            : guarded ? (await Servers.RabbitMq).NewGuardedHost()
            : (await Servers.RabbitMq).NewVirtualHost();
        var folder = Directory.CreateTempSubdirectory("wake-system-").FullName;
        var database = guarded ? await Servers.NewGuardedDatabase() : await Servers.NewDatabase(like);

        var all = new Dictionary<string, string>
        {
            ["ConnectionStrings__Wake"] = database,
            ["WAKE_DATA"] = Path.Combine(folder, "data"),
            ["Profiles__default__QuietWindow"] = "00:00:00.3",
            ["Profiles__default__MaxWait"] = "00:00:02",
            ["Profiles__instant__QuietWindow"] = "00:00:00",
            ["Profiles__instant__MaxWait"] = "00:00:00",
            ["Profiles__patient__QuietWindow"] = "00:00:01",
            ["Profiles__patient__MaxWait"] = "00:00:02",
            ["Profiles__nonsense__Arguments__0"] = "--nonsense",
            ["Coordinator__RepeatAfter"] = "00:00:02",
            ["Runner__Lease"] = "00:00:03",
            ["Runner__Backoff"] = "00:00:00.2",
            ["Runner__MaxAttempts"] = "3",
            ["Runner__PauseRetryAfter"] = "00:00:00.5",
            // Most tests count the starts of the CLI, or give orders for the next one.
            ["Runner__WarmSessions"] = "0",
            ["Claude__Executable"] = FakeClaude,
            ["Claude__KillAfter"] = "00:00:02",
        };
        if (broker is not null)
        {
            all["MessageBus__Host"] = broker.ToString();
            all["Gateway__ApiKeys__0"] = "a key of the tests themselves";
        }

        if (guarded)
        {
            var shipped = new ConfigurationBuilder().AddJsonFile(Servers.Shipped("settings.json")).Build();
            foreach (var publisher in shipped.GetSection("Coordinator:TrustedPublishers").GetChildren())
                all[$"Coordinator__TrustedPublishers__{publisher.Key}"] = publisher.Value!;
        }

        foreach (var (name, value) in settings ?? new Dictionary<string, string>())
            all[name] = value;

        var system = new WakeSystem(transport, database, broker, folder, all) { guarded = guarded };
        system.settings.TryAdd("CLAUDE_CONFIG_DIR", system.ClaudeConfig);
        return system;
    }

    /// <summary>Starts one more process of this system, from another build where a <paramref name="folder"/> is given,
    /// by another command where there is a <paramref name="wrapper"/>.</summary>
    public async Task<ServiceProcess> StartProcess(
        string service,
        IReadOnlyDictionary<string, string>? changed = null,
        string? folder = null,
        IReadOnlyList<string>? wrapper = null
    )
    {
        var environment = new Dictionary<string, string>(settings);
        if (guarded)
        {
            environment["ConnectionStrings__Wake"] = Servers.As(RoleOf(service), ConnectionString);
            environment["MessageBus__Host"] = $"{RabbitNode.As(RoleOf(service), Broker!)}";
        }

        foreach (var (name, value) in changed ?? new Dictionary<string, string>())
            environment[name] = value;

        var process = await ServiceProcess.Start(service, environment, folder, wrapper);
        lock (processes)
            processes.Add(process);
        if (service == "Wake.Gateway" || service == "Wake.Standalone")
            Http = HttpClientFor(
                process,
                service == "Wake.Standalone"
                    ? await File.ReadAllTextAsync(Path.Combine(environment["WAKE_DATA"], "token"))
                    : environment["Gateway__ApiKeys__0"]
            );
        return process;
    }

    /// <summary>Makes the tables, as their owner does.</summary>
    public async Task Migrate()
    {
        var said = await WakeCommandLine.Run(
            new Dictionary<string, string> { ["ConnectionStrings__Wake"] = ConnectionString },
            null,
            "migrate"
        );
        Assert.True(said.ExitCode == 0, said.Errors);
    }

    /// <summary>What a service is called in a database and at a broker that tell them apart.</summary>
    public static string RoleOf(string service) => $"wake_{service.Split('.')[^1].ToLowerInvariant()}";

    /// <summary>The HTTP door as somebody finds it who has this key, or none.</summary>
    public static HttpClient HttpClientFor(ServiceProcess process, string? key) =>
        new()
        {
            BaseAddress = process.Url,
            DefaultRequestHeaders = { Authorization = key is null ? null : new("Bearer", key) },
        };

    /// <summary>Registers a session in a workspace of its own and returns its key.</summary>
    public async Task<string> Session(
        string profile = "default",
        Guid? claudeSession = null,
        string? workspace = null,
        string? key = null
    )
    {
        key ??= $"tester@test:repo#{Interlocked.Increment(ref sessions)}";
        workspace ??= Directory.CreateDirectory(Path.Combine(folder, "workspaces", $"{sessions}")).FullName;

        var answer = await Http.PostAsJsonAsync(
            "/v1/sessions",
            new
            {
                key,
                workspace,
                profile,
                claudeSessionId = claudeSession,
            }
        );
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return key;
    }

    /// <summary>Registers a session that watches a subject named like it.</summary>
    public async Task<string> WatchingSession(string profile = "default", Guid? claudeSession = null)
    {
        var key = await Session(profile, claudeSession);
        await Watch(key, Subject(key));
        return key;
    }

    /// <summary>The subject a session of <see cref="WatchingSession"/> watches.</summary>
    public static string Subject(string key) => $"subject-of:{key}";

    public async Task<JsonElement> Watch(
        string session,
        string subject,
        string? intent = null,
        string[]? types = null,
        string[]? until = null,
        bool once = false,
        TimeSpan? expectWithin = null
    )
    {
        var answer = await Http.PostAsJsonAsync(
            "/v1/watches",
            new
            {
                session,
                subject,
                intent,
                types,
                until,
                once,
                expectBy = DateTimeOffset.UtcNow + expectWithin,
            }
        );
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return await answer.Content.ReadFromJsonAsync<JsonElement>();
    }

    public static ExternalEventObserved Event(
        string subject,
        string fact,
        Delivery delivery = Delivery.Wake,
        string? reason = null,
        string? id = null
    ) =>
        new()
        {
            Id = id ?? Guid.NewGuid().ToString(),
            Source = "test:producer",
            Type = "test.happened",
            Subject = subject,
            DedupKey = $"test.happened|{subject}|{fact}",
            Reason = reason ?? fact,
            Delivery = delivery,
        };

    /// <summary>Publishes as a producer of this transport would, and returns once that is accepted.</summary>
    public async Task Publish(params ExternalEventObserved[] events)
    {
        if (Transport is Transport.InMemory)
        {
            await Post(events);
            return;
        }

        var channel = await Amqp();
        foreach (var observed in events)
        {
            var properties = new BasicProperties { Persistent = true, ContentType = "application/json" };
            await channel.BasicPublishAsync(
                "wake.events",
                observed.Type,
                mandatory: true,
                properties,
                EventJson.Serialize(observed)
            );
        }
    }

    /// <summary>Publishes through the HTTP door, whatever the transport.</summary>
    public async Task<IReadOnlyList<JsonElement>> Post(params ExternalEventObserved[] events)
    {
        var body = JsonSerializer.SerializeToElement(
            events,
            EventJson.Options.GetTypeInfo(typeof(IReadOnlyList<ExternalEventObserved>))
        );
        var answer = await Http.PostAsJsonAsync("/v1/events", body);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return await answer.Content.ReadFromJsonAsync<List<JsonElement>>() ?? [];
    }

    /// <summary>Wakes a session as a person does.</summary>
    public async Task Wake(string key, string reason)
    {
        var answer = await Http.PostAsJsonAsync($"/v1/sessions/{Uri.EscapeDataString(key)}/wake", new { reason });
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    public Task<Session> Show(string key) => Get<Session>($"/v1/sessions/{Uri.EscapeDataString(key)}");

    public Task<SessionExplanation> Explain(string key) =>
        Get<SessionExplanation>($"/v1/explain/sessions/{Uri.EscapeDataString(key)}");

    public Task<EventExplanation> ExplainEvent(string id) =>
        Get<EventExplanation>($"/v1/explain/events/{Uri.EscapeDataString(id)}");

    /// <summary>A session's turns, the oldest first.</summary>
    public async Task<IReadOnlyList<Turn>> Turns(string key) =>
        [.. (await Get<List<Turn>>($"/v1/sessions/{Uri.EscapeDataString(key)}/turns")).OrderBy(x => x.Number)];

    /// <summary>Waits until a turn has ended.</summary>
    public Task<Turn> WaitForTurnEnd(string key, int wake) =>
        Eventually.Sees(
            async () => (await Turns(key)).FirstOrDefault(x => x.Number == wake && x.State is TurnState.Ended),
            $"turn {wake} of {key} ends"
        );

    /// <summary>Waits until a session is doing something.</summary>
    public Task<Session> WaitForState(string key, SessionState state) =>
        Eventually.Sees(
            async () => await Show(key) is var session && session.State == state ? session : null,
            $"{key} is {state}"
        );

    /// <summary>Waits until nothing is under way or due any more, deadlines of days apart, so that what has not
    /// happened by now will not.</summary>
    public Task WaitUntilIdle() =>
        Eventually.Holds(
            async () =>
            {
                await using var command = Database.CreateCommand(
                    """
                    select not exists (select from wake_timers where due_at < now() + interval '1 hour')
                       and not exists (select from turns where ended_at is null and not parked)
                    """
                );
                return (bool)(await command.ExecuteScalarAsync())!;
            },
            "nothing is under way"
        );

    /// <summary>One value from the database.</summary>
    public async Task<T> Scalar<T>(string sql, params object[] parameters)
    {
        await using var command = Command(sql, parameters);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Changes what is in the database.</summary>
    public async Task Execute(string sql, params object[] parameters)
    {
        await using var command = Command(sql, parameters);
        await command.ExecuteNonQueryAsync();
    }

    NpgsqlCommand Command(string sql, object[] parameters)
    {
        var command = Database.CreateCommand(sql);
        foreach (var parameter in parameters)
            command.Parameters.AddWithValue(parameter);
        return command;
    }

    /// <summary>How many rows of a table have a secret in them, whatever stands before it: as text, in base64, or in a
    /// column of bytes, which PostgreSQL writes as hex.</summary>
    public Task<long> RowsWith(string table, string secret)
    {
        var bytes = Encoding.UTF8.GetBytes(secret)[^33..];
        string[] forms =
        [
            secret[^33..],
            Convert.ToHexStringLower(bytes),
            // Three bytes are four letters, wherever in what is stored the secret begins.
            .. Enumerable.Range(0, 3).Select(x => Convert.ToBase64String(bytes.AsSpan(x)).TrimEnd('=')),
        ];
        return Scalar<long>(
            $"select count(*) from {table} stored where exists (select from unnest($1::text[]) form where "
                + "strpos(stored::text, form) > 0)",
            (object)forms
        );
    }

    /// <summary>A channel of a producer, to the exchange as the coordinator declared it.</summary>
    public async Task<IChannel> Amqp()
    {
        amqp ??= await new ConnectionFactory
        {
            Uri = new UriBuilder(Broker!) { Scheme = "amqp" }.Uri,
        }.CreateConnectionAsync();
        return channel ??= await amqp.CreateChannelAsync(
            new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true)
        );
    }

    /// <summary>A test has written into the store what must not be there.</summary>
    public bool SkipInvariantChecks { get; set; }

    // Whatever a test has done to the processes, the rows must add up.
    async Task VerifyInvariants()
    {
        await using var migrated = Database.CreateCommand("select to_regclass('turns') is not null");
        if (!(bool)(await migrated.ExecuteScalarAsync())!)
            return;

        foreach (var finding in await new ConsistencyAudit(Database).CheckRules(CancellationToken.None))
            Assert.True(finding.Broken == 0, $"{finding.Rule} {string.Join("; ", finding.Examples)}");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var process in processes)
            await process.DisposeAsync();
        if (amqp is not null)
            await amqp.DisposeAsync();
        if (!SkipInvariantChecks)
            await VerifyInvariants();
        await Database.DisposeAsync();
        await Servers.DropDatabase(ConnectionString);
        Directory.Delete(folder, recursive: true);
    }

    async Task<T> Get<T>(string path)
    {
        var answer = await Http.GetAsync(path);
        Assert.True(answer.IsSuccessStatusCode, $"{path}: {await answer.Content.ReadAsStringAsync()}");
        return (await answer.Content.ReadFromJsonAsync<T>(JsonSerializerOptions.Web))!;
    }
}
