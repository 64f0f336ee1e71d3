using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Wake.ServiceDefaults;

/// <summary>
/// Files by the folder they are in, as open, and not by a path that another may change under way. Linux and macOS;
/// names are bytes that need not be text.
/// </summary>
static class UnixFiles
{
    static readonly bool Mac = OperatingSystem.IsMacOS(),
        Arm = RuntimeInformation.ProcessArchitecture is Architecture.Arm64;

    // macOS on x64 keeps the names without it for programs of before 2007.
    static readonly bool MacX64 = Mac && !Arm;

    // fcntl.h of each.
    static readonly int WorkingDirectory = Mac ? -2 : -100;
    static readonly int NoLink = Mac ? 0x20 : 0x100;
    static readonly int RemoveDirectory = Mac ? 0x80 : 0x200;
    static readonly int OpenNoLink =
        Mac ? 0x100
        : Arm ? 0x8000
        : 0x20000;
    static readonly int OpenOnlyDirectory =
        (
            Mac ? 0x100000
            : Arm ? 0x4000
            : 0x10000
        ) | (Mac ? 0x1000000 : 0x80000);

    // struct statx { … uid @20 … mode @28, ino @32 … attributes @8 … dev_major @136, dev_minor @140 }, and stat of
    // macOS.
    const int StatLength = 256,
        BasicStats = 0x7FF,
        MountRoot = 0x2000;

    const int NoSuchFile = 2,
        Exists = 17;

    // struct dirent: d_name after inode, offset, length and type.
    static readonly int NameOffset = Mac ? 21 : 19;

    /// <summary>Whom this process acts as.</summary>
    public static uint EffectiveUserId => geteuid();

    public static FileIdentity? Stat(string path) => WithName(path, name => Stat(WorkingDirectory, name));

    public static FileIdentity? Stat(SafeFileHandle folder) => WithName(".", name => Stat(folder, name));

    public static FileIdentity? Stat(SafeFileHandle folder, nint name) => Stat((int)folder.DangerousGetHandle(), name);

    static FileIdentity? Stat(int folder, nint name)
    {
        var found = new byte[StatLength];
        if (Mac)
        {
            var failed = MacX64
                ? fstatat64(folder, name, ref found[0], NoLink)
                : fstatat(folder, name, ref found[0], NoLink);
            return failed != 0
                ? null
                : new(
                    BitConverter.ToUInt32(found, 0),
                    BitConverter.ToUInt64(found, 8),
                    BitConverter.ToUInt32(found, 16),
                    BitConverter.ToUInt16(found, 4),
                    false
                );
        }

        return statx(folder, name, NoLink, BasicStats, ref found[0]) != 0
            ? null
            : new(
                (ulong)BitConverter.ToUInt32(found, 136) << 32 | BitConverter.ToUInt32(found, 140),
                BitConverter.ToUInt64(found, 32),
                BitConverter.ToUInt32(found, 20),
                BitConverter.ToUInt16(found, 28),
                (BitConverter.ToUInt64(found, 8) & MountRoot) != 0
            );
    }

    /// <exception cref="IOException">There is none, or none that may be read.</exception>
    public static SafeFileHandle OpenDirectory(string path, bool followLink) =>
        WithName(path, name => openat(WorkingDirectory, name, OpenOnlyDirectory | (followLink ? 0 : OpenNoLink)))
            is var opened
                and >= 0
            ? new(opened, ownsHandle: true)
            : throw CreateException(path);

    /// <summary>A folder in another; null when there is none, or a link, or it may not be read.</summary>
    public static SafeFileHandle? OpenDirectory(SafeFileHandle folder, nint name) =>
        openat((int)folder.DangerousGetHandle(), name, OpenOnlyDirectory | OpenNoLink) is var opened and >= 0
            ? new(opened, ownsHandle: true)
            : null;

    public static bool Delete(SafeFileHandle folder, nint name, bool directory) =>
        unlinkat((int)folder.DangerousGetHandle(), name, directory ? RemoveDirectory : 0) == 0;

