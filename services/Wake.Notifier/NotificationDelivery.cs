using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Notifier;

/// <summary>
/// Sends what is due, each target in a loop of its own. What was sent is noted afterwards: whoever dies in between has
/// sent it, and another sends the same again under the same id.
/// </summary>
sealed class NotificationDelivery(
    NotificationOutbox outbox,
    Chats chats,
    Questions questions,
    IOptions<NotificationsOptions> options,
    TimeProvider time,
    ILogger<NotificationDelivery> log
) : BackgroundService
{
    static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);

    // Sessions whose messages are sent to a target at the same time.
    const int AtOnce = 8;

    // What a message is kept from other notifiers beyond the time that sending it may take.
    static readonly TimeSpan LeaseMargin = TimeSpan.FromSeconds(30);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(options.Value.Targets().Select(x => Serve(x.Name, x.Target, stoppingToken)));

    async Task Serve(string name, NotificationTarget target, CancellationToken stoppingToken)
    {
        NotificationSender sender = target.IsChat
            ? new ChatSender(name, ChatConnection.Create(target), chats, questions)
            : NotificationSender.Create(target);
        // A chat takes few messages in a second; the others would only be refused.
        var atOnce = target.IsChat ? 1 : AtOnce;
        await BackgroundLoop.Run(log, $"Notifying {name}", SendDue, PollInterval, time, stoppingToken);

        async Task<TimeSpan> SendDue(CancellationToken cancel)
        {
            var due = await outbox.Claim(name, atOnce, target.Timeout + LeaseMargin, cancel);
            await Task.WhenAll(due.Select(x => Send(x, sender, target.Timeout, cancel)));
            return due is [] ? PollInterval : TimeSpan.Zero;
        }
    }

    async Task Send(ClaimedNotification message, NotificationSender sender, TimeSpan timeout, CancellationToken cancel)
    {
        var result = await TrySend(message, sender, timeout, cancel);

        // What has happened is noted although this stops.
        switch (result)
        {
            case SendResult.Delivered:
                await outbox.SetDelivered(message, CancellationToken.None);
                Count(message, "delivered");
                break;

            case SendResult.Gone { Why: var why }:
                log.LogError(
                    "Target {Target} is gone ({Reason}); nothing is sent to it any more.",
                    message.Target,
                    why
                );
                await outbox.StopTarget(message.Target, why, CancellationToken.None);
                Count(message, "dead");
                break;

            case SendResult.Failed { Why: var why, RetryAfter: var asked, Permanent: var permanent }:
                var delay = permanent ? null : RetrySchedule.DelayAfter(message.Attempt);
                await outbox.SetFailed(
                    message,
                    why,
                    delay is { } usual && asked > usual ? asked : delay,
                    asked,
                    CancellationToken.None
                );
                Count(message, delay is null ? "dead" : "failed");
                if (delay is null)
                    log.LogError(
                        "Notification {Id} to {Target} is given up in attempt {Attempt} ({Reason}).",
                        message.Id,
                        message.Target,
                        message.Attempt,
                        why
                    );
                else
                    log.LogWarning(
                        "Notification {Id} to {Target} failed in attempt {Attempt} ({Reason}); trying again.",
                        message.Id,
                        message.Target,
                        message.Attempt,
                        why
                    );
                break;

            default:
                throw new InvalidOperationException($"Unknown {result}.");
        }
    }

    static async Task<SendResult> TrySend(
        ClaimedNotification message,
        NotificationSender sender,
        TimeSpan timeout,
        CancellationToken cancel
    )
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(timeout);
        try
        {
            return await sender.Send(message, bound.Token);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            throw;
        }
        catch (OperationCanceledException)
        {
            return new SendResult.Failed($"no answer within {timeout.TotalSeconds:0} s");
        }
        // Whatever it is, it counts as an attempt: a message that nobody can send must not be sent for ever.
        catch (Exception failed)
        {
            return new SendResult.Failed(failed.GetBaseException().Message);
        }
    }

    static void Count(ClaimedNotification message, string outcome) =>
        WakeMetrics.Notifications.Add(1, new("target", message.Target), new("outcome", outcome));
}
