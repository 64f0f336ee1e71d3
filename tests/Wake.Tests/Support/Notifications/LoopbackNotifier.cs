using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Wake.Notifier;
using Wake.Store;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>A notifier on the store of a test, in this process.</summary>
public sealed class LoopbackNotifier : IAsyncDisposable
{
    readonly IHost host;

    LoopbackNotifier(IHost host) => this.host = host;

    /// <summary>Starts one, which knows its targets when this returns.</summary>
    public static async Task<LoopbackNotifier> Start(TestStore store, Dictionary<string, string?> settings)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(
            settings.Select(x => KeyValuePair.Create($"Notifications:{x.Key}", x.Value))
        );
        builder.Services.AddSingleton(store.Database);
        builder.Services.AddStore();
        builder.AddNotifier();
        var notifier = new LoopbackNotifier(builder.Build());
        await notifier.host.StartAsync();

        var names = settings.Keys.Select(x => x.Split(':')[0]).Distinct().ToHashSet();
        await Eventually.Holds(
            async () =>
                (await new NotificationOutbox(store.Database).ListTargets(default))
                    .Select(x => x.Name)
                    .ToHashSet()
                    .IsSupersetOf(names),
            "its targets are known"
        );
        return notifier;
    }

    public async ValueTask DisposeAsync()
    {
        await host.StopAsync();
        host.Dispose();
    }
}
