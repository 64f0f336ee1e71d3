using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Wake.ServiceDefaults;

/// <summary>
/// Settings as files, which is how Docker and Kubernetes hand secrets over: everybody who may look at a container sees
/// its variables.
/// </summary>
public static class SecretFiles
{
    /// <summary>Names the folder; without it, <see cref="DefaultDirectory"/>.</summary>
    public const string DirectoryVariable = "WAKE_SECRETS";

    /// <summary>Where Docker mounts secrets.</summary>
    public const string DefaultDirectory = "/run/secrets";

    /// <summary>
    /// Reads the folder, if it is there: a file is named like the variable that it stands for
    /// (<c>ConnectionStrings__Wake</c>) and counts more than that. Before anything that looks at the configuration.
    /// Wherever a secret stands, one that is still an example's placeholder stops the start, and so does one that lets
    /// in at two places.
    /// </summary>
    public static IHostApplicationBuilder AddSecretFiles(this IHostApplicationBuilder builder)
    {
        var files = Load(builder.Configuration[DirectoryVariable]);
        builder.Configuration.AddConfiguration(files);

        // The CLI of a turn gets its part of them from the environment.
        foreach (
            var (name, value) in files.AsEnumerable().Where(x => x.Key.StartsWith("OTEL_", StringComparison.Ordinal))
        )
            Environment.SetEnvironmentVariable(name, value);

        builder.Services.AddOptions<SecretsValidator.Secrets>().ValidateOnStart();
        builder.Services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IValidateOptions<SecretsValidator.Secrets>, SecretsValidator>()
        );
        return builder;
    }

    /// <summary>What the folder says, by the names that settings have in a configuration.</summary>
    /// <param name="folder">As <see cref="DirectoryVariable"/> names it; null or empty when it does not.</param>
    public static IConfiguration Load(string? folder) =>
        new ConfigurationBuilder()
            .AddKeyPerFile(Path.GetFullPath(folder is { Length: > 0 } ? folder : DefaultDirectory), optional: true)
            .Build();
}
