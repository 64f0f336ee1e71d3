using Wake.Contracts;
using Wake.Producing;

namespace Wake.Producers.Webhooks;

/// <summary>The senders Wake knows.</summary>
public static class WebhookProviders
{
    /// <summary>The sender a hook is for.</summary>
    public static IWebhookProvider Create(HookOptions hook) =>
        hook.Sender switch
        {
            WebhookProviderKind.Standard => new HookScopedProvider(
                hook,
                new StandardWebhooksProvider(hook.Paths),
                x => x.Actor
            ),
            WebhookProviderKind.GitLab => new HookScopedProvider(hook, new GitLabWebhookProvider()),
            WebhookProviderKind.Forgejo => new HookScopedProvider(hook, new ForgejoWebhookProvider("forgejo")),
            WebhookProviderKind.Gitea => new HookScopedProvider(hook, new ForgejoWebhookProvider("gitea")),
            WebhookProviderKind.CloudEvents => new HookScopedProvider(hook, new CloudEventsProvider(), x => x.Actor),
            WebhookProviderKind.Generic => new HookScopedProvider(hook, new GenericWebhookProvider(hook), x => x.Actor),
            var unknown => throw new InvalidOperationException($"Unknown sender {unknown}."),
        };

    // What a described sender reports of the sessions' own login is ambient, whatever it is:
    // Wake cannot tell comments from other events there.
    sealed class HookScopedProvider(
        HookOptions hook,
        IWebhookProvider sender,
        Func<ExternalEventObserved, string?>? author = null
    ) : IWebhookProvider
    {
        public string? VerificationFailure(
            WebhookRequest delivery,
            IReadOnlyList<string> secrets,
            DateTimeOffset now
        ) => sender.VerificationFailure(delivery, secrets, now);

        public EventMapping Map(WebhookRequest delivery) =>
            SelfAuthoredFilter.MakeAmbient(
                ApplyReviewBots(sender.Map(delivery))
                    .LimitedTo(hook.Rights)
                    .InNamespace($"hook:{hook.Namespace ?? delivery.HookName}"),
                hook.OwnLogins,
                author
            );

        // Only of a forge is it known who has written what.
        EventMapping ApplyReviewBots(EventMapping mapped) => author is null ? hook.ReviewBots.Apply(mapped) : mapped;
    }
}
