using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>Says in the store which pool each profile has, so that a pause of a pool finds its sessions.</summary>
sealed class ProfilePools(Pauses pauses, IOptions<Profiles> profiles, IOptions<MessageBusOptions> bus) : IHostedService
{
    // Inside one process there is one runner.
    public Task StartAsync(CancellationToken cancellationToken) =>
        pauses.ReplacePools(
            profiles.Value.ToDictionary(x => x.Key, x => bus.Value.InMemory ? RunnerQueues.DefaultPool : x.Value.Pool),
            cancellationToken
        );

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
