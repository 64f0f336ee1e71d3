using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Wake.ServiceDefaults;

/// <summary>
/// <c>/health/live</c>: the process runs; a restart would not help against anything else. <c>/health/ready</c>: it can
/// do its work, that is PostgreSQL and the bus answer.
/// </summary>
public static class Health
{
    /// <summary>What a check must be tagged with to count for readiness.</summary>
    public const string ReadyTag = "ready";

    /// <summary>How long a check that asks PostgreSQL may take. Whoever probes has an answer by then also where the
    /// database hangs.</summary>
    public static readonly TimeSpan QueryTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Adds the checks every service has.</summary>
    public static IHostApplicationBuilder AddHealth(this IHostApplicationBuilder builder)
    {
        builder
            .Services.AddHealthChecks()
            .AddCheck<PostgresHealthCheck>("postgres", tags: [ReadyTag], timeout: QueryTimeout);
        return builder;
    }

    /// <summary>Maps the two endpoints. The bodies name the checks and the reasons they give, and never carry what an
    /// exception said.</summary>
    public static void MapHealth(this IEndpointRouteBuilder routes)
    {
        routes
            .MapHealthChecks("/health/live", new() { Predicate = _ => false, ResponseWriter = Write })
            .AllowAnonymous();
        routes
            .MapHealthChecks(
                "/health/ready",
                new() { Predicate = check => check.Tags.Contains(ReadyTag), ResponseWriter = Write }
            )
            .AllowAnonymous();
    }

    static Task Write(HttpContext http, HealthReport report) =>
        http.Response.WriteAsJsonAsync(
            new
            {
                status = report.Status.ToString(),
                checks = report.Entries.ToDictionary(x => x.Key, x => x.Value.Status.ToString()),
                reasons = report
                    .Entries.Where(x =>
                        x.Value is { Status: not HealthStatus.Healthy, Description: not null, Exception: null }
                    )
                    .ToDictionary(x => x.Key, x => x.Value.Description),
            }
        );

    sealed class PostgresHealthCheck(NpgsqlDataSource database) : IHealthCheck
    {
        public async Task<HealthCheckResult> CheckHealthAsync(
            HealthCheckContext context,
            CancellationToken cancel = default
        )
        {
            await using var command = database.CreateCommand("select 1");
            await command.ExecuteScalarAsync(cancel);
            return HealthCheckResult.Healthy();
        }
    }
}
