namespace Wake.Runner;

/// <summary>
/// Cuts a stream of bytes into lines, wherever the reads happen to end. A line may have megabytes (one reply is one
/// line); beyond the limit it is skipped, so that memory stays bounded whatever the other side prints.
/// </summary>
sealed class BoundedLineReader(Stream stream, int limit = BoundedLineReader.DefaultLimit)
{
    /// <summary>64 MB: three times the largest reply seen.</summary>
    public const int DefaultLimit = 64 * 1024 * 1024;

    byte[] buffer = new byte[64 * 1024];
    int start,
        end;
    bool skipping;

    /// <summary>Lines that were longer than the limit.</summary>
    public int SkippedLines { get; private set; }

    /// <summary>
    /// The next line without its line break, valid until the next call; null at the end. What follows the last line
    /// break counts as a line.
    /// </summary>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadLine(CancellationToken cancel)
    {
        var searched = start;

        while (true)
        {
            var at = buffer.AsSpan(searched, end - searched).IndexOf((byte)'\n');
            if (at >= 0)
            {
                var line = buffer.AsMemory(start, searched + at - start);
                start = searched + at + 1;

                if (!skipping)
                    return line;

                (skipping, searched) = (false, start);
                continue;
            }

            if (end - start > limit)
            {
                SkippedLines += skipping ? 0 : 1;
                (skipping, start, end) = (true, 0, 0);
            }

            searched = MakeRoom();

            var read = await stream.ReadAsync(buffer.AsMemory(end), cancel);
            if (read == 0)
            {
                var rest = buffer.AsMemory(start, end - start);
                start = end;
                if (rest.IsEmpty || skipping)
                    return null;

                return rest;
            }

            end += read;
        }
    }

    // Moves what is kept to the front, growing only when it fills the buffer. Returns where the search goes on.
    int MakeRoom()
    {
        if (start > 0)
        {
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            (start, end) = (0, end - start);
        }

        if (end == buffer.Length)
            Array.Resize(ref buffer, buffer.Length * 2);

        return end;
    }
}
