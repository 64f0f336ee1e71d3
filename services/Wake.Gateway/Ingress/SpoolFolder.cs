using Wake.ServiceDefaults;

namespace Wake.Gateway;

/// <summary>
/// A folder to drop events in: any file <c>*.json</c> with one event or an array of them, written under another name
/// and renamed when it is whole. It is moved to <c>taken/</c> before it is read, where its new name is its identity for
/// good, and deleted once its events are committed; what is wrong goes to <c>bad/</c>, with the reason beside it. The
/// command puts requests to wake a session there too.
/// </summary>
public sealed class SpoolFolder(string path)
{
    /// <summary>The largest file, in bytes: what is too much for one request is too much for one file.</summary>
    public const int MaxBytes = RequestBody.MaxBytes;

    // Files looked at in one go; the rest a second later.
    const int MaxFilesPerScan = 1000;

    const string EventsSuffix = ".json",
        WakeSuffix = ".wake.json";

    const string ReasonSuffix = ".reason",
        ReportedSuffix = ".told";

    // Whoever drops nonsense without end shall not fill the disk.
    const int MaxBadFiles = 1000;

    // Enough to recognize the file by, short enough that the longest name of a file stays one.
    const int MaxNameLength = 50;

    /// <summary>Its absolute path.</summary>
    public string FullPath { get; } = Path.GetFullPath(path);

    /// <summary>Where files end that hold no events, or none that reached the session they were for.</summary>
    public string Bad => Path.Combine(FullPath, "bad");

    string Taken => Path.Combine(FullPath, "taken");

    /// <summary>Makes the folder, its user's alone, if it is not there.</summary>
    public void Create()
    {
        PrivateDirectory.CreateIfMissing(Path.GetDirectoryName(FullPath)!);
        foreach (var folder in (string[])[FullPath, Taken, Bad])
            PrivateDirectory.Create(folder);
    }

    /// <summary>Drops one event or an array of them, for whenever Wake runs. Returns the file.</summary>
    public string Put(ReadOnlySpan<byte> json) => Put(json, EventsSuffix);

    /// <summary>The same for a request to wake a session.</summary>
    public string Put(SpooledWake wake) => Put(wake.ToJson(), WakeSuffix);

    string Put(ReadOnlySpan<byte> json, string extension)
    {
        Create();
        var file = Path.Combine(FullPath, $"{Guid.CreateVersion7():N}{extension}");
        var draft = file + ".new";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = PrivateFile.Mode;
        using (var stream = new FileStream(draft, options))
        {
            stream.Write(json);
            stream.Flush(flushToDisk: true);
        }

        File.Move(draft, file);
        return file;
    }

    /// <summary>Whether a file is a request to wake a session.</summary>
    internal static bool IsWake(FileInfo file) => file.Name.EndsWith(WakeSuffix, StringComparison.Ordinal);

    /// <summary>Moves what was dropped to where it is nobody else's, and returns what is there, the oldest
    /// first.</summary>
    internal IReadOnlyList<FileInfo> ClaimFiles()
    {
        // Somebody may have cleared it away.
        Create();
        foreach (var dropped in new DirectoryInfo(FullPath).EnumerateFiles($"*{EventsSuffix}").Take(MaxFilesPerScan))
        {
            var name = dropped.Name[..Math.Min(MaxNameLength, dropped.Name.Length)];
            if (IsWake(dropped) && !name.EndsWith(WakeSuffix, StringComparison.Ordinal))
                name = WakeSuffix;
            try
            {
                File.Move(dropped.FullName, Path.Combine(Taken, $"{Guid.CreateVersion7():N}-{name}"));
            }
            catch (FileNotFoundException)
            {
                // Another process has it, its owner took it back, or its name is no text and nobody here can say it.
            }
        }

        return
        [
            .. new DirectoryInfo(Taken)
                .EnumerateFiles()
                .Take(MaxFilesPerScan)
                .OrderBy(x => x.LastWriteTimeUtc)
                .ThenBy(x => x.Name, StringComparer.Ordinal),
        ];
    }

    /// <summary>Moves a file to where a person finds it, with the reason beside it.</summary>
    internal void MoveToBad(FileInfo taken, string reason)
    {
        File.WriteAllText(Path.Combine(Bad, taken.Name + ReasonSuffix), reason + "\n");
        File.Move(taken.FullName, Path.Combine(Bad, taken.Name), overwrite: true);

        // Each has up to three files. Their names begin with the time.
        foreach (
            var old in new DirectoryInfo(Bad)
                .GetFiles()
                .OrderByDescending(x => x.Name, StringComparer.Ordinal)
                .Skip(3 * MaxBadFiles)
        )
            old.Delete();
    }

    /// <summary>The files that were set aside and that nobody was told of yet, with the reasons. Each is named
    /// once.</summary>
    public IReadOnlyList<(string File, string Reason)> TakeUnreported()
    {
        if (!Directory.Exists(Bad))
            return [];

        List<(string, string)> untold = [];
        foreach (var reason in Directory.EnumerateFiles(Bad, $"*{ReasonSuffix}").Order(StringComparer.Ordinal))
        {
            var file = reason[..^ReasonSuffix.Length];
            if (File.Exists(file + ReportedSuffix))
                continue;

            try
            {
                using (new FileStream(file + ReportedSuffix, FileMode.CreateNew, FileAccess.Write))
                    untold.Add((file, File.ReadAllText(reason).Trim()));
            }
            catch (Exception taken) when (taken is IOException or UnauthorizedAccessException)
            {
                // Another command tells of it, or it is another user's.
            }
        }

        return untold;
    }
}
