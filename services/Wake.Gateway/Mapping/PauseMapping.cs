using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary>Pauses, between the store's records and those of the HTTP contract.</summary>
static class PauseMapping
{
    public static Contract.Pause ToContract(this Pause pause) =>
        new(
            pause.Id,
            pause.Scope.ToContract(),
            pause.Name,
            pause.Until,
            pause.Interrupts,
            pause.Reason,
            pause.Created,
            pause.Sessions,
            pause.Running
        );

    public static Contract.SessionPause ToContract(this SessionPause pause) =>
        new(pause.Ids, pause.Until, pause.Reason);

    public static PauseScope ToStore(this Contract.PauseScope scope) =>
        scope switch
        {
            Contract.PauseScope.All => PauseScope.All,
            Contract.PauseScope.Session => PauseScope.Session,
            Contract.PauseScope.Route => PauseScope.Route,
            Contract.PauseScope.Profile => PauseScope.Profile,
            Contract.PauseScope.Pool => PauseScope.Pool,
            Contract.PauseScope.Source => PauseScope.Source,
            Contract.PauseScope.Subject => PauseScope.Subject,
            _ => throw new InvalidOperationException($"Unknown {scope}."),
        };

    public static Contract.PauseScope ToContract(this PauseScope scope) =>
        scope switch
        {
            PauseScope.All => Contract.PauseScope.All,
            PauseScope.Session => Contract.PauseScope.Session,
            PauseScope.Route => Contract.PauseScope.Route,
            PauseScope.Profile => Contract.PauseScope.Profile,
            PauseScope.Pool => Contract.PauseScope.Pool,
            PauseScope.Source => Contract.PauseScope.Source,
            PauseScope.Subject => Contract.PauseScope.Subject,
            _ => throw new InvalidOperationException($"Unknown {scope}."),
        };
}
