namespace Wake.Terminal;

/// <summary>
/// The files of a session's transcript: <c>ID.jsonl</c>, and in the folder <c>ID</c> beside it those of subagents and
/// the long results of tools.
/// </summary>
sealed class TranscriptFiles(Guid session, string? transcript)
{
    readonly string name = $"{session:D}.jsonl";
    FileInfo? main = transcript is null ? null : new(transcript);
    (long, DateTime) seen;

    /// <summary>Whether the transcript itself has changed since this was asked last.</summary>
    public bool MainHasChanged
    {
        get
        {
            var before = seen;
            if (main is null)
                return false;

            main.Refresh();
            seen = main.Exists ? (main.Length, main.LastWriteTimeUtc) : default;
            return seen != before;
        }
    }

    /// <summary>All of them, by their paths as Wake names them.</summary>
    public IEnumerable<(string Path, FileInfo File)> List()
    {
        main?.Refresh();

        // The CLI takes it along when the session enters a worktree.
        if (main is not { Exists: true } && Find() is { } moved)
            main = moved;
        if (main is not { Exists: true })
            yield break;

        yield return ("", main);

        var parts = Path.Combine(main.DirectoryName!, $"{session:D}");
        if (!Directory.Exists(parts))
            yield break;

        foreach (var file in new DirectoryInfo(parts).EnumerateFiles("*", SearchOption.AllDirectories))
            yield return (Path.GetRelativePath(parts, file.FullName).Replace(Path.DirectorySeparatorChar, '/'), file);
    }

    /// <summary>Whether a file consists of rows.</summary>
    public static bool IsRows(string path) => path.Length == 0 || path.EndsWith(".jsonl", StringComparison.Ordinal);

    /// <summary>Opens a file that the CLI may be writing to.</summary>
    public static FileStream OpenShared(string file) =>
        new(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);

    FileInfo? Find()
    {
        var projects = new DirectoryInfo(Path.Combine(ClaudeFolders.Config, "projects"));
        return projects.Exists
            ? projects
                .EnumerateDirectories()
                .Select(x => new FileInfo(Path.Combine(x.FullName, name)))
                .Where(x => x.Exists)
                .MaxBy(x => x.LastWriteTimeUtc)
            : null;
    }
}
