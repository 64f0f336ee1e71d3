using Wake.Producing;

namespace Wake.Producers.Webhooks;

/// <summary>The senders Wake knows.</summary>
public static class Senders
{
    /// <summary>The sender a hook is for.</summary>
    public static ISender Of(HookOptions hook) => hook.Sender switch
    {
        SenderKind.Standard => new StandardWebhooks(hook.Paths),
        SenderKind.GitLab => new GitLab(),
        SenderKind.Forgejo => new Forgejo("forgejo"),
        SenderKind.Gitea => new Forgejo("gitea"),
        SenderKind.CloudEvents => new CloudEvents(),
        SenderKind.Generic => new Generic(hook),
        var unknown => throw new InvalidOperationException($"Unknown sender {unknown}."),
    };
}
