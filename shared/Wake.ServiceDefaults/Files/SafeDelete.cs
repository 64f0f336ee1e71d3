using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Wake.ServiceDefaults;

/// <summary>
/// Deletes a folder with all that is in it, and nothing else, whatever others do to it meanwhile: every step goes from
/// an open folder to what is in it, follows no link, crosses no mount, and leaves what belongs to another user.
/// </summary>
public static class SafeDelete
{
    /// <summary>Deletes it.</summary>
    /// <param name="path">The folder. Links in the path above it count.</param>
    /// <param name="made">Which one it must be; its files may then be whoever's it is. Null: it must be this process's
    /// user's.</param>
    /// <param name="owners">Further users whose files it may hold.</param>
    /// <exception cref="DirectoryNotFoundException">There is none.</exception>
    /// <exception cref="IOException">It is a link or another's, or something in it stays; the message says
    /// what.</exception>
    public static void DeleteDirectory(string path, FileIdentity? made = null, params uint[] owners)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.Delete(path, recursive: true);
            return;
        }

        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (Path.GetDirectoryName(full) is not { } above)
            throw new IOException($"{path} is not deleted: it is the root of all files.");

        using var parent = UnixFiles.OpenDirectory(above, followLink: true);
        var name = Marshal.StringToCoTaskMemUTF8(Path.GetFileName(full));
        try
        {
            Delete(full, parent, name, made, [UnixFiles.EffectiveUserId, .. owners]);
        }
        finally
        {
            Marshal.FreeCoTaskMem(name);
        }
    }

    static void Delete(string path, SafeFileHandle parent, nint name, FileIdentity? made, uint[] owners)
    {
        if (UnixFiles.Stat(parent, name) is not { } found)
            throw UnixFiles.CreateException(path);
        if (!found.IsDirectory)
            throw new IOException($"{path} is not deleted: it is no folder, or a link.");
        if (made is { } expected ? !found.IsSameAs(expected) : !owners.Contains(found.UserId))
        {
            var why = made is null ? $"it belongs to another user (uid {found.UserId})" : "another stands in its place";
            throw new IOException($"{path} is not deleted: {why}.");
        }

        using var folder = UnixFiles.OpenDirectory(parent, name) ?? throw UnixFiles.CreateException(path);
        if (UnixFiles.Stat(folder) is not { } opened || !opened.IsSameAs(found))
            throw new IOException($"{path} is not deleted: it was replaced meanwhile.");

        var deletion = new Deletion(path, folder, opened, made is null ? owners : [.. owners, found.UserId]);
        deletion.Empty();
        if (!UnixFiles.Delete(parent, name, directory: true))
            throw deletion.FirstFailure ?? UnixFiles.CreateException(path);
    }

    sealed class Deletion(string path, SafeFileHandle top, FileIdentity identity, uint[] owners)
    {
        // Each level holds a file open. What lies deeper is moved up and its turn comes.
        const int MaxDepth = 100;

        bool moved;

        /// <summary>The first that had to stay, and why.</summary>
        public IOException? FirstFailure { get; private set; }

        public void Empty() => Empty(top, 0);

        // Again until nothing more goes: a folder that changes while it is read may be read in part.
        void Empty(SafeFileHandle folder, int depth)
        {
            bool any;
            do
            {
                any = false;
                foreach (var name in UnixFiles.EnumerateNames(folder))
                    any |= Remove(folder, name, depth);
                if (depth == 0)
                    (any, moved) = (any | moved, false);
            } while (any);
        }

        bool Remove(SafeFileHandle folder, nint name, int depth)
        {
            // Gone by itself.
            if (UnixFiles.Stat(folder, name) is not { } found)
                return false;
            if (found.IsMount || found.Device != identity.Device)
                return RecordFailure(name, "something is mounted there");
            if (!owners.Contains(found.UserId))
                return RecordFailure(name, $"it belongs to another user (uid {found.UserId})");
            if (!found.IsDirectory)
                return UnixFiles.Delete(folder, name, directory: false) || RecordFailure(name, null);
            if (depth == MaxDepth)
                return (moved = UnixFiles.Move(folder, name, top, $"deep-{Guid.NewGuid():N}"))
                    || RecordFailure(name, null);

            using (var inside = UnixFiles.OpenDirectory(folder, name))
            {
                if (inside is null)
                    return RecordFailure(name, null);
                if (UnixFiles.Stat(inside) is not { } opened || !opened.IsSameAs(found))
                    return RecordFailure(name, "it was replaced meanwhile");

                // As caches of packages are.
                if ((found.Mode & (int)PrivateDirectory.Mode) != (int)PrivateDirectory.Mode)
                    UnixFiles.SetMode(inside, (int)PrivateDirectory.Mode);
                Empty(inside, depth + 1);
            }

            return UnixFiles.Delete(folder, name, directory: true) || RecordFailure(name, null);
        }

        bool RecordFailure(nint name, string? why)
        {
            FirstFailure ??= why is null
                ? UnixFiles.CreateException($"{path}: {Marshal.PtrToStringUTF8(name)} is not deleted")
                : new IOException($"{path}: {Marshal.PtrToStringUTF8(name)} is not deleted: {why}.");
            return false;
        }
    }
}
