using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Wake.ServiceDefaults;

/// <summary>What every service begins with.</summary>
public static class Defaults
{
    /// <summary>Secrets, telemetry, the rules of the HTTP door, PostgreSQL, health; and no section of the configuration
    /// is misspelt.</summary>
    public static IHostApplicationBuilder AddServiceDefaults(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<RejectsUnknownSections.Sections>().ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<RejectsUnknownSections.Sections>, RejectsUnknownSections>();
        builder.Services.AddHttpDoor();
        return builder.AddSecretFiles().AddTelemetry().AddPostgres().AddHealth();
    }
}
