using System.Text;
using System.Text.Json;

namespace Wake.Runner;

/// <summary>
/// The branch of a transcript that its session goes on from. The rows of a transcript form a tree by <c>parentUuid</c>;
/// the next resume follows the newest leaf, and what hangs elsewhere is forgotten.
/// </summary>
/// <remarks>
/// A fork is a turn that nobody else was at work beside and whose message is not on that branch when it has ended.
/// Branches that are none: the results of tool calls made at the same time, the rows of subagents, and what a person
/// leaves when they rewind, which they do between turns.
/// </remarks>
static class TranscriptBranch
{
    /// <summary>The length of a file, from which on a turn will write; 0 when there is none.</summary>
    public static long LengthOf(string transcript) =>
        new FileInfo(transcript) is { Exists: true } file ? file.Length : 0;

    /// <summary>
    /// Whether a message is on the branch of the newest leaf. Null: it is not there, as when the transcript is
    /// elsewhere, or nothing of it can be read.
    /// </summary>
    /// <param name="transcript">The file.</param>
    /// <param name="from">Where the turn began to write; the message stands after it.</param>
    /// <param name="message">The message's uuid.</param>
    public static bool? Contains(string transcript, long from, Guid message)
    {
        var parents = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        string? leaf = null;
        try
        {
            using var stream = TranscriptFolder.OpenShared(transcript);
            if (from > stream.Length)
                return null;

            stream.Position = from;
            using var lines = new StreamReader(
                stream,
                Encoding.UTF8,
                detectEncodingFromByteOrderMarks: false,
                bufferSize: 64 * 1024
            );
            while (lines.ReadLine() is { } line)
            {
                if (ParseRow(line) is not var (id, parent))
                    continue;

                parents[id] = parent;
                leaf = id;
            }
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        var wanted = message.ToString();
        if (!parents.ContainsKey(wanted))
            return null;

        // A row is left out of the table once it was met: a chain may be damaged into a ring.
        for (var at = leaf; at is not null && parents.Remove(at, out var parent); at = parent)
        {
            if (at.Equals(wanted, StringComparison.OrdinalIgnoreCase))
                return true;
        }

        return false;
    }

    // The rows of the conversation itself; a compaction names what stood before it by another name.
    static (string Id, string? Parent)? ParseRow(string line)
    {
        if (!line.Contains("\"uuid\"", StringComparison.Ordinal))
            return null;

        try
        {
            using var json = JsonDocument.Parse(line);
            var row = json.RootElement;
            if (
                row.ValueKind is not JsonValueKind.Object
                || row.Text("type") is not ("user" or "assistant" or "system" or "attachment")
                || row.Text("uuid") is not { } id
                || row.Flag("isSidechain")
            )
                return null;

            return (id, row.Text("parentUuid") ?? row.Text("logicalParentUuid"));
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
