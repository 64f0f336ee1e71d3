using System.Text.Json;

namespace Wake.Runner;

/// <summary>
/// Where the CLI keeps the transcript of a Claude session on this machine: <c>projects/NAME/ID.jsonl</c> below its
/// configuration folder, and in the folder <c>ID</c> beside it those of subagents and the long results of tools. It
/// moves both when the session enters a worktree (2.1.329), and people move projects.
/// </summary>
sealed class TranscriptFolder
{
    const int MaxHeadRows = 100;

    readonly string configFolder,
        name,
        expected;
    readonly Guid claudeSessionId;
    string parts = "";

    public TranscriptFolder(string configFolder, string workspace, Guid claudeSessionId)
    {
        (this.configFolder, this.claudeSessionId, name) = (configFolder, claudeSessionId, $"{claudeSessionId:D}.jsonl");
        expected = ProjectFolderFor(workspace);
        SetFolder(expected);
    }

    /// <summary>The folder it lies in, whether it exists or not.</summary>
    public string Folder { get; private set; } = "";

    /// <summary>The transcript itself, whether it exists or not.</summary>
    public string MainFile { get; private set; } = "";

    /// <summary>Other copies, which were older when it was looked for.</summary>
    public IReadOnlyList<string> OtherCopies { get; private set; } = [];

    /// <summary>Looks for it where the CLI does first, then in every project. False: it is where it was thought to
    /// be.</summary>
    public bool Locate()
    {
        if (RunUser.Impersonate(() => File.Exists(MainFile)))
            return false;

        var before = Folder;
        var found = RunUser.Impersonate(() =>
            File.Exists(Path.Combine(expected, name)) ? [] : ProjectFolder.TranscriptsOf(configFolder, claudeSessionId)
        );
        SetFolder(found is [var newest, ..] ? Path.GetDirectoryName(newest)! : expected);
        OtherCopies = [.. found.Skip(1)];
        return Folder != before;
    }

    /// <summary>
    /// The transcript, if a CLI that is started in a directory would look elsewhere first; null when it finds it by its
    /// id. Every CLI resumes a path from anywhere, an id only 2.1.329 and later, and only if no second copy is there.
    /// </summary>
    public string? ResumePathFrom(string directory) => Folder == ProjectFolderFor(directory) ? null : MainFile;

    /// <summary>A name beside the transcript that is not taken and that the CLI does not take for one.</summary>
    public string NewAsidePath(string what, DateTimeOffset now)
    {
        var stem = Path.Combine(Folder, $"{claudeSessionId:D}.{now.UtcDateTime:yyyyMMdd'T'HHmmss}");
        for (var number = 1; ; number++)
        {
            if (
                $"{stem}{(number == 1 ? "" : $"-{number}")}.{what}" is var free
                && !RunUser.Impersonate(() => File.Exists(free))
            )
                return free;
        }
    }

    /// <summary>The directory the session was begun in, as its transcript says; null when it does not, or there is
    /// none.</summary>
    public string? ReadStartDirectory()
    {
        Locate();
        if (!RunUser.Impersonate(() => File.Exists(MainFile)))
            return null;

        // It stands in the first row of any message.
        foreach (var row in RunUser.Impersonate(() => File.ReadLines(MainFile).Take(MaxHeadRows).ToList()))
        {
            try
            {
                using var json = JsonDocument.Parse(row);
                if (json.RootElement is { ValueKind: JsonValueKind.Object } found && found.Text("cwd") is { } directory)
                    return directory;
            }
            catch (JsonException)
            {
                // No row.
            }
        }

        return null;
    }

    /// <summary>The files there are, by their paths as the store names them.</summary>
    public IEnumerable<string> Paths()
    {
        if (RunUser.Impersonate(() => File.Exists(MainFile)))
            yield return "";

        if (!RunUser.Impersonate(() => Directory.Exists(parts)))
            yield break;

        // A name that is no text is read as another one, by which there is no file.
        foreach (
            var file in RunUser.Impersonate(() =>
                Directory
                    .EnumerateFiles(parts, "*", SearchOption.AllDirectories)
                    .Where(File.Exists)
                    .Order(StringComparer.Ordinal)
                    .ToList()
            )
        )
            yield return Path.GetRelativePath(parts, file).Replace(Path.DirectorySeparatorChar, '/');
    }

    /// <summary>A file by its path in the store.</summary>
    /// <exception cref="ArgumentException">The path leads out of the folder.</exception>
    public string FileOf(string path)
    {
        if (path.Length == 0)
            return MainFile;

        var file = Path.GetFullPath(Path.Combine(parts, path));
        return file.StartsWith(parts + Path.DirectorySeparatorChar, StringComparison.Ordinal)
            ? file
            : throw new ArgumentException($"{path} leads out of the transcript's folder.", nameof(path));
    }

    /// <summary>Opens a file that the CLI may be writing to.</summary>
    public static FileStream OpenShared(string file, long position = 0) =>
        RunUser.Impersonate(() =>
            new FileStream(
                file,
                FileMode.Open,
                FileAccess.Read,
                FileShare.ReadWrite | FileShare.Delete,
                bufferSize: 1,
                FileOptions.None
            )
            {
                Position = position,
            }
        );

    /// <summary>Whether a file consists of rows.</summary>
    public static bool IsJsonLines(string path) =>
        path.Length == 0 || path.EndsWith(".jsonl", StringComparison.Ordinal);

    string ProjectFolderFor(string directory) =>
        Path.Combine(configFolder, "projects", ProjectFolder.NameOf(directory));

    void SetFolder(string folder) =>
        (Folder, MainFile, parts) = (folder, Path.Combine(folder, name), Path.Combine(folder, $"{claudeSessionId:D}"));
}
