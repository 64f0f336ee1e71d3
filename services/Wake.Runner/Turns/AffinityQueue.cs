using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// A runner's own queue, to which the next wake of a session goes first when this runner has at hand what it needs: a
/// warm process, a workspace made here, or a part of the transcript that the store lacks.
/// </summary>
sealed class AffinityQueue(
    WarmSessions warmSessions,
    RunnerName name,
    IOptions<MessageBusOptions> bus,
    IOptions<RunnerOptions> options,
    IOptions<Profiles> profiles
)
{
    /// <summary>Message TTL on the queue: longer than a live runner needs to take a message, about as long as the cold
    /// start it saves.</summary>
    public static readonly TimeSpan MessageTtl = TimeSpan.FromSeconds(2);

    /// <summary>How long the queue of a runner that is gone is kept, and so the longest affinity.</summary>
    public static readonly TimeSpan Expiry = TimeSpan.FromHours(1);

    /// <summary>Where the next wake of the session goes first, and for how long; null when any runner of the pool will
    /// do.</summary>
    /// <param name="turn">The turn that has ended.</param>
    /// <param name="unsaved">Whether the store lacks a part of the transcript.</param>
    public RunnerAffinity? For(ClaimedTurn turn, bool unsaved)
    {
        var profile = profiles.Value.GetOrDefault(turn.Profile);
        var atHand =
            warmSessions.Has(turn.SessionId) && !unsaved ? warmSessions.WarmTimeFor(profile)
            : profile.Repository is not null || unsaved ? Expiry
            : TimeSpan.Zero;

        // The in-memory bus has a single runner.
        return atHand == TimeSpan.Zero || bus.Value.InMemory ? null : new(Address(), atHand < Expiry ? atHand : Expiry);
    }

    // What cannot be routed to the queue, because it is gone, goes to the pool.
    string Address() =>
        $"exchange:{RunnerQueues.ForRunner(name.Value)}?alternateexchange={RunnerQueues.ForPool(options.Value.Pool)}";
}
