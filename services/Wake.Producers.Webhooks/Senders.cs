using Wake.Contracts;
using Wake.Producing;

namespace Wake.Producers.Webhooks;

/// <summary>The senders Wake knows.</summary>
public static class Senders
{
    /// <summary>The sender a hook is for.</summary>
    public static ISender Of(HookOptions hook) =>
        hook.Sender switch
        {
            SenderKind.Standard => new Own(hook, new StandardWebhooks(hook.Paths), x => x.Actor),
            SenderKind.GitLab => new Own(hook, new GitLab()),
            SenderKind.Forgejo => new Own(hook, new Forgejo("forgejo")),
            SenderKind.Gitea => new Own(hook, new Forgejo("gitea")),
            SenderKind.CloudEvents => new Own(hook, new CloudEvents(), x => x.Actor),
            SenderKind.Generic => new Own(hook, new Generic(hook), x => x.Actor),
            var unknown => throw new InvalidOperationException($"Unknown sender {unknown}."),
        };

    // What a described sender reports of the sessions' own login is ambient, whatever it is: what is written nobody can
    // tell there.
    sealed class Own(HookOptions hook, ISender sender, Func<ExternalEventObserved, string?>? author = null) : ISender
    {
        public string? Refusal(HookRequest delivery, IReadOnlyList<string> secrets, DateTimeOffset now) =>
            sender.Refusal(delivery, secrets, now);

        public Mapped Map(HookRequest delivery) =>
            SelfAuthoredFilter.MakeAmbient(
                sender.Map(delivery).LimitedTo(hook.Rights).InNamespace($"hook:{hook.Namespace ?? delivery.Hook}"),
                hook.OwnLogins,
                author
            );
    }
}
