using System.Security.Cryptography;
using System.Text.Json;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// Reads a transcript, and later what was added to it: how many whole rows, their hash, and whether their chain holds. The CLI
/// says nothing when it does not: it resumes what it can read.
/// </summary>
/// <remarks>Rows point to the row before them (facts: <c>parentUuid</c>); rows without an id have no part in it.</remarks>
sealed class TranscriptReader : IDisposable
{
    readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    readonly HashSet<string> ids = [];
    readonly HashSet<string> missing = [];
    string? unreadable;

    /// <summary>Bytes read, in whole rows.</summary>
    public long Bytes { get; private set; }

    /// <summary>Whole rows read.</summary>
    public int Rows { get; private set; }

    /// <summary>Whether a row without an end followed: one that was being written when its writer died.</summary>
    public bool CutOff { get; private set; }

    /// <summary>The hash of the whole rows up to the place that was to be marked; null when no row ends there.</summary>
    public byte[]? Marked { get; private set; }

    /// <summary>What is wrong with the whole rows; null when nothing is.</summary>
    public string? Problem => unreadable
        ?? (missing.Count > 0 ? $"{missing.Count} rows follow rows that are not there" : null);

    /// <summary>What was read, as a file of that name.</summary>
    public TranscriptFile As(string path) => new(path, Bytes, Rows, hash.GetCurrentHash());

    /// <summary>Reads on from where it stopped, to the end.</summary>
    /// <param name="file">The transcript.</param>
    /// <param name="mark">How many bytes from the beginning to take a hash of; 0 of none.</param>
    /// <param name="cancel">Ends the reading.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    public async Task Read(string file, long mark, CancellationToken cancel)
    {
        await using var stream = TranscriptFolder.Open(file);
        stream.Position = Bytes;
        var lines = new OutputLines(stream);
        CutOff = false;

        while (await lines.Next(cancel) is { } line)
        {
            if (Bytes + line.Length + 1 > stream.Length)
            {
                CutOff = true;
                return;
            }

            hash.AppendData(line.Span);
            hash.AppendData("\n"u8);
            Bytes += line.Length + 1;
            Rows++;
            Row(line.Span);

            if (Bytes == mark)
                Marked = hash.GetCurrentHash();
        }

        if (lines.Skipped > 0)
            unreadable ??= $"a row is larger than {OutputLines.DefaultLimit / 1024 / 1024} MB";
    }

    void Row(ReadOnlySpan<byte> row)
    {
        if (row.Trim(" \t\r"u8).IsEmpty)
            return;

        try
        {
            var reader = new Utf8JsonReader(row);
            reader.Read();
            if (reader.TokenType is not JsonTokenType.StartObject)
                throw new JsonException();

            while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
            {
                var (isId, isParent) = (reader.ValueTextEquals("uuid"u8), reader.ValueTextEquals("parentUuid"u8));
                reader.Read();

                if ((isId || isParent) && reader.TokenType is JsonTokenType.String)
                    Link(reader.GetString()!, isParent);
                else
                    reader.Skip();
            }
        }
        catch (Exception broken) when (broken is JsonException or InvalidOperationException)
        {
            unreadable ??= $"row {Rows} is no JSON";
        }
    }

    void Link(string id, bool isParent)
    {
        if (!isParent)
        {
            ids.Add(id);
            missing.Remove(id);
        }
        else if (!ids.Contains(id))
        {
            missing.Add(id);
        }
    }

    public void Dispose() => hash.Dispose();
}
