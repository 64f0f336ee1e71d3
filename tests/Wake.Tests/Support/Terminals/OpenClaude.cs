using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Wake.Offline;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>
/// The whole of it: every service of a Wake as a process of its own, and the real CLI in a terminal with the plugin as
/// a person installs it.
/// </summary>
public sealed class OpenClaude : IAsyncDisposable
{
    const string Key = "sk-test-0123456789abcdefghij",
        Version = RealClaude.Current;

    readonly TemporaryFolder folder = new();
    readonly Dictionary<string, ServiceProcess> services = [];
    readonly string address = $"http://127.0.0.1:{RabbitNode.FreePort()}";

    Dictionary<string, string> environment = [];

    OpenClaude() { }

    public MessagesApi Api { get; private set; } = null!;

    public WakeSystem Wake { get; private set; } = null!;

    public RealTerminal Terminal { get; private set; } = null!;

    /// <summary>The session's key: the first Claude session that was opened.</summary>
    public Guid Id { get; } = Guid.NewGuid();

    string Workspace => folder.File("work");

    public static async Task<OpenClaude> Start()
    {
        var open = new OpenClaude();
        await open.StartAll();
        return open;
    }

    async Task StartAll()
    {
        Directory.CreateDirectory(Workspace);
        Api = await MessagesApi.Start();
        environment = new(Api.Login) { ["ANTHROPIC_API_KEY"] = Key };
        Wake = await WakeSystem.Create(
            Transport.RabbitMq,
            new Dictionary<string, string>(environment)
            {
                ["Claude__Executable"] = RealClaude.Executable(Version),
                ["Claude__MaxRetries"] = "0",
                ["Claude__KillAfter"] = "00:00:10",
                ["Profiles__default__QuietWindow"] = "00:00:00",
                ["Profiles__default__MaxWait"] = "00:00:00",
                // Nobody works as fast as these tests.
                ["Breakers__EachSession__TurnsPerHour"] = "",
            },
            guarded: true
        );
        await Wake.Migrate();
        await Task.WhenAll(Restart("Wake.Gateway"), Restart("Wake.Coordinator"), Restart("Wake.Runner"));

        environment["CLAUDE_CONFIG_DIR"] = Wake.ClaudeConfig;
        environment["WAKE_URL"] = address;
        environment["WAKE_API_KEY"] = Wake.Http.DefaultRequestHeaders.Authorization!.Parameter!;
        environment["XDG_DATA_HOME"] = folder.File("share");
        environment["XDG_CACHE_HOME"] = folder.File("cache");
        await InstalledPlugin.Install(Version, environment, "--register");
        TmuxTerminal.Prepare(Wake.ClaudeConfig, Workspace, Key);
        await Open("--session-id", $"{Id}");
    }

    /// <summary>Kills a service, if it runs, and starts it again at the same address.</summary>
    public async Task Restart(string service)
    {
        if (services.TryGetValue(service, out var running))
            await running.Kill();
        services[service] = await Wake.StartProcess(
            service,
            service == "Wake.Gateway" ? new Dictionary<string, string> { ["ASPNETCORE_URLS"] = address } : null
        );
    }

    /// <summary>Opens the session as it is now.</summary>
    public async Task Reopen() => await Open("--resume", $"{(await Wake.Show($"{Id}")).ClaudeSessionId}");

    /// <summary>Waits until the terminal attends the session.</summary>
    public Task IsAttended() =>
        Eventually.Holds(
            () =>
                Wake.Scalar<bool>(
                    "select exists (select from terminals where attended_until > now() and place like $1)",
                    string.Create(CultureInfo.InvariantCulture, $"pid {Terminal.Id} %")
                ),
            "the session is attended"
        );

    /// <summary>The processes that wait beside it.</summary>
    public IReadOnlyList<int> Waiters() =>
        [
            .. MachineProcess
                .Children(Terminal.Id)
                .Where(x =>
                    File.Exists($"/proc/{x}/comm") && File.ReadAllText($"/proc/{x}/comm").StartsWith("wake-term")
                ),
        ];

    /// <summary>What is known of the session, for whoever has to find out why it does not go on.</summary>
    public async Task<string> Describe() =>
        $"waiters {string.Join(", ", Waiters())}\n"
        + await Wake.Scalar<string>("select coalesce(string_agg(t::text, E'\n'), 'no terminal') from terminals t")
        + "\n"
        + string.Join('\n', (await Wake.Explain($"{Id}")).Ledger.TakeLast(20));

    /// <summary>The rows of all its transcripts, file by file.</summary>
    public IReadOnlyList<IReadOnlyList<JsonObject>> Transcripts() =>
        [
            .. Directory
                .EnumerateFiles(Path.Combine(Wake.ClaudeConfig, "projects"), "*.jsonl", SearchOption.AllDirectories)
                .Where(x => Guid.TryParse(Path.GetFileNameWithoutExtension(x), out _))
                .Select(x => File.ReadLines(x).Select(Parse).OfType<JsonObject>().ToList()),
        ];

    async Task Open(params string[] arguments) =>
        Terminal = await RealTerminal.Open(Version, Workspace, environment, arguments);

    static JsonNode? Parse(string row)
    {
        try
        {
            return JsonNode.Parse(row);
        }
        catch (JsonException)
        {
            // It was being written when its process was killed.
            return null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Terminal.DisposeAsync();
        await Wake.DisposeAsync();
        await Api.DisposeAsync();
        folder.Dispose();
    }
}
