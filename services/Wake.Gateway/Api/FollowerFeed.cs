using Microsoft.Extensions.Options;

namespace Wake.Gateway;

/// <summary>Looks for news on behalf of all who follow, once for everybody, and only while somebody does.</summary>
abstract class FollowerFeed<TFollower>(
    IOptions<GatewayOptions> options,
    TimeProvider time,
    IHostApplicationLifetime host,
    ILogger log
)
    where TFollower : class
{
    readonly Lock mutex = new();
    readonly HashSet<TFollower> followers = [];
    bool isPolling;

    /// <summary>The clock.</summary>
    protected TimeProvider Time => time;

    /// <summary>How often it looks.</summary>
    protected abstract TimeSpan PollInterval { get; }

    /// <summary>What is looked at, as the log says it.</summary>
    protected abstract string Subject { get; }

    /// <summary>Ends following.</summary>
    public virtual void Unfollow(TFollower follower)
    {
        lock (mutex)
            followers.Remove(follower);
    }

    /// <summary>Begins to follow. False when as many follow as may.</summary>
    protected bool TryAdd(TFollower follower)
    {
        lock (mutex)
        {
            if (followers.Count >= options.Value.MaxFollowers)
                return false;

            followers.Add(follower);
            if (!isPolling)
            {
                isPolling = true;
                _ = Task.Run(Poll, CancellationToken.None);
            }
        }

        return true;
    }

    /// <summary>Begins to look, and returns one look, which tells those who follow at that moment.</summary>
    protected abstract Func<IReadOnlyList<TFollower>, Task> BeginPolling();

    /// <summary>Tells somebody that no look is made any longer, because one failed.</summary>
    protected abstract void Fail(TFollower follower, Exception failure);

    async Task Poll()
    {
        using var ticks = new PeriodicTimer(PollInterval, time);
        try
        {
            var look = BeginPolling();
            do
            {
                // Those that come while it looks join with the next look.
                await look(CurrentFollowers());
                await ticks.WaitForNextTickAsync(CancellationToken.None);
            } while (!TryStopPolling());
        }
        catch (Exception failed)
        {
            if (!host.ApplicationStopping.IsCancellationRequested)
                log.LogWarning("{What} could not be read for those who follow: {Reason}", Subject, failed.Message);
            foreach (var follower in StopPolling())
                Fail(follower, failed);
        }
    }

    TFollower[] CurrentFollowers()
    {
        lock (mutex)
            return [.. followers];
    }

    bool TryStopPolling()
    {
        lock (mutex)
        {
            if (followers.Count > 0 && !host.ApplicationStopping.IsCancellationRequested)
                return false;

            isPolling = false;
            return true;
        }
    }

    // They are left to themselves: each connects again.
    TFollower[] StopPolling()
    {
        lock (mutex)
        {
            isPolling = false;
            return [.. followers];
        }
    }
}
