using Microsoft.Extensions.Options;

namespace Wake.Producers.Webhooks;

/// <summary>
/// Warns of tokens that somebody may find by trying. What is genuine always gets in, so trying is slow only as far as a
/// token is long.
/// </summary>
sealed class ShortTokenWarning(IOptions<WebhooksOptions> options, ILogger<ShortTokenWarning> log) : IHostedService
{
    const int MinTokenLength = 16;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var (name, hook) in options.Value.Hooks.Where(x => !x.Value.SignsBody))
        {
            // A signing token of GitLab's never travels.
            if (hook.Secrets.Any(x => x.Length < MinTokenLength && !StandardWebhooksProvider.IsSecret(x)))
                log.LogWarning(
                    "The token of the hook {Hook} has fewer than {Enough} characters, and may be found by trying. "
                        + "openssl rand -hex 24 makes a good one.",
                    name,
                    MinTokenLength
                );
        }

        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
