using Microsoft.Extensions.Diagnostics.HealthChecks;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>Says that breakers are open. The coordinator is ready all the same: it takes events in.</summary>
sealed class BreakersHealth(Breakers breakers) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context,
        CancellationToken cancellationToken = default
    )
    {
        var (open, halfOpen) = await breakers.Count(cancellationToken);
        return open + halfOpen == 0
            ? HealthCheckResult.Healthy()
            : HealthCheckResult.Degraded(
                $"{open} breakers are open and {halfOpen} half-open. wake breakers lists them."
            );
    }
}
