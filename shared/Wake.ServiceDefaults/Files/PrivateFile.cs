namespace Wake.ServiceDefaults;

/// <summary>Files that are their user's alone, from their first byte on.</summary>
public static class PrivateFile
{
    /// <summary>Read and written by their user alone.</summary>
    public const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>
    /// Writes the file anew. It is renamed into place: a reader finds the whole of it or none, a link that stands there
    /// is replaced and not followed, and permissions that somebody gave an earlier one are gone with it.
    /// </summary>
    /// <param name="path">Where.</param>
    /// <param name="content">What is in it.</param>
    /// <param name="mode">Who may read it, where that is not only its user.</param>
    public static void WriteAtomically(string path, string content, UnixFileMode mode = Mode)
    {
        // A new file, or none: what another has put there under that name is not opened.
        var draft = $"{path}.{Guid.NewGuid():N}.new";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = mode;

        try
        {
            using (var file = new StreamWriter(draft, options))
                file.Write(content);
            File.Move(draft, path, overwrite: true);
        }
        catch
        {
            File.Delete(draft);
            throw;
        }
    }
}
