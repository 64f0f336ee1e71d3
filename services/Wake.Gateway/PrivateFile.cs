namespace Wake.Gateway;

/// <summary>Files that are their user's alone, from their first byte on.</summary>
public static class PrivateFile
{
    /// <summary>
    /// Writes the file anew. It is renamed into place: a reader finds the whole of it or none, a link that stands there is replaced
    /// and not followed, and permissions that somebody gave an earlier one are gone with it.
    /// </summary>
    public static void Write(string path, string content)
    {
        var draft = $"{path}.{Guid.NewGuid():N}.new";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;

        using (var file = new StreamWriter(draft, options))
            file.Write(content);
        File.Move(draft, path, overwrite: true);
    }
}
