using Wake.Store;

namespace Wake.Notifier;

/// <summary>How messages get to one target.</summary>
public abstract class NotificationSender
{
    /// <summary>Sends a message once.</summary>
    internal abstract Task<SendResult> Send(ClaimedNotification message, CancellationToken cancel);

    /// <summary>Whether it would get there, found out without sending: null, or what is wrong.</summary>
    public abstract Task<string?> FindProblem(CancellationToken cancel);

    /// <summary>The one for a target, whose settings are valid.</summary>
    public static NotificationSender Create(NotificationTarget target) =>
        target.Kind switch
        {
            NotificationKind.Webhook => new WebhookSender(target),
            NotificationKind.Ntfy => new NtfySender(target),
            NotificationKind.Email => new EmailSender(target),
            NotificationKind.Command => new CommandSender(target),
            _ => throw new InvalidOperationException($"Unknown {target.Kind}."),
        };
}
