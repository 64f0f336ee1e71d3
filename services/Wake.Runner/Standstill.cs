using Microsoft.Extensions.Options;

namespace Wake.Runner;

/// <summary>
/// Why this runner takes no work for a while: the CLI does not start, nobody is logged in, or the account's usage limit
/// is reached. It holds for all sessions of a runner, since they share its program and its account; sessions that are
/// woken meanwhile wait, or go to other runners. Runners that share an account each find out by one turn of their own,
/// which costs a refused request and needs no agreement between them.
/// </summary>
sealed class Standstill(ClaudeProbe probe, IOptions<RunnerOptions> options, TimeProvider time, ILogger<Standstill> log)
{
    // A limit may be lifted before its date by somebody who pays. One refused request in this time finds out.
    static readonly TimeSpan LongestForALimit = TimeSpan.FromMinutes(15);

    readonly Lock changing = new();
    string? why;
    DateTimeOffset tryAgain;

    /// <summary>The reason; null while the runner takes work.</summary>
    public string? Why
    {
        get
        {
            lock (changing)
                return why;
        }
    }

    /// <summary>Called when it begins.</summary>
    public Action? Begun { get; set; }

    /// <summary>How long until the next try; null while the runner takes work.</summary>
    public TimeSpan? Left
    {
        get
        {
            lock (changing)
                return why is null ? null
                    : tryAgain > time.GetUtcNow() ? tryAgain - time.GetUtcNow()
                    : TimeSpan.Zero;
        }
    }

    /// <summary>Begins it, or prolongs it.</summary>
    public void Begin(string reason, DateTimeOffset? until)
    {
        var now = time.GetUtcNow();
        var soonest = now + options.Value.LookAgainAfter;
        lock (changing)
        {
            why = reason;
            tryAgain =
                until is { } date && date > soonest
                    ? date < now + LongestForALimit
                        ? date
                        : now + LongestForALimit
                    : soonest;
        }

        log.LogError("This runner takes no work until {TryAgain:u}: {Reason}", tryAgain, reason);
        Begun?.Invoke();
    }

    /// <summary>Ends it if its time is over and the CLI starts. Whether nobody is logged in any more, or a limit has
    /// gone, only a turn can tell.</summary>
    public async Task EndIfOver(CancellationToken cancel)
    {
        if (Left is not { } left || left > TimeSpan.Zero)
            return;

        if (await probe.Trouble(cancel) is { } trouble)
        {
            Begin(trouble, null);
            return;
        }

        lock (changing)
            why = null;
        log.LogInformation("This runner takes work again.");
    }
}
