using System.Security.Cryptography;
using Wake.Store;

namespace Wake.Runner;

/// <summary>What is known of the files of a transcript: as the store has them, and as far as they were read
/// here.</summary>
sealed class TranscriptFiles : IDisposable
{
    readonly Dictionary<string, TranscriptReader> readers = [];
    readonly Dictionary<string, (long Length, DateTime Written)> seen = [];

    /// <summary>As the store has them, by their paths.</summary>
    public Dictionary<string, TranscriptFile> Stored { get; } = [];

    /// <summary>What has read a file that consists of rows; null when nothing has.</summary>
    public TranscriptReader? ReaderOf(string path) => readers.GetValueOrDefault(path);

    /// <summary>Reads a file of rows on, from its beginning if nothing has read it.</summary>
    public async Task<TranscriptReader> ReadRows(TranscriptFolder folder, string path, CancellationToken cancel)
    {
        if (!readers.TryGetValue(path, out var reader))
            readers[path] = reader = new();

        await reader.ReadAppended(folder.FileOf(path), Stored.GetValueOrDefault(path)?.Bytes ?? 0, cancel);
        return reader;
    }

    /// <summary>The file is another one now, or has to be looked at again.</summary>
    public void Invalidate(string path)
    {
        seen.Remove(path);
        if (readers.Remove(path, out var reader))
            reader.Dispose();
    }

    /// <summary>Nothing is known any more but what was found in the store.</summary>
    public void Reset(StoredTranscript? found)
    {
        Dispose();
        Stored.Clear();
        foreach (var file in found?.Files ?? [])
            Stored[file.Path] = file;
    }

    void MarkSeen(TranscriptFolder folder, string path) => seen[path] = StampOf(folder, path);

    bool IsUnchanged(TranscriptFolder folder, string path) =>
        seen.TryGetValue(path, out var then) && then == StampOf(folder, path);

    /// <summary>Whether the files are on this machine as they were left, and the store has none but these.</summary>
    public bool AreUnchanged(TranscriptFolder folder, StoredTranscript? found)
    {
        var here = folder.Paths().ToList();
        return found is not null
            && here.Count == Stored.Count
            && found.Files.Count == Stored.Count
            && found.Files.All(x =>
                Stored.TryGetValue(x.Path, out var known) && known.Sha256.AsSpan().SequenceEqual(x.Sha256)
            )
            && here.All(path =>
                TranscriptFolder.IsJsonLines(path)
                    ? ReaderOf(path) is { HasTornTail: false } reader
                        && reader.Bytes == RunUser.Impersonate(() => new FileInfo(folder.FileOf(path)).Length)
                    : IsUnchanged(folder, path)
            );
    }

    /// <summary>A file without rows as it is now; null when it is still as it was seen. Such files are long results of
    /// tools, written once.</summary>
    /// <param name="folder">Where it is.</param>
    /// <param name="path">Its path in the store.</param>
    /// <param name="before">As the store has it; null reads it in any case.</param>
    public async Task<TranscriptFile?> HashUnlessUnchanged(TranscriptFolder folder, string path, TranscriptFile? before)
    {
        if (before is not null && IsUnchanged(folder, path))
            return null;

        MarkSeen(folder, path);
        await using var content = TranscriptFolder.OpenShared(folder.FileOf(path));
        var hash = await SHA256.HashDataAsync(content);
        return new(path, content.Length, 0, hash);
    }

    public void Dispose()
    {
        foreach (var path in readers.Keys.Concat(seen.Keys).ToList())
            Invalidate(path);
    }

    static (long, DateTime) StampOf(TranscriptFolder folder, string path)
    {
        return RunUser.Impersonate(() =>
        {
            var file = new FileInfo(folder.FileOf(path));
            return (file.Length, file.LastWriteTimeUtc);
        });
    }
}
