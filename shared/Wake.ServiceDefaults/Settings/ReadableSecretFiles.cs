using System.Runtime.Versioning;
using Microsoft.Extensions.Configuration;

namespace Wake.ServiceDefaults;

/// <summary>Files of the configuration that hold secrets and that every user of the machine can read.</summary>
public static class ReadableSecretFiles
{
    /// <summary>Those among the files of the folder of secrets and these of settings.</summary>
    /// <param name="folder">As <see cref="SecretFiles.DirectoryVariable"/> names it; null or empty when it does
    /// not.</param>
    /// <param name="settings">A file of settings as JSON, whether it is there or not.</param>
    /// <param name="environment">One with a line <c>NAME=value</c> for each.</param>
    public static IReadOnlyList<string> Find(string? folder, string settings, string environment)
    {
        if (OperatingSystem.IsWindows())
            return [];

        folder = Path.GetFullPath(folder is { Length: > 0 } ? folder : SecretFiles.DefaultDirectory);
        IEnumerable<string> secrets = Directory.Exists(folder) ? Directory.EnumerateFiles(folder).Order() : [];
        if (HasSecret(() => Settings(settings)))
            secrets = secrets.Append(settings);
        if (HasSecret(() => Variables(environment)))
            secrets = secrets.Append(environment);
        return [.. secrets.Where(IsReadableByAll)];
    }

    // Who may not come into a folder reads nothing in it.
    [UnsupportedOSPlatform("windows")]
    static bool IsReadableByAll(string file)
    {
        file = File.ResolveLinkTarget(file, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(file);
        if ((File.GetUnixFileMode(file) & UnixFileMode.OtherRead) == 0)
            return false;

        for (var folder = Path.GetDirectoryName(file); folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if ((File.GetUnixFileMode(folder) & UnixFileMode.OtherExecute) == 0)
                return false;
        }

        return true;
    }

    static bool HasSecret(Func<IEnumerable<bool>> file)
    {
        try
        {
            return file().Any(isSecret => isSecret);
        }
        catch (Exception unreadable)
            when (unreadable is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            // It is not there, or another check says what is wrong with it.
            return false;
        }
    }

    static IEnumerable<bool> Settings(string file) =>
        from setting in new ConfigurationBuilder().AddJsonFile(file).Build().AsEnumerable()
        select setting.Value is { Length: > 0 } value && PlaceholderSecrets.FindSecret(setting.Key, value) is not null;

    // Settings of Wake by their variables, and what claude and others read.
    static IEnumerable<bool> Variables(string file) =>
        from line in File.ReadLines(file)
        let parts = line.Trim().Split('=', 2)
        select parts is [var name, { Length: > 0 } value]
            && !name.StartsWith('#')
            && (
                Redaction.IsSecret(name)
                || PlaceholderSecrets.FindSecret(name.Replace("__", ":", StringComparison.Ordinal), value) is not null
            );
}
