using Microsoft.Extensions.Options;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// Processes of the CLI that stay after their turn, so that the next wake of their session need not start one: that is
/// nearly all the time such a wake takes. Bounded by number, memory and time; whoever was used longest ago has to go.
/// </summary>
sealed class WarmSessions(IOptions<RunnerOptions> options, TimeProvider time, ILogger<WarmSessions> log)
    : IAsyncDisposable
{
    readonly Lock changing = new();

    // The one used longest ago first.
    readonly List<WarmSession> warm = [];
    readonly HashSet<Task> ending = [];

    // The Claude sessions of those that have ended, until somebody asks.
    readonly List<Guid> ended = [];
    bool closed;

    /// <summary>How long the process of such a session may stay; zero when it may not.</summary>
    public TimeSpan WarmTimeFor(Profile profile) =>
        options.Value.WarmSessions == 0 || profile.MaxBudgetUsd is not null
            ? TimeSpan.Zero
            : profile.WarmFor ?? options.Value.WarmFor;

    /// <summary>Whether the process of a session is here.</summary>
    public bool Has(Guid sessionId)
    {
        lock (changing)
            return warm.Exists(x => x.SessionId == sessionId);
    }

    /// <summary>The sessions whose processes are here, and the Claude sessions these have open.</summary>
    public IReadOnlyList<(Guid SessionId, Guid ClaudeSessionId)> All()
    {
        lock (changing)
            return [.. warm.Select(x => (x.SessionId, x.ClaudeSessionId))];
    }

    /// <summary>The Claude sessions whose processes have ended since this was asked last.</summary>
    public IReadOnlyList<Guid> DrainEnded()
    {
        lock (changing)
        {
            Guid[] all = [.. ended.Where(x => !warm.Exists(y => y.ClaudeSessionId == x))];
            ended.Clear();
            return all;
        }
    }

    /// <summary>Ends the processes that other sessions have left with a Claude session: closed ones, since it has one
    /// owner.</summary>
    public async Task EvictOthers(Guid claudeSessionId, Guid sessionId)
    {
        foreach (var (other, _) in All().Where(x => x.ClaudeSessionId == claudeSessionId && x.SessionId != sessionId))
            await Evict(other);
    }

    /// <summary>Takes the process of a session; it is the caller's from now on. Null when there is none.</summary>
    public WarmSession? TryTake(Guid sessionId)
    {
        lock (changing)
        {
            var found = warm.Find(x => x.SessionId == sessionId);
            return found is not null && warm.Remove(found) ? found : null;
        }
    }

    /// <summary>Keeps a process for the next wake of its session, if there is room for it, and ends those that have to
    /// go.</summary>
    public void Add(WarmSession session)
    {
        var (most, memory) = (options.Value.WarmSessions, options.Value.WarmMemoryMegabytes * 1024L * 1024);
        List<WarmSession> leaving = [];
        lock (changing)
        {
            if (closed || session.MemoryBytes > memory)
                leaving.Add(session);
            else
                warm.Add(session);

            while (warm.Count > most || warm.Sum(x => x.MemoryBytes) > memory)
            {
                leaving.Add(warm[0]);
                warm.RemoveAt(0);
            }
        }

        leaving.ForEach(Evict);
        if (!leaving.Contains(session))
            session.WatchExpiry(time, Expire);
    }

    /// <summary>Ends the process of a session, if it has one.</summary>
    public async Task Evict(Guid sessionId)
    {
        if (TryTake(sessionId) is { } leaving)
            await Dispose(leaving);
    }

    /// <summary>Ends them all, and keeps none from now on.</summary>
    public async Task Close()
    {
        List<WarmSession> all;
        lock (changing)
        {
            closed = true;
            all = [.. warm];
            warm.Clear();
        }

        all.ForEach(Evict);
        Task[] left;
        lock (changing)
            left = [.. ending];
        await Task.WhenAll(left);
    }

    public ValueTask DisposeAsync() => new(Close());

    // Its time is over, or it has ended or begun something by itself.
    void Expire(WarmSession session)
    {
        bool left;
        lock (changing)
            left = warm.Remove(session);
        if (left)
            Evict(session);
    }

    async Task Dispose(WarmSession session)
    {
        await session.DisposeAsync();
        lock (changing)
            ended.Add(session.ClaudeSessionId);
    }

    void Evict(WarmSession session)
    {
        var end = Task.Run(async () =>
        {
            try
            {
                await Dispose(session);
            }
            catch (Exception failed)
            {
                // Nobody waits for it. What is left is found by its mark at the next start.
                log.LogError(
                    failed,
                    "The process that session {SessionId} had left could not be ended.",
                    session.SessionId
                );
            }
        });

        lock (changing)
            ending.Add(end);
        _ = end.ContinueWith(
            ended =>
            {
                lock (changing)
                    ending.Remove(ended);
            },
            TaskScheduler.Default
        );
    }
}
