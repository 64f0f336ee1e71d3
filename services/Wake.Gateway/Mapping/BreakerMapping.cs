using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary>Breakers, from the store's records to those of the HTTP contract.</summary>
static class BreakerMapping
{
    public static Contract.Breaker ToContract(this Breaker breaker) =>
        new(
            breaker.Kind.ToContract(),
            breaker.Scope.ToContract(),
            breaker.Name,
            breaker.State.ToContract(),
            breaker.Used,
            breaker.Amount,
            breaker.PauseId,
            breaker.Since,
            breaker.Until,
            breaker.Trial
        );

    static Contract.BreakerLimit ToContract(this BreakerKind kind) =>
        kind switch
        {
            BreakerKind.TurnsPerHour => Contract.BreakerLimit.TurnsPerHour,
            BreakerKind.UsdPerHour => Contract.BreakerLimit.UsdPerHour,
            BreakerKind.UsdPerDay => Contract.BreakerLimit.UsdPerDay,
            BreakerKind.EventsPerMinute => Contract.BreakerLimit.EventsPerMinute,
            BreakerKind.ChainDepth => Contract.BreakerLimit.ChainDepth,
            _ => throw new InvalidOperationException($"Unknown {kind}."),
        };

    static Contract.BreakerState ToContract(this BreakerState state) =>
        state switch
        {
            BreakerState.Closed => Contract.BreakerState.Closed,
            BreakerState.Open => Contract.BreakerState.Open,
            BreakerState.HalfOpen => Contract.BreakerState.HalfOpen,
            _ => throw new InvalidOperationException($"Unknown {state}."),
        };
}
