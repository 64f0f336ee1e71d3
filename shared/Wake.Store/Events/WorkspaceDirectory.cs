using System.Runtime.InteropServices;

namespace Wake.Store;

/// <summary>Whether a directory to work in is there, or can be made, as far as this machine can say. Its runners may be
/// others.</summary>
public static class WorkspaceDirectory
{
    const int CanWrite = 2;

    /// <summary>Why a path cannot be a workspace, on any machine; null when it can. What .. means depends on the links
    /// before it.</summary>
    public static string? Problem(string path) =>
        Path.IsPathFullyQualified(path) && !HasParentSegment(path)
            ? null
            : "must be an absolute path without any .. in it.";

    /// <summary>Whether a path leads out of a directory again.</summary>
    public static bool HasParentSegment(string path) => path.Split('/', Path.DirectorySeparatorChar).Contains("..");

    /// <summary>Whether this process may write into a directory.</summary>
    public static bool IsWritable(string path) => OperatingSystem.IsWindows() || Access(path, CanWrite) == 0;

    /// <summary>Why the sessions of a route may find no directory to work in, as a sentence; null when nothing speaks
    /// against it.</summary>
    /// <param name="terms">The route, which is valid.</param>
    /// <param name="profiles">The profiles, as its runners have them as well.</param>
    public static string? Warning(RouteDefinition terms, Profiles profiles)
    {
        var workspace = terms.Workspace!;
        var mark = workspace.IndexOf(RouteDefinition.SessionPlaceholder, StringComparison.Ordinal);
        var isOfEach = mark >= 0;
        var path = isOfEach ? workspace[..(workspace.LastIndexOf('/', mark) is > 0 and var end ? end : 1)] : workspace;

        var there = path;
        while (!Path.Exists(there) && Path.GetDirectoryName(there) is { } parent)
            there = parent;

        if (!Directory.Exists(there))
            return $"{workspace} cannot be made on this machine: {there} is no directory.";

        if (!isOfEach && there == Path.TrimEndingDirectorySeparator(path))
            return IsWritable(there)
                ? null
                : $"{workspace} cannot be written to on this machine by the user Wake runs as.";

        var profile = terms.Profile ?? Profiles.DefaultName;
        if (profiles.GetOrDefault(profile).Repository is null)
        {
            return isOfEach
                ? $"The profile {profile} names no Repository, so each {workspace} has to be made by somebody else "
                    + "before its session's first turn."
                : $"{workspace} does not exist on this machine, and the profile {profile} names no Repository to "
                    + "make it from.";
        }

        return IsWritable(there)
            ? null
            : $"{workspace} cannot be made on this machine: {there} cannot be written to by the user Wake runs as.";
    }

    [DllImport("libc", EntryPoint = "access", BestFitMapping = false, ThrowOnUnmappableChar = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int Access([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int mode);
}
