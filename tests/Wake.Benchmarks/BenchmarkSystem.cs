using Npgsql;
using RabbitMQ.Client;
using Wake.ServiceDefaults;
using Wake.Store;
using Wake.Testing;

namespace Wake.Benchmarks;

/// <summary>A coordinator as its own process, as delivered but for the quiet window, on a database and a virtual host
/// of its own.</summary>
sealed class BenchmarkSystem : IAsyncDisposable
{
    BenchmarkSystem(string connectionString, Uri broker, Dictionary<string, string> settings)
    {
        (ConnectionString, Broker, Settings) = (connectionString, broker, settings);
        Database = Postgres.CreateDataSource(connectionString);
    }

    public string ConnectionString { get; }

    public NpgsqlDataSource Database { get; }

    public Uri Broker { get; }

    /// <summary>Opens the gateways.</summary>
    public const string Key = "a key of the benchmarks";

    /// <summary>The environment of this lab's services.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; }

    public ServiceProcess Coordinator { get; private set; } = null!;

    public IConnection Amqp { get; private set; } = null!;

    /// <summary>A channel to publish on.</summary>
    public IChannel Channel { get; private set; } = null!;

    /// <summary>Starts one whose sessions are woken this long after their first event.</summary>
    public static async Task<BenchmarkSystem> Start(
        TimeSpan window,
        IReadOnlyDictionary<string, string>? settings = null
    )
    {
        var database = await Servers.NewDatabase();
        var broker = (await Servers.RabbitMq).NewVirtualHost();
        var lab = new BenchmarkSystem(
            database,
            broker,
            new(settings ?? new Dictionary<string, string>())
            {
                ["ConnectionStrings__Wake"] = database,
                ["MessageBus__Host"] = broker.ToString(),
                ["Gateway__ApiKeys__0"] = Key,
                // On, as by default, and more than a session takes here, however many the repetitions.
                ["Breakers__EachSession__TurnsPerHour"] = "1000000",
                ["Profiles__default__QuietWindow"] = window.ToString(),
                ["Profiles__default__MaxWait"] = window.ToString(),
            }
        );

        lab.Coordinator = await ServiceProcess.Start("Wake.Coordinator", lab.Settings);
        lab.Amqp = await new ConnectionFactory
        {
            Uri = new UriBuilder(broker) { Scheme = "amqp" }.Uri,
        }.CreateConnectionAsync();
        lab.Channel = await Baselines.Channel(lab.Amqp);
        return lab;
    }

    public Task Publish(IReadOnlyList<byte[]> bodies) => Baselines.Publish(Channel, "wake.events", bodies);

    /// <summary>Registers a session for each subject, watching it.</summary>
    public async Task Register(IReadOnlyList<string> subjects)
    {
        await Execute(
            """
            with session as (
                insert into sessions (id, key, workspace, profile)
                select gen_random_uuid(), subject, '/', 'default' from unnest($1) as subject
                returning id, key
            ), timer as (
                insert into wake_timers (session_id) select id from session
            )
            insert into watches (id, session_id, subject) select gen_random_uuid(), id, key from session
            """,
            subjects
        );
        await Execute("analyze");
    }

    /// <summary>Waits until so many observations are committed and acknowledged, beside those that were there
    /// before.</summary>
    public async Task Ingested(long before, long observations)
    {
        // The queue first: it costs next to nothing to ask, and counting does.
        while (await Channel.MessageCountAsync("wake-events") > 0)
            await Task.Delay(20);
        while (await Observations() < before + observations)
            await Task.Delay(20);
    }

    /// <summary>How many observations the store has taken in.</summary>
    public async Task<long> Observations() =>
        await Scalar<long>("select (select count(*) from events) + (select count(*) from duplicates)");

    /// <summary>When the first event of each session was taken in, of those for whose subjects sessions were
    /// registered.</summary>
    public async Task<IReadOnlyList<(Guid Session, DateTime At)>> FirstEvents(IReadOnlyList<string> subjects)
    {
        await using var command = Command(
            """
            select s.id, min(e.accepted_at) from sessions s join events e on e.subject = s.key
            where s.key = any ($1) group by s.id
            """,
            [subjects]
        );
        return await command.ReadAll(row => (row.GetGuid(0), row.GetDateTime(1)), CancellationToken.None);
    }

    /// <summary>Waits until nothing is due or under way.</summary>
    public async Task Quiet()
    {
        while (
            !await Scalar<bool>(
                """
                select not exists (select from wake_timers where due_at < 'infinity')
                   and not exists (select from turns where ended_at is null)
                """
            )
        )
        {
            await Task.Delay(20);
        }
    }

    public async Task<T> Scalar<T>(string sql, params object[] parameters)
    {
        await using var command = Command(sql, parameters);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    public async Task Execute(string sql, params object[] parameters)
    {
        await using var command = Command(sql, parameters);
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await Coordinator.DisposeAsync();
        await Amqp.DisposeAsync();
        await Database.DisposeAsync();
        await Servers.DropDatabase(ConnectionString);
    }

    NpgsqlCommand Command(string sql, object[] parameters)
    {
        var command = Database.CreateCommand(sql);
        foreach (var parameter in parameters)
            command.Parameters.AddWithValue(parameter);
        return command;
    }
}
