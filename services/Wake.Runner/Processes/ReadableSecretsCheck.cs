using Wake.ServiceDefaults;

namespace Wake.Runner;

/// <summary>Says at the start which of the runner's files of secrets the user of runs can read, and so every
/// agent.</summary>
sealed class ReadableSecretsCheck(IConfiguration configuration, ILogger<ReadableSecretsCheck> log) : IHostedService
{
    /// <summary>The first such file; null when there is none, or no user of runs.</summary>
    public static string? FindReadable(string? folder)
    {
        folder = Path.GetFullPath(folder is { Length: > 0 } ? folder : SecretFiles.DefaultDirectory);
        if (RunUser.Current is null || !Directory.Exists(folder))
            return null;

        // The names are the settings', which everybody knows: a folder that cannot be listed may still be read from.
        return Directory.EnumerateFiles(folder).FirstOrDefault(file => RunUser.Impersonate(() => CanRead(file)));
    }

    static bool CanRead(string file)
    {
        try
        {
            using var opened = File.OpenHandle(file);
            return true;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (FindReadable(configuration[SecretFiles.DirectoryVariable]) is { } file)
            log.LogWarning(
                "{File} can be read by {User}, as whom turns run. Give it mode 0400 and the runner's user as its "
                    + "owner.",
                file,
                RunUser.Current!.Name
            );
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
