using Microsoft.Extensions.Diagnostics.HealthChecks;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>Says that results of turns do not reach GitHub. The producer is ready all the same: it observes. Anybody
/// may read it, so it names none of them.</summary>
public sealed class ReportsHealth(Reports reports) : IHealthCheck
{
    /// <summary>What the check is called.</summary>
    public const string Name = "reports";

    /// <inheritdoc />
    public async Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context,
        CancellationToken cancellationToken = default
    ) =>
        await reports.CountMissing(cancellationToken) is > 0 and var missing
            ? HealthCheckResult.Degraded($"{missing} results of turns of the last day were not reported.")
            : HealthCheckResult.Healthy();
}
