using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>Says in the log, and in a metric, that a breaker has opened.</summary>
static class BreakerNotice
{
    public static void Write(ILogger log, OpenedBreaker breaker)
    {
        log.LogWarning(
            "Opened the {Breaker} for {Scope} {Name}. Events wait; wake breakers shows it, wake unpause closes it.",
            breaker.Reason,
            breaker.Scope,
            breaker.Name ?? ""
        );
        WakeMetrics.BreakersOpened.Add(1, new("limit", breaker.Kind), new("scope", breaker.Scope));
    }
}
