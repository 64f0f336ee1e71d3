using System.Security.Cryptography;
using System.Text.Json;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// Reads a transcript, and later what was added to it: how many whole rows there are, and their hash. It does not judge
/// them: the CLI passes over what it cannot read, and what it can read only the CLI knows.
/// </summary>
sealed class TranscriptReader : IDisposable
{
    const int BlockSize = 256 * 1024;

    // A longer row is a message: what the CLI notes about itself is short.
    const int MaxParsedRow = 64 * 1024;

    readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    readonly MemoryStream row = new();
    bool isLong;

    /// <summary>Bytes read, in whole rows.</summary>
    public long Bytes { get; private set; }

    /// <summary>Whole rows read.</summary>
    public int Rows { get; private set; }

    /// <summary>Whether a row without an end followed: one that was being written, or whose writer died.</summary>
    public bool HasTornTail { get; private set; }

    /// <summary>The hash of the rows up to the place that was to be marked; null when there is less.</summary>
    public byte[]? PrefixHash { get; private set; }

    /// <summary>Rows that were read after that place.</summary>
    public int AddedRows { get; private set; }

    /// <summary>Whether something was said in them, by either side.</summary>
    public bool HasNewMessages { get; private set; }

    /// <summary>The worktree the session is in; null when it is in none.</summary>
    public string? Worktree { get; private set; }

    /// <summary>What was read, as a file of that name.</summary>
    public TranscriptFile ToTranscriptFile(string path) => new(path, Bytes, Rows, hash.GetCurrentHash());

    /// <summary>
    /// Reads on from where it stopped, to the end of the last row that was whole when it began: what is being written
    /// meanwhile is read the next time, and of a row without an end nothing is.
    /// </summary>
    /// <param name="file">The transcript.</param>
    /// <param name="mark">How many bytes from the beginning to take a hash of; 0 of none.</param>
    /// <param name="cancel">Ends the reading.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    public async Task ReadAppended(string file, long mark, CancellationToken cancel)
    {
        await using var stream = TranscriptFolder.OpenShared(file);
        var length = stream.Length;
        var end = await EndOfRows(stream, Bytes, length, cancel);
        HasTornTail = end < length;

        stream.Position = Bytes;
        var buffer = new byte[Math.Clamp(end - Bytes, 1, BlockSize)];
        while (Bytes < end)
        {
            var wanted = Math.Min(buffer.Length, (Bytes < mark ? Math.Min(mark, end) : end) - Bytes);
            var read = await stream.ReadAsync(buffer.AsMemory(0, (int)wanted), cancel);
            if (read == 0)
                throw new IOException($"{file} became shorter while it was read.");

            hash.AppendData(buffer, 0, read);
            ConsumeBytes(buffer.AsSpan(0, read), isNew: Bytes >= mark);
            Bytes += read;
            if (Bytes == mark)
                PrefixHash = hash.GetCurrentHash();
        }
    }

    /// <summary>Where the last row that has an end ends, from a place on where one ends.</summary>
    public static async Task<long> EndOfRows(Stream stream, long from, long length, CancellationToken cancel)
    {
        var buffer = new byte[Math.Clamp(length - from, 1, BlockSize)];
        for (var end = length; end > from; )
        {
            var start = Math.Max(from, end - buffer.Length);
            stream.Position = start;
            await stream.ReadExactlyAsync(buffer.AsMemory(0, (int)(end - start)), cancel);
            if (buffer.AsSpan(0, (int)(end - start)).LastIndexOf((byte)'\n') is >= 0 and var at)
                return start + at + 1;
            end = start;
        }

        return from;
    }

    void ConsumeBytes(ReadOnlySpan<byte> bytes, bool isNew)
    {
        while (!bytes.IsEmpty)
        {
            var at = bytes.IndexOf((byte)'\n');
            var piece = at < 0 ? bytes : bytes[..at];
            isLong |= row.Length + piece.Length > MaxParsedRow;
            if (!isLong)
                row.Write(piece);
            if (at < 0)
                return;

            ConsumeRow(row.GetBuffer().AsSpan(0, (int)row.Length), isNew);
            (isLong, row.Position) = (false, 0);
            row.SetLength(0);
            bytes = bytes[(at + 1)..];
        }
    }

    void ConsumeRow(ReadOnlySpan<byte> text, bool isNew)
    {
        Rows++;
        AddedRows += isNew ? 1 : 0;
        HasNewMessages |= isNew && isLong;
        if (isLong || !isNew && text.IndexOf("\"worktree-state\""u8) < 0)
            return;

        try
        {
            var reader = new Utf8JsonReader(text);
            using var json = JsonDocument.ParseValue(ref reader);
            if (json.RootElement is not { ValueKind: JsonValueKind.Object } found)
                return;

            HasNewMessages |= isNew && found.Text("type") is "user" or "assistant";
            if (found.Text("type") == "worktree-state")
                Worktree = found.Object("worktreeSession")?.Text("worktreePath");
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            // The CLI passes over it as well.
        }
    }

    public void Dispose()
    {
        hash.Dispose();
        row.Dispose();
    }
}
