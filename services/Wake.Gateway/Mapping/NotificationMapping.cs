using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary>Notifications, between the store's records and those of the HTTP contract.</summary>
static class NotificationMapping
{
    public static Contract.NotificationTarget ToContract(this NotificationTargetState target) =>
        new(
            target.Name,
            target.Kind,
            target.State switch
            {
                NotificationState.Active => Contract.NotificationState.Active,
                NotificationState.Failing => Contract.NotificationState.Failing,
                NotificationState.Stopped => Contract.NotificationState.Stopped,
                NotificationState.Unserved => Contract.NotificationState.Unserved,
                _ => throw new InvalidOperationException($"Unknown {target.State}."),
            },
            target.Waiting,
            target.WaitingSince,
            target.Dead,
            target.LastDelivered,
            target.LastError,
            target.LastErrorAt
        );

    public static Contract.Notification ToContract(this Notification notification) =>
        new(
            notification.Id,
            notification.Type,
            notification.At,
            notification.Session,
            notification.Wake,
            notification.Outcome switch
            {
                NotificationOutcome.Waiting => Contract.NotificationOutcome.Waiting,
                NotificationOutcome.Delivered => Contract.NotificationOutcome.Delivered,
                NotificationOutcome.Dead => Contract.NotificationOutcome.Dead,
                _ => throw new InvalidOperationException($"Unknown {notification.Outcome}."),
            },
            notification.Attempts,
            notification.Due,
            notification.Error,
            notification.Settled
        );
}
