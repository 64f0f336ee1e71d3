using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Wake.Testing;

/// <summary>
/// A RabbitMQ of one's own from the programs installed on this machine: free ports, loopback, its own epmd, in a folder
/// that is deleted with it. Has a virtual host for everybody who asks for one.
/// </summary>
public sealed class RabbitNode : IAsyncDisposable
{
    const int VirtualHosts = 200,
        GuardedHosts = 80;
    const string User = "wake",
        Password = "wake";

    readonly Func<ValueTask> stop;
    readonly int hosts,
        guardedHosts;
    int handedOut,
        guarded;

    RabbitNode(int port, int hosts, int guardedHosts, Func<ValueTask> stop) =>
        (Port, this.hosts, this.guardedHosts, this.stop) = (port, hosts, guardedHosts, stop);

    public int Port { get; }

    /// <summary>The address of a virtual host nobody else has been given.</summary>
    public Uri NewVirtualHost() =>
        Interlocked.Increment(ref handedOut) is var number && number <= hosts
            ? new($"rabbitmq://{User}:{Password}@127.0.0.1:{Port}/t{number}")
            : throw new InvalidOperationException($"All {hosts} virtual hosts are taken.");

    /// <summary>The address of one in which every service has a user of its own as well, with the rights of
    /// deploy/rabbitmq.json.</summary>
    public Uri NewGuardedHost() =>
        Interlocked.Increment(ref guarded) is var number && number <= guardedHosts
            ? new($"rabbitmq://{User}:{Password}@127.0.0.1:{Port}/g{number}")
            : throw new InvalidOperationException($"All {guardedHosts} guarded virtual hosts are taken.");

    /// <summary>The same virtual host as another user finds it, whose password in tests is its name.</summary>
    public static Uri As(string user, Uri host) => new UriBuilder(host) { UserName = user, Password = user }.Uri;

    /// <summary>Starts one.</summary>
    /// <param name="arguments">Further arguments of its Erlang, which knows settings that its configuration file does
    /// not.</param>
    /// <param name="hosts">How many virtual hosts it has; each takes a tenth of a second to start.</param>
    /// <param name="guardedHosts">How many of them are guarded besides.</param>
    /// <param name="cancel">Ends the wait.</param>
    public static async Task<RabbitNode> Start(
        string arguments = "",
        int hosts = VirtualHosts,
        int guardedHosts = GuardedHosts,
        CancellationToken cancel = default
    )
    {
        var program =
            Programs().FirstOrDefault(File.Exists)
            ?? throw new InvalidOperationException(
                "RabbitMQ is not installed, and these tests need it. Install it with `apt-get install "
                    + "rabbitmq-server`, or run tests/run, which does."
            );

        var folder = Directory.CreateTempSubdirectory("wake-rabbitmq-").FullName;
        var (port, epmdPort, distributionPort) = (FreePort(), FreePort(), FreePort());

        await File.WriteAllTextAsync(Path.Combine(folder, "plugins"), "[].\n", cancel);
        await File.WriteAllTextAsync(
            Path.Combine(folder, "definitions.json"),
            Definitions(hosts, guardedHosts),
            cancel
        );
        await File.WriteAllTextAsync(
            Path.Combine(folder, "rabbitmq.conf"),
            $"load_definitions = {folder}/definitions.json\ndisk_free_limit.absolute = 50MB\nloopback_users = none\n",
            cancel
        );

        // The child is setsid itself: one that leaves this session would be taken for an orphan by what runs turns in
        // these tests.
        var server = Process.Start(
            new ProcessStartInfo("setsid", ["--fork", "--wait", program])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                Environment =
                {
                    ["HOME"] = folder,
                    ["ERL_EPMD_PORT"] = $"{epmdPort}",
                    ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
                    ["ERL_MAX_PORTS"] = "4096",
                    ["RABBITMQ_NODENAME"] = $"wake{port}@localhost",
                    ["RABBITMQ_NODE_IP_ADDRESS"] = "127.0.0.1",
                    ["RABBITMQ_NODE_PORT"] = $"{port}",
                    ["RABBITMQ_DIST_PORT"] = $"{distributionPort}",
                    ["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] =
                        $"-kernel inet_dist_use_interface {{127,0,0,1}} {arguments}",
                    ["RABBITMQ_MNESIA_BASE"] = Path.Combine(folder, "mnesia"),
                    ["RABBITMQ_LOG_BASE"] = Path.Combine(folder, "log"),
                    ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(folder, "plugins"),
                    ["RABBITMQ_CONFIG_FILE"] = Path.Combine(folder, "rabbitmq"),
                },
            }
        )!;
        server.OutputDataReceived += (_, _) => { };
        server.ErrorDataReceived += (_, _) => { };
        server.BeginOutputReadLine();
        server.BeginErrorReadLine();

        var node = new RabbitNode(port, hosts, guardedHosts, () => Stop(server, folder, epmdPort));
        var factory = new ConnectionFactory { Uri = new($"amqp://{User}:{Password}@127.0.0.1:{port}/t{hosts}") };
        for (var waited = Stopwatch.StartNew(); ; )
        {
            try
            {
                await using var connection = await factory.CreateConnectionAsync(cancel);
                return node;
            }
            catch (BrokerUnreachableException) when (waited.Elapsed < TimeSpan.FromMinutes(2) && !server.HasExited)
            {
                await Task.Delay(200, cancel);
            }
            catch
            {
                await node.DisposeAsync();
                throw;
            }
        }
    }

