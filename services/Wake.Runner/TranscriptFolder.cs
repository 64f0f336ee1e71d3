namespace Wake.Runner;

/// <summary>
/// Where the CLI keeps the transcript of a Claude session on this machine: <c>projects/SLUG/ID.jsonl</c> below its
/// configuration folder, and in the folder <c>ID</c> beside it those of subagents and the long results of tools.
/// </summary>
sealed class TranscriptFolder
{
    // Longer ones the CLI cuts here and adds a hash of its own. Since 2.1.329 it finds a session under any name.
    const int MaxSlug = 200;

    readonly string parts;

    public TranscriptFolder(string configFolder, string workspace, Guid claudeSessionId)
    {
        var projects = Path.Combine(configFolder, "projects");
        var slug = string.Concat(workspace.Select(x => char.IsAsciiLetterOrDigit(x) ? x : '-'));
        var usual = Path.Combine(projects, slug[..Math.Min(slug.Length, MaxSlug)]);
        var name = $"{claudeSessionId:D}.jsonl";

        // A second copy would be one too many: the CLI then finds none of them from a third directory.
        Folder = File.Exists(Path.Combine(usual, name)) || !Directory.Exists(projects) ? usual
            : Directory.EnumerateDirectories(projects).FirstOrDefault(x => File.Exists(Path.Combine(x, name))) ?? usual;
        Main = Path.Combine(Folder, name);
        parts = Path.Combine(Folder, $"{claudeSessionId:D}");
    }

    /// <summary>The folder it lies in, whether it exists or not.</summary>
    public string Folder { get; }

    /// <summary>The transcript itself, whether it exists or not.</summary>
    public string Main { get; }

    /// <summary>The files there are, by their paths as the store names them.</summary>
    public IEnumerable<string> Paths()
    {
        if (File.Exists(Main))
            yield return "";

        if (!Directory.Exists(parts))
            yield break;

        foreach (var file in Directory.EnumerateFiles(parts, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            yield return Path.GetRelativePath(parts, file).Replace(Path.DirectorySeparatorChar, '/');
    }

    /// <summary>A file by its path in the store.</summary>
    /// <exception cref="ArgumentException">The path leads out of the folder.</exception>
    public string FileOf(string path)
    {
        if (path.Length == 0)
            return Main;

        var file = Path.GetFullPath(Path.Combine(parts, path));
        return file.StartsWith(parts + Path.DirectorySeparatorChar, StringComparison.Ordinal) ? file
            : throw new ArgumentException($"{path} leads out of the transcript's folder.", nameof(path));
    }

    /// <summary>Opens a file that the CLI may be writing to.</summary>
    public static FileStream Open(string file) =>
        new(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 1, FileOptions.None);

    /// <summary>Whether a file consists of rows.</summary>
    public static bool HasRows(string path) => path.Length == 0 || path.EndsWith(".jsonl", StringComparison.Ordinal);
}
