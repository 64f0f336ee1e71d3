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
            For a PostgreSQL in which every service has a role of its own; these make no tables and wait until they are there. Connects as
            their owner: ConnectionStrings__Wake, as a file in WAKE_SECRETS or as a variable. Safe to repeat. A Wake in one process,
            and services that share the owner's role, do it by themselves.

            Example:
              wake migrate
            """
        ) => SetAction(Run);

    static async Task<int> Run(ParseResult given, CancellationToken cancel)
    {
        var address =
            SecretFiles.Read(Environment.GetEnvironmentVariable(SecretFiles.Variable))[
                $"ConnectionStrings:{Postgres.Name}"
            ]
            ?? Environment.GetEnvironmentVariable($"ConnectionStrings__{Postgres.Name}");
        if (address is null or "")
            throw new CommandException(
                "No database is named. Set ConnectionStrings__Wake, or WAKE_SECRETS where it is a file there."
            );

        try
        {
            await using var database = Postgres.DataSource(address);
            var applied = await Schema.Make(database, cancel);
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