    /// <summary>Starts one of another version, as a container.</summary>
    public static async Task<RabbitNode> StartContainer(string image)
    {
        var (server, port) = await ContainerServers.StartRabbit(
            image,
            Encoding.UTF8.GetBytes(Definitions(VirtualHosts, GuardedHosts))
        );
        return new(port, VirtualHosts, GuardedHosts, server.DisposeAsync);
    }

    public ValueTask DisposeAsync() => stop();

    static async ValueTask Stop(Process server, string folder, int epmdPort)
    {
        // The shell script starts the Erlang machine and its own epmd; both are its descendants' session.
        if (!server.HasExited)
            server.Kill(entireProcessTree: true);
        await server.WaitForExitAsync();
        server.Dispose();
        StopEpmd(epmdPort);

        for (var tries = 0; Directory.Exists(folder); tries++)
        {
            try
            {
                Directory.Delete(folder, recursive: true);
            }
            catch (IOException) when (tries < 20)
            {
                await Task.Delay(100);
            }
        }
    }

    // A daemon that no process owns; told by its own port, so that no other node's is touched.
    static void StopEpmd(int epmdPort)
    {
        foreach (var process in Process.GetProcessesByName("epmd"))
        {
            using (process)
            {
                try
                {
                    if (
                        File.ReadAllText($"/proc/{process.Id}/environ")
                            .Contains($"ERL_EPMD_PORT={epmdPort}\0", StringComparison.Ordinal)
                    )
                        process.Kill();
                }
                catch (Exception gone)
                    when (gone is IOException or UnauthorizedAccessException or InvalidOperationException)
                {
                    // Somebody else's, or over in this moment.
                }
            }
        }
    }

    static IEnumerable<string> Programs() =>
        from folder in (string[])
            ["/usr/lib/rabbitmq/bin", "/opt/homebrew/opt/rabbitmq/sbin", "/usr/local/opt/rabbitmq/sbin"]
        select Path.Combine(folder, "rabbitmq-server");

    static string Definitions(int hosts, int guardedHosts)
    {
        JsonNode shipped = JsonNode.Parse(File.ReadAllText(Servers.Shipped("rabbitmq.json")))!;
        var names = Enumerable.Range(1, hosts).Select(x => $"t{x}").ToArray();
        var guarded = Enumerable.Range(1, guardedHosts).Select(x => $"g{x}").ToArray();
        var users =
            from user in shipped["permissions"]!.AsArray().Select(x => (string)x!["user"]!).Except([User])
            select new
            {
                name = user,
                password = user,
                tags = "",
            };
        return JsonSerializer.Serialize(
            new
            {
                users = users.Append(
                    new
                    {
                        name = User,
                        password = Password,
                        tags = "administrator",
                    }
                ),
                vhosts = names.Concat(guarded).Select(name => new { name }),
                permissions = names
                    .Select(vhost =>
                        (object)
                            new
                            {
                                user = User,
                                vhost,
                                configure = ".*",
                                write = ".*",
                                read = ".*",
                            }
                    )
                    .Concat(Shipped("permissions")),
                exchanges = Shipped("exchanges"),
                queues = Shipped("queues"),
                bindings = Shipped("bindings"),
            }
        );

        IEnumerable<object> Shipped(string kind) =>
            from vhost in guarded
            from item in shipped[kind]!.AsArray()
            select In(vhost, item!.DeepClone());

        static object In(string vhost, JsonNode item)
        {
            item["vhost"] = vhost;
            return item;
        }
    }

    /// <summary>A port of loopback that nobody listens on now.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
