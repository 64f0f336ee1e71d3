using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Wake.ServiceDefaults;

/// <summary>What every service begins with.</summary>
public static class ServiceDefaultsExtensions
{
    /// <summary>
    /// Adds secret files, telemetry, HTTP limits, PostgreSQL and health checks, and rejects unknown configuration
    /// sections at start.
    /// </summary>
    public static IHostApplicationBuilder AddServiceDefaults(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<UnknownSectionsValidator.Sections>().ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<UnknownSectionsValidator.Sections>, UnknownSectionsValidator>();
        builder.Services.AddHttpServerDefaults();
        return builder.AddSecretFiles().AddTelemetry().AddPostgres().AddHealth();
    }
}
