using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>Says in the store which pool each profile has, so that a pause of a pool finds its sessions, and what is
/// done about failures of CI in them and where their results are reported, for runners and producers.</summary>
sealed class ProfilePools(Pauses pauses, IOptions<Profiles> profiles, IOptions<MessageBusOptions> bus) : IHostedService
{
    // Inside one process there is one runner.
    public Task StartAsync(CancellationToken cancellationToken) =>
        pauses.ReplaceProfiles(
            profiles.Value.ToDictionary(
                x => x.Key,
                x => (bus.Value.InMemory ? RunnerQueues.DefaultPool : x.Value.Pool, x.Value.Ci, x.Value.Report)
            ),
            cancellationToken
        );

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
