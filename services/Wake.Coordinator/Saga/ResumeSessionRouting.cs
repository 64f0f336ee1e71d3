using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>Which runners a wake is for, as an address on the bus.</summary>
public sealed class ResumeSessionRouting(IOptions<Profiles> profiles, IOptions<MessageBusOptions> bus)
{
    /// <summary>Null: any runner of the default pool, and whoever else listens.</summary>
    /// <param name="facts">The session.</param>
    /// <param name="mayBeNear">Whether the runner that has the session at hand is asked first.</param>
    internal Uri? AddressFor(SessionSnapshot facts, bool mayBeNear)
    {
        // Inside one process there is one runner.
        var pool = bus.Value.InMemory ? RunnerQueues.DefaultPool : profiles.Value.GetOrDefault(facts.Profile).Pool;

        return facts switch
        {
            { AffinityAddress: { } near } when mayBeNear => new(near),
            { Urgent: true } => new($"exchange:{RunnerQueues.UrgentForPool(pool)}"),
            _ when pool == RunnerQueues.DefaultPool => null,
            _ => new($"exchange:{RunnerQueues.ForPool(pool)}"),
        };
    }
}
