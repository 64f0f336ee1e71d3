using MassTransit;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Wake.ServiceDefaults;

/// <summary>
/// What a service does again and again beside its requests. A pass that fails is logged and made again: an exception
/// that leaves a <see cref="Microsoft.Extensions.Hosting.BackgroundService"/> stops the whole host, the requests and
/// turns of everybody with it.
/// </summary>
public static class BackgroundLoop
{
    /// <summary>Repeats a pass until it is cancelled.</summary>
    /// <param name="log">Where a failed pass is said.</param>
    /// <param name="what">The subject of that sentence: "Looking back for new watches".</param>
    /// <param name="pass">Does it once, and returns how long the next one can wait.</param>
    /// <param name="retryDelay">How long the next one waits after a failure.</param>
    /// <param name="time">The clock of the waits.</param>
    /// <param name="cancel">Ends it.</param>
    public static async Task Run(
        ILogger log,
        string what,
        Func<CancellationToken, Task<TimeSpan>> pass,
        TimeSpan retryDelay,
        TimeProvider time,
        CancellationToken cancel
    )
    {
        while (!cancel.IsCancellationRequested)
        {
            var wait = retryDelay;
            try
            {
                wait = await pass(cancel);
            }
            catch (OperationCanceledException) when (cancel.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failed)
            {
                LogFailure(log, what, failed);
            }

            if (wait > TimeSpan.Zero)
                await Task.Delay(wait, time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Says that a pass failed: a warning where something is away that comes back, an error with its stack
    /// where the code may be at fault.</summary>
    /// <param name="log">Where it is said.</param>
    /// <param name="what">The subject of the sentence.</param>
    /// <param name="failure">Why.</param>
    public static void LogFailure(ILogger log, string what, Exception failure)
    {
        if (
            PostgresErrors.IsTransient(failure)
            || EventExchange.IsConnectionLost(failure)
            || failure is UnauthorizedAccessException or MassTransitException
        )
            log.LogWarning("{What} failed ({Reason}); trying again.", what, failure.Message);
        else if (failure is PostgresException)
            log.LogError("{What} failed ({Reason}); trying again.", what, failure.Message);
        else
            log.LogError(failure, "{What} failed; trying again.", what);
    }
}
