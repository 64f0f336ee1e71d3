using Microsoft.Extensions.Hosting;

namespace Wake.ServiceDefaults;

/// <summary>What every service begins with.</summary>
public static class Defaults
{
    /// <summary>Secrets, telemetry, PostgreSQL, health.</summary>
    public static IHostApplicationBuilder AddServiceDefaults(this IHostApplicationBuilder builder) =>
        builder.AddSecretFiles().AddTelemetry().AddPostgres().AddHealth();
}
