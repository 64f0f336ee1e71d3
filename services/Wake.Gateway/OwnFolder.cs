namespace Wake.Gateway;

/// <summary>Folders that are their user's alone.</summary>
static class OwnFolder
{
    const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Makes the folder; one that is there stays as somebody made it.</summary>
    public static void CreateMissing(string path)
    {
        if (!Directory.Exists(path))
            Create(path);
    }

    /// <summary>Makes the folder, or closes it to others if it is there.</summary>
    public static void Create(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path);
            return;
        }

        Directory.CreateDirectory(path, Mode);
        if (File.GetUnixFileMode(path) != Mode)
            File.SetUnixFileMode(path, Mode);
    }
}
