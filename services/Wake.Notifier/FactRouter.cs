using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Notifier;

/// <summary>Says of every new fact which targets it is for, and when it may be sent.</summary>
sealed class FactRouter(
    NotificationOutbox outbox,
    IOptions<NotificationsOptions> options,
    TimeProvider time,
    ILogger<FactRouter> log
) : BackgroundService
{
    // A person waits for some of it.
    static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);

    // Well within the time after which a target counts as unserved.
    static readonly TimeSpan RegisterInterval = TimeSpan.FromMinutes(1);

    protected override Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var targets = options.Value.Targets();
        var rules = targets.Select(x => x.Target.ToRule(x.Name)).ToList();
        var planned = targets.ToDictionary(x => x.Name, x => x.Target);
        DateTimeOffset? registered = null;

        return rules is []
            ? Task.CompletedTask
            : BackgroundLoop.Run(log, "Looking for what people are told of", Route, PollInterval, time, stoppingToken);

        async Task<TimeSpan> Route(CancellationToken cancel)
        {
            if (registered is null || time.GetUtcNow() - registered >= RegisterInterval)
            {
                await outbox.RegisterTargets(rules, cancel);
                registered = time.GetUtcNow();
            }

            var more = await outbox.RouteFacts(rules, (rule, type, at) => planned[rule.Target].Plan(type, at), cancel);
            return more ? TimeSpan.Zero : PollInterval;
        }
    }
}
