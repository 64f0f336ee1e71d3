namespace Wake.ServiceDefaults;

/// <summary>Folders that are their user's alone.</summary>
public static class PrivateDirectory
{
    /// <summary>Entered, read and written by their user alone.</summary>
    public const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    static readonly Lazy<string> FallbackTemporary = new(() => Directory.CreateTempSubdirectory("wake-").FullName);

    /// <summary>Makes the folder; one that is there stays as somebody made it.</summary>
    public static void CreateIfMissing(string path)
    {
        if (!Directory.Exists(path))
            Create(path);
    }

    /// <summary>Makes the folder, or closes it to others if it is there.</summary>
    /// <exception cref="IOException">It is a link, or another user's: whoever made it decides what is in
    /// it.</exception>
    public static void Create(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path);
            return;
        }

        Directory.CreateDirectory(path, Mode);
        var found = FileIdentity.FromPath(path);
        if (found is not { IsDirectory: true })
            throw new IOException(
                $"{path} is a link, and others may decide where it leads. Put a folder of your own there."
            );
        if (found.Value.UserId != UnixFiles.EffectiveUserId)
            throw new IOException(
                $"{path} belongs to another user (uid {found.Value.UserId}). Delete it, or name another folder."
            );
        if (File.GetUnixFileMode(path) == Mode)
            return;

        // The folder that was looked at, whatever stands under its name by now.
        using var folder = UnixFiles.OpenDirectory(path, followLink: false);
        if (UnixFiles.Stat(folder) is { } opened && opened.IsSameAs(found.Value))
            UnixFiles.SetMode(folder, (int)Mode);
        else
            throw new IOException($"{path} was replaced while it was closed to others.");
    }

    /// <summary>
    /// Makes the folder, for whom the process's umask says.
    /// </summary>
    /// <exception cref="IOException">Something is there already: another may have put it there.</exception>
    public static void CreateExclusively(string path)
    {
        if (!OperatingSystem.IsWindows())
            UnixFiles.MakeDirectory(path);
        else if (Path.Exists(path))
            throw new IOException($"{path} exists.");
        else
            Directory.CreateDirectory(path);
    }

    /// <summary>
    /// The folder for Wake's temporary files: its user's alone in one that everybody may write to. Where another user
    /// has taken its name it is one without a name to guess.
    /// </summary>
    public static string GetTemporary()
    {
        var path = Path.Combine(
            Path.GetTempPath(),
            $"wake-{(OperatingSystem.IsWindows() ? 0 : UnixFiles.EffectiveUserId)}"
        );
        try
        {
            Create(path);
            return path;
        }
        catch (Exception taken) when (taken is IOException or UnauthorizedAccessException)
        {
            return FallbackTemporary.Value;
        }
    }
}
