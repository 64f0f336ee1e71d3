using Wake.Store;

namespace Wake.Notifier;

/// <summary>How messages get to one target.</summary>
public abstract class NotificationSender
{
    /// <summary>Sends a message once.</summary>
    internal abstract Task<SendResult> Send(ClaimedNotification message, CancellationToken cancel);

    /// <summary>Whether it would get there, found out without sending: null, or what is wrong.</summary>
    public abstract Task<string?> FindProblem(CancellationToken cancel);

    /// <summary>Whether messages would get to a target, whose settings are valid, found out without sending: null, or
    /// what is wrong.</summary>
    public static Task<string?> FindProblem(NotificationTarget target, CancellationToken cancel) =>
        target.IsChat ? ChatConnection.Create(target).FindProblem(cancel) : Create(target).FindProblem(cancel);

    /// <summary>The one for a target that is no chat, and whose settings are valid.</summary>
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
