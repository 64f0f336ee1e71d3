using System.Globalization;

namespace Wake.ServiceDefaults;

/// <summary>Which file or folder it is, whatever its name is and whoever has renamed it.</summary>
/// <param name="Device">The file system it is on.</param>
/// <param name="Inode">Its number there.</param>
/// <param name="UserId">Whose it is.</param>
/// <param name="Mode">Its type and permissions.</param>
/// <param name="IsMount">Whether another file system, or another part of this one, is mounted there.</param>
public readonly record struct FileIdentity(ulong Device, ulong Inode, uint UserId, int Mode, bool IsMount)
{
    const int TypeMask = 0xF000,
        Directory = 0x4000;

    /// <summary>Whether it is a folder, and no link to one.</summary>
    public bool IsDirectory => (Mode & TypeMask) == Directory;

    /// <summary>What is under a path, links not followed; null when nothing is, or the system does not say.</summary>
    public static FileIdentity? FromPath(string path) => OperatingSystem.IsWindows() ? null : UnixFiles.Stat(path);

    /// <summary>Whether both are the same one.</summary>
    public bool IsSameAs(FileIdentity other) => Device == other.Device && Inode == other.Inode;

    /// <summary>To be kept in a file: the device and the number.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Device}:{Inode}");

    /// <summary>What was kept; null when it is not that. Only good for <see cref="IsSameAs"/>.</summary>
    public static FileIdentity? Parse(string text) =>
        text.Trim().Split(':') is [var device, var inode]
        && ulong.TryParse(device, CultureInfo.InvariantCulture, out var on)
        && ulong.TryParse(inode, CultureInfo.InvariantCulture, out var number)
            ? new(on, number, 0, 0, false)
            : null;
}
