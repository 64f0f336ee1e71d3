using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Wake.ServiceDefaults;

/// <summary>The connection to PostgreSQL.</summary>
public static class Postgres
{
    /// <summary>The name of the connection string: environment <c>ConnectionStrings__Wake</c>.</summary>
    public const string ConnectionStringName = "Wake";

    /// <summary>
    /// Adds the data source of <c>ConnectionStrings__Wake</c>. What the connection string does not say gets the values
    /// that serve short transactions of few, always equal statements.
    /// </summary>
    public static IHostApplicationBuilder AddPostgres(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton(services =>
            CreateDataSource(
                builder.Configuration.GetConnectionString(ConnectionStringName) is { Length: > 0 } text
                    ? text
                    : throw new InvalidOperationException(
                        $"ConnectionStrings:{ConnectionStringName} is not set. Set "
                            + $"ConnectionStrings__{ConnectionStringName}, for instance to "
                            + "Host=localhost;Database=wake;Username=wake;Password=…"
                    ),
                services.GetRequiredService<ILoggerFactory>()
            )
        );
        return builder;
    }

    /// <summary>A data source with those values.</summary>
    public static NpgsqlDataSource CreateDataSource(string connectionString, ILoggerFactory? loggers = null)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);

        Unless("Application Name", () => settings.ApplicationName = "wake");
        Unless("Max Auto Prepare", () => settings.MaxAutoPrepare = 100);
        Unless("Auto Prepare Min Usages", () => settings.AutoPrepareMinUsages = 2);
        Unless("No Reset On Close", () => settings.NoResetOnClose = true);

        // Compiling the intake's statement takes ten times as long as running it. And a frozen process must not keep
        // the lock of a session for longer than this.
        settings.Options = $"-c jit=off -c idle_in_transaction_session_timeout=10s {settings.Options}".TrimEnd();

        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString);
        builder.UseLoggerFactory(loggers);
        return builder.Build();

        void Unless(string key, Action set)
        {
            if (!settings.ShouldSerialize(key))
                set();
        }
    }
}
