using System.Security.Cryptography;
using System.Text;
using Wake.ServiceDefaults;

namespace Wake.Standalone;

/// <summary>
/// Where the PostgreSQL of a data folder has its files: in the data folder, or elsewhere when Wake runs as root and the
/// user that PostgreSQL runs as cannot get there.
/// </summary>
/// <param name="Path">The folder that holds <c>postgres/</c>.</param>
/// <param name="Note">What people should know about it, in a sentence; null when it is where they would look.</param>
sealed record PostgresFolder(string Path, string? Note)
{
    const string ExternalRoot = "/var/lib/wake";

    // Others may pass through it and not look into it.
    const UnixFileMode TraversableMode = PrivateDirectory.Mode | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    // In a folder elsewhere: whose it is.
    const string OwnerFile = "data-folder";

    /// <summary>
    /// The data folder itself if that user can get to it once it lets others pass, else one elsewhere: the folders
    /// above it are not ours to open. A link in the data folder leads there.
    /// </summary>
    public static PostgresFolder Prepare(string dataFolder)
    {
        if (OperatingSystem.IsWindows() || !Environment.IsPrivilegedProcess)
            return new(dataFolder, null);

        if (IsTraversable(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(dataFolder))))
        {
            File.SetUnixFileMode(
                dataFolder,
                File.GetUnixFileMode(dataFolder) | UnixFileMode.OtherExecute | UnixFileMode.GroupExecute
            );
            return new(dataFolder, null);
        }

        var (instead, link) = (ExternalPathFor(dataFolder), System.IO.Path.Combine(dataFolder, "postgres"));
        var (linked, left) = (
            System.IO.Path.Exists(link),
            Directory.Exists(System.IO.Path.Combine(instead, "postgres"))
        );
        Directory.CreateDirectory(instead, TraversableMode);
        PrivateFile.WriteAtomically(
            System.IO.Path.Combine(instead, OwnerFile),
            dataFolder,
            PrivateFile.Mode | UnixFileMode.GroupRead | UnixFileMode.OtherRead
        );
        if (!linked)
            File.CreateSymbolicLink(link, System.IO.Path.Combine(instead, "postgres"));

        return new(
            instead,
            $"PostgreSQL cannot enter {dataFolder} as an unprivileged user, so its files are in {instead}."
                + (
                    linked || !left
                        ? ""
                        : " They were left there when the data folder was deleted, and Wake goes on with them; "
                            + $"to begin anew, stop Wake and delete {instead}."
                )
        );
    }

    /// <summary>The folder elsewhere that a data folder has, if it has one.</summary>
    public static string? FindExternal(string dataFolder) =>
        !OperatingSystem.IsWindows()
        && ExternalPathFor(System.IO.Path.GetFullPath(dataFolder)) is var folder
        && Directory.Exists(folder)
            ? folder
            : null;

    /// <summary>Folders elsewhere whose data folder is gone, with its path.</summary>
    public static IReadOnlyList<(string Path, string DataFolder)> FindOrphaned()
    {
        try
        {
            return
            [
                .. from folder in Directory.Exists(ExternalRoot) ? Directory.GetDirectories(ExternalRoot) : []
                let owner = System.IO.Path.Combine(folder, OwnerFile)
                where File.Exists(owner)
                let data = File.ReadAllText(owner)
                where !Directory.Exists(data)
                select (folder, data),
            ];
        }
        catch (UnauthorizedAccessException)
        {
            // Root's, and this user is not.
            return [];
        }
    }

    static string ExternalPathFor(string dataFolder) =>
        System.IO.Path.Combine(
            ExternalRoot,
            Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(dataFolder)))[..12]
        );

    [System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
    static bool IsTraversable(string? folder)
    {
        for (; folder is not null; folder = System.IO.Path.GetDirectoryName(folder))
        {
            if (!File.GetUnixFileMode(folder).HasFlag(UnixFileMode.OtherExecute))
                return false;
        }

        return true;
    }
}
