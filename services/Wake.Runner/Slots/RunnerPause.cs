using Microsoft.Extensions.Options;

namespace Wake.Runner;

/// <summary>
/// Why this runner takes no work for a while: the CLI does not start, nobody is logged in, or the account's usage limit
/// is reached. It holds for all sessions of a runner, since they share its program and its account; sessions that are
/// woken meanwhile wait, or go to other runners. Runners that share an account each find out by one turn of their own,
/// which costs a refused request and needs no agreement between them.
/// </summary>
sealed class RunnerPause(
    ClaudeProbe probe,
    IOptions<RunnerOptions> options,
    TimeProvider time,
    ILogger<RunnerPause> log
)
{
    // Longest pause for a usage limit: limits can be lifted early, and one refused request finds out.
    static readonly TimeSpan MaxUsageLimitPause = TimeSpan.FromMinutes(15);

    readonly Lock changing = new();
    string? why;
    DateTimeOffset retryAt;

    /// <summary>The reason; null while the runner takes work.</summary>
    public string? Reason
    {
        get
        {
            lock (changing)
                return why;
        }
    }

    /// <summary>Called when it begins.</summary>
    public Action? OnStarted { get; set; }

    /// <summary>How long until the next try; null while the runner takes work.</summary>
    public TimeSpan? TimeLeft
    {
        get
        {
            lock (changing)
                return why is null ? null
                    : retryAt > time.GetUtcNow() ? retryAt - time.GetUtcNow()
                    : TimeSpan.Zero;
        }
    }

    /// <summary>Begins it, or prolongs it.</summary>
    public void StartOrExtend(string reason, DateTimeOffset? until)
    {
        var now = time.GetUtcNow();
        var soonest = now + options.Value.PauseRetryAfter;
        DateTimeOffset end;
        lock (changing)
        {
            why = reason;
            end = retryAt =
                until is { } date && date > soonest
                    ? date < now + MaxUsageLimitPause
                        ? date
                        : now + MaxUsageLimitPause
                    : soonest;
        }

        log.LogError("This runner takes no work until {TryAgain:u}: {Reason}", end, reason);
        OnStarted?.Invoke();
    }

    /// <summary>Ends it if its time is over and the CLI starts. Whether nobody is logged in any more, or a limit has
    /// gone, only a turn can tell.</summary>
    public async Task EndIfElapsed(CancellationToken cancel)
    {
        if (TimeLeft is not { } left || left > TimeSpan.Zero)
            return;

        if (await probe.FindProblem(cancel) is { } trouble)
        {
            StartOrExtend(trouble, null);
            return;
        }

        lock (changing)
            why = null;
        log.LogInformation("This runner takes work again.");
    }
}
