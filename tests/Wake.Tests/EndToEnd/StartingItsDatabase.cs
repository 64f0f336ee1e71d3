using System.Net;
using System.Net.Sockets;
using Npgsql;
using Wake.Standalone;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>The PostgreSQL of a Wake on one machine starts while the rest of it is put together.</summary>
[Trait("Starts", "processes")]
public sealed class StartingItsDatabase : IDisposable
{
    readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task A_port_that_somebody_else_took_meanwhile_is_exchanged_for_another()
    {
        await using var postgres = await PrivatePostgres.Prepare(folder.Path, settings: null, CancellationToken.None);
        var chosen = new NpgsqlConnectionStringBuilder(postgres.ConnectionString).Port;
        using var other = new TcpListener(IPAddress.Loopback, chosen);
        other.Start();

        Assert.False(await postgres.TryStart(CancellationToken.None));
        Assert.True(await postgres.TryStart(CancellationToken.None));
        await using var connection = new NpgsqlConnection(postgres.ConnectionString);
        await connection.OpenAsync();
        Assert.NotEqual(chosen, new NpgsqlConnectionStringBuilder(connection.ConnectionString).Port);
    }

    [Theory]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere")]
    [InlineData("Runner__Slots", "0")]
    public async Task It_does_not_go_on_when_the_rest_cannot_start(string setting, string value)
    {
        var environment = new Dictionary<string, string>
        {
            ["Claude__Executable"] = WakeSystem.FakeClaude,
            ["WAKE_DATA"] = folder.File("data"),
            [setting] = value,
        };
        var said = await WakeCommandLine.Run(environment, null, "up", "--port", "0");

        Assert.Equal(1, said.ExitCode);
        Assert.True(File.Exists(folder.File("data/postgres/data/PG_VERSION")), said.Errors);
        Assert.False(File.Exists(folder.File("data/postgres/data/postmaster.pid")), said.Errors);
    }
}
