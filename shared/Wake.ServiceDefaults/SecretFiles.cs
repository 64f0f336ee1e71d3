using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;

namespace Wake.ServiceDefaults;

/// <summary>
/// Settings as files, which is how Docker and Kubernetes hand secrets over: everybody who may look at a container sees its
/// variables.
/// </summary>
public static class SecretFiles
{
    /// <summary>Names the folder; without it, the one where Docker puts them.</summary>
    public const string Variable = "WAKE_SECRETS";

    /// <summary>
    /// Reads the folder, if it is there: a file is named like the variable that it stands for (<c>ConnectionStrings__Wake</c>)
    /// and counts more than that. Before anything that looks at the configuration.
    /// </summary>
    public static IHostApplicationBuilder AddSecretFiles(this IHostApplicationBuilder builder)
    {
        if (builder.Configuration[Variable] is not { Length: > 0 } folder)
            folder = "/run/secrets";

        builder.Configuration.AddKeyPerFile(Path.GetFullPath(folder), optional: true);
        return builder;
    }
}
