using DotNet.Testcontainers.Containers;
using Testcontainers.PostgreSql;
using Testcontainers.RabbitMq;

namespace Wake.Testing;

/// <summary>
/// The servers of a run as containers, for versions that this machine does not have. Which ones
/// <c>WAKE_TEST_CONTAINERS</c> says: images, or 1 for those of docker-compose.yml.
/// </summary>
static class ContainerServers
{
    const string Default = "postgres:17,rabbitmq:4";

    /// <summary>The image of a server; null when it is not to be a container.</summary>
    public static string? FindImage(string server, string? containers) =>
        (containers is "1" ? Default : containers ?? "")
            .Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .SingleOrDefault(x => x.Contains(server, StringComparison.Ordinal));

    /// <summary>The image that this run asks for.</summary>
    public static string? FindImage(string server) =>
        FindImage(server, Environment.GetEnvironmentVariable("WAKE_TEST_CONTAINERS"));

    /// <summary>Starts a PostgreSQL.</summary>
    /// <returns>It, and how its superuser connects.</returns>
    public static async Task<(IAsyncDisposable Server, string ConnectionString)> StartPostgres(
        string image,
        IEnumerable<string> settings
    )
    {
        var server = new PostgreSqlBuilder(image)
            .WithCommand([.. settings.SelectMany(x => (string[])["-c", x])])
            .Build();
        await Start(server);
        return (server, server.GetConnectionString());
    }

    /// <summary>Starts a RabbitMQ with these definitions.</summary>
    /// <returns>It, and its port on loopback.</returns>
    public static async Task<(IAsyncDisposable Server, int Port)> StartRabbit(string image, byte[] definitions)
    {
        const string file = "/etc/rabbitmq/wake-definitions.json";
        var server = new RabbitMqBuilder(image)
            .WithResourceMapping(definitions, file)
            .WithResourceMapping(
                System.Text.Encoding.UTF8.GetBytes(
                    $"load_definitions = {file}\ndisk_free_limit.absolute = 50MB\nloopback_users = none\n"
                ),
                "/etc/rabbitmq/rabbitmq.conf"
            )
            .Build();
        await Start(server);
        return (server, server.GetMappedPublicPort(RabbitMqBuilder.RabbitMqPort));
    }

    static async Task Start(IContainer server)
    {
        try
        {
            await server.StartAsync();
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }
}
