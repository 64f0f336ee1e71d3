using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace Wake.Runner;

/// <summary>Readiness: a runner that takes no work says why. One that is busy is healthy.</summary>
sealed class RunnerHealth(
    RunnerEndpoints endpoints,
    RunnerSlots slots,
    RunnerPause pause,
    RunnerDrain drain,
    IOptions<RunnerOptions> options
) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context,
        CancellationToken cancellationToken = default
    )
    {
        if (pause.Reason is { } why)
            return Task.FromResult(HealthCheckResult.Unhealthy(why));

        // As somebody wanted it.
        if (drain.IsDrained)
            return Task.FromResult(HealthCheckResult.Healthy("Drained."));

        var isBusy = slots.Taken >= options.Value.Slots;
        return Task.FromResult(
            endpoints.IsConsuming || isBusy
                ? HealthCheckResult.Healthy()
                : HealthCheckResult.Unhealthy("Not consuming.")
        );
    }
}
