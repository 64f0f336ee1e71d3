using Wake.Offline;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>
/// Two machines for runners, which share nothing but the database and the broker: each has a configuration folder of
/// its own. On them runs the real CLI, offline. Each service has a role and a user of its own.
/// </summary>
public sealed class TwoMachines : IAsyncDisposable
{
    readonly TemporaryFolder first = new(),
        second = new();

    TwoMachines(MessagesApi api) => Api = api;

    public MessagesApi Api { get; }

    public WakeSystem Wake { get; private set; } = null!;

    /// <summary>The configuration folder of the CLI on each.</summary>
    public string First => first.Path;

    /// <inheritdoc cref="First" />
    public string Second => second.Path;

    /// <summary>Nothing is started yet but the API.</summary>
    public static async Task<TwoMachines> Create(string version, IReadOnlyDictionary<string, string> settings)
    {
        var machines = new TwoMachines(await MessagesApi.Start());
        machines.Wake = await WakeSystem.Create(
            Transport.RabbitMq,
            new Dictionary<string, string>(settings)
            {
                ["ANTHROPIC_BASE_URL"] = machines.Api.Url,
                ["ANTHROPIC_API_KEY"] = "sk-test-0123456789",
                ["Claude__Executable"] = RealClaude.Executable(version),
                ["Claude__MaxRetries"] = "0",
            },
            guarded: true
        );
        await machines.Wake.Migrate();
        return machines;
    }

    /// <summary>The gateway and the coordinator.</summary>
    public Task StartServices() =>
        Task.WhenAll(Wake.StartProcess("Wake.Gateway"), Wake.StartProcess("Wake.Coordinator"));

    /// <summary>A runner on one of them, called <c>first</c> or <c>second</c>.</summary>
    public Task<ServiceProcess> StartRunner(string machine) =>
        Wake.StartProcess(
            "Wake.Runner",
            new Dictionary<string, string>
            {
                ["Runner__Name"] = machine == First ? "first" : "second",
                ["CLAUDE_CONFIG_DIR"] = machine,
            }
        );

    public async ValueTask DisposeAsync()
    {
        await Wake.DisposeAsync();
        await Api.DisposeAsync();
        first.Dispose();
        second.Dispose();
    }
}