    public static bool Move(SafeFileHandle folder, nint name, SafeFileHandle to, string newName) =>
        WithName(newName, x => renameat((int)folder.DangerousGetHandle(), name, (int)to.DangerousGetHandle(), x)) == 0;

    public static void SetMode(SafeFileHandle file, int mode)
    {
        if (fchmod((int)file.DangerousGetHandle(), (uint)mode) != 0)
            throw CreateException("a folder");
    }

    /// <exception cref="IOException">It cannot be made, or something is there.</exception>
    public static void MakeDirectory(string path)
    {
        // Everybody's, as far as the umask lets it.
        if (WithName(path, name => mkdir(name, 0x1FF)) != 0)
            throw Marshal.GetLastPInvokeError() == Exists
                ? new IOException($"{path} exists already, and was made by somebody else.")
                : CreateException(path);
    }

    /// <summary>The names in a folder. Each is good until the next.</summary>
    public static IEnumerable<nint> EnumerateNames(SafeFileHandle folder)
    {
        // Of its own: two that read one and the same share a place.
        var again = WithName(".", name => openat((int)folder.DangerousGetHandle(), name, OpenOnlyDirectory));
        var stream =
            again < 0 ? 0
            : MacX64 ? fdopendir64(again)
            : fdopendir(again);
        if (stream == 0)
            throw CreateException("a folder");

        try
        {
            while ((MacX64 ? readdir64(stream) : readdir(stream)) is var entry and not 0)
            {
                if (!IsItself(entry + NameOffset))
                    yield return entry + NameOffset;
            }
        }
        finally
        {
            _ = closedir(stream);
        }
    }

    // "." and "..".
    static bool IsItself(nint name) =>
        Marshal.ReadByte(name) == '.'
        && (Marshal.ReadByte(name, 1) == 0 || Marshal.ReadByte(name, 1) == '.' && Marshal.ReadByte(name, 2) == 0);

    static T WithName<T>(string name, Func<nint, T> act)
    {
        var bytes = Marshal.StringToCoTaskMemUTF8(name);
        try
        {
            return act(bytes);
        }
        finally
        {
            // Keeps the error of the call.
            var error = Marshal.GetLastPInvokeError();
            Marshal.FreeCoTaskMem(bytes);
            Marshal.SetLastPInvokeError(error);
        }
    }

    public static IOException CreateException(string what)
    {
        var error = Marshal.GetLastPInvokeError();
        var message = $"{what}: {new Win32Exception(error).Message}";
        return error == NoSuchFile ? new DirectoryNotFoundException(message) : new IOException(message);
    }

    [DllImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern uint geteuid();

    [DllImport("libc", EntryPoint = "statx", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int statx(int folder, nint name, int flags, uint wanted, ref byte found);

    [DllImport("libc", EntryPoint = "fstatat", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int fstatat(int folder, nint name, ref byte found, int flags);

    [DllImport("libc", EntryPoint = "fstatat$INODE64", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int fstatat64(int folder, nint name, ref byte found, int flags);

    [DllImport("libc", EntryPoint = "openat", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int openat(int folder, nint name, int flags);

    [DllImport("libc", EntryPoint = "unlinkat", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int unlinkat(int folder, nint name, int flags);

    [DllImport("libc", EntryPoint = "renameat", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int renameat(int folder, nint name, int to, nint newName);

    [DllImport("libc", EntryPoint = "fchmod", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int fchmod(int file, uint mode);

    [DllImport("libc", EntryPoint = "mkdir", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int mkdir(nint name, uint mode);

    [DllImport("libc", EntryPoint = "fdopendir", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern nint fdopendir(int folder);

    [DllImport("libc", EntryPoint = "fdopendir$INODE64", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern nint fdopendir64(int folder);

    [DllImport("libc", EntryPoint = "readdir", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern nint readdir(nint stream);

    [DllImport("libc", EntryPoint = "readdir$INODE64", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern nint readdir64(nint stream);

    [DllImport("libc", EntryPoint = "closedir")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int closedir(nint stream);
}
