using Microsoft.Extensions.Options;
using Npgsql;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>The store alone, on a real database; nothing runs beside it.</summary>
public sealed class TestStore : IAsyncLifetime
{
    public string ConnectionString { get; private set; } = null!;

    public NpgsqlDataSource Database { get; private set; } = null!;

    public Intake Intake { get; private set; } = null!;

    public Watches Watches { get; private set; } = null!;

    public Routes Routes { get; private set; } = null!;

    public Store.Sessions Sessions { get; private set; } = null!;

    public Turns Turns { get; private set; } = null!;

    public WakeTimers Timers { get; private set; } = null!;

    public Explanations Explain { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        ConnectionString = await Servers.NewDatabase();
        Database = Postgres.CreateDataSource(ConnectionString);
        var profiles = new Profiles
        {
            ["default"] = new() { QuietWindow = TimeSpan.Zero, MaxWait = TimeSpan.Zero },
            ["minute"] = new() { QuietWindow = TimeSpan.FromMinutes(1), MaxWait = TimeSpan.FromMinutes(10) },
        };
        Intake = new(Database, Options.Create(profiles));
        Watches = new(Database);
        Routes = new(Database);
        Sessions = new(Database);
        Turns = new(Database);
        Timers = new(Database);
        Explain = new(Database, Sessions, Watches);
    }

    public async Task DisposeAsync()
    {
        await Database.DisposeAsync();
        await Servers.DropDatabase(ConnectionString);
    }

    public async Task<IReadOnlyList<IntakeResult>> Accept(params ExternalEventObserved[] events) =>
        (await Intake.Accept([.. events.Select(x => new Observation(x))], CancellationToken.None));

    /// <summary>Registers a session, watching a subject named like it, and returns its id.</summary>
    public async Task<Guid> Session(string key, string profile = "default")
    {
        var created = Assert.IsType<SessionCreation.Created>(
            await Sessions.Create(key, "/", profile, null, CancellationToken.None)
        );
        await Watches.Create(key, new(key), CancellationToken.None);
        return created.Session.Id;
    }

    /// <summary>Opens a turn as the saga does, and claims it.</summary>
    public async Task<ClaimedTurn> OpenTurn(Guid session, int wake = 1)
    {
        await Execute("insert into turns (session_id, wake_number) values ($1, $2)", session, wake);
        return await ClaimTurn(session, wake);
    }

    /// <summary>Claims a turn that is open.</summary>
    public async Task<ClaimedTurn> ClaimTurn(Guid session, int wake = 1) =>
        Assert
            .IsType<TurnClaim.Granted>(
                await Turns.Claim(session, wake, "test", TimeSpan.FromMinutes(10), CancellationToken.None)
            )
            .Turn;

    /// <summary>When the session is looked at next: <c>due</c>, <c>later</c> or <c>infinity</c>.</summary>
    public Task<string> Timer(Guid session) =>
        Scalar<string>(
            """
            select case when due_at = 'infinity' then 'infinity'
                        when due_at <= clock_timestamp() then 'due'
                        else 'later' end
            from wake_timers where session_id = $1
            """,
            session
        );

    public async Task<T> Scalar<T>(string sql, params object[] parameters)
    {
        await using var command = Command(sql, parameters);
        return (T)(await command.ExecuteScalarAsync())!;
    }

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
}
