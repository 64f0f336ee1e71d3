using System.CommandLine;
using Npgsql;
using Wake.ServiceDefaults;
using Wake.Standalone;

namespace Wake.Cli;

/// <summary><c>wake migrate</c>: makes the tables where the services may not.</summary>
sealed class MigrateCommand : WakeCommand
{
    public MigrateCommand()
        : base(
            "migrate",
            "Makes the tables, or brings them up to this version, and says what the role of each service may do.",
            """
            For a PostgreSQL with one role per service: the services do not create tables and wait until this command
            has. Connects as the owner: ConnectionStrings__Wake, as a file in WAKE_SECRETS or as a variable. Safe to
            repeat. A Wake in one process, and services that share the owner's role, migrate by themselves.

            Example:
              wake migrate
            """
        ) => SetAction(Execute);

    static async Task<int> Execute(ParseResult given, CancellationToken cancel)
    {
        var address =
            SecretFiles.Load(Environment.GetEnvironmentVariable(SecretFiles.DirectoryVariable))[
                $"ConnectionStrings:{Postgres.ConnectionStringName}"
            ]
            ?? Environment.GetEnvironmentVariable($"ConnectionStrings__{Postgres.ConnectionStringName}");
        if (address is null or "")
            throw new CommandException(
                "No database is named. Set ConnectionStrings__Wake, or WAKE_SECRETS where it is a file there."
            );

        try
        {
            await using var database = Postgres.CreateDataSource(address);
            var applied = await Schema.Migrate(database, cancel);
            new Output(json: false).Line(
                $"{(applied == 0 ? "Nothing was missing." : $"Applied {applied} migrations.")}"
            );
            return 0;
        }
        catch (Exception refused) when (refused is NpgsqlException or ArgumentException)
        {
            throw new CommandException($"The tables could not be made: {refused.Message}");
        }
    }
}
