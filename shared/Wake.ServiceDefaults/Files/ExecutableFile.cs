namespace Wake.ServiceDefaults;

/// <summary>Tells files that may be executed from others.</summary>
public static class ExecutableFile
{
    const UnixFileMode AnyExecute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>Whether there is a file that somebody may execute. On Windows any file counts.</summary>
    public static bool Exists(string path) =>
        File.Exists(path) && (OperatingSystem.IsWindows() || (File.GetUnixFileMode(path) & AnyExecute) != 0);
}
