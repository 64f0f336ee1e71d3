using Microsoft.Extensions.Options;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>Writes the limits into the store when the coordinator starts, before it takes anything in.</summary>
sealed class ConfiguredBreakers(Breakers breakers, IOptions<BreakerOptions> options) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken) =>
        breakers.Replace(
            options.Value.Limits(),
            options.Value.OpenFor,
            options.Value.MaxOpenFor,
            options.Value.OwnLogins,
            cancellationToken
        );

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
