using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Wake.Runner;

/// <summary>
/// The branch of a transcript that its session goes on from. The rows of a transcript form a tree by <c>parentUuid</c>;
/// the next resume follows the newest leaf, and what hangs elsewhere is forgotten. Which leaf that is, a process that
/// ends by itself writes down in a row <c>last-prompt</c>; one that is killed does not.
/// </summary>
/// <remarks>
/// A fork is a turn that nobody else was at work beside and whose message is not on that branch when it has ended.
/// Branches that are none: the results of tool calls made at the same time, the rows of subagents, and what a person
/// leaves when they rewind, which they do between turns.
/// </remarks>
static class TranscriptBranch
{
    const int TailLength = 64 * 1024;

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
        return parents.ContainsKey(wanted) ? IsOnBranch(wanted, leaf, parents) : null;
    }

    /// <summary>
    /// Has the next resume go on from the newest row, where the leaf that is written down is on another branch: what a
    /// deferred call leaves behind is one, and the CLI (2.1.197, 2.1.329) would pass over all that came after the
    /// answer. Only while no process writes there.
    /// </summary>
    /// <param name="transcript">The file, which need not be there.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="IOException">The file cannot be read or written.</exception>
    public static async Task ResumeFromNewest(string transcript, CancellationToken cancel)
    {
        if (!File.Exists(transcript) || await EndsWithLeaf(transcript, cancel))
            return;

        await using var file = RunUser.Impersonate(() => Open(transcript));
        var parents = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        var (newest, marker) = ((string?)null, (JsonObject?)null);
        var lines = new BoundedLineReader(file);
        while (await lines.ReadLine(cancel) is { } line)
        {
            var text = Encoding.UTF8.GetString(line.Span);
            if (ParseRow(text) is var (id, parent))
                (newest, parents[id]) = (id, parent);
            else
                marker = ParseMarker(text) ?? marker;
        }

        if (
            newest is null
            || marker?["leafUuid"]?.ToString() is not { } leaf
            || !parents.ContainsKey(leaf)
            || IsOnBranch(leaf, newest, parents)
        )
            return;

        marker["leafUuid"] = newest;
        // Half a row may be the last, cut off by the kill; nothing may be glued to it.
        file.SetLength(await TranscriptReader.EndOfRows(file, 0, file.Length, cancel));
        file.Position = file.Length;
        await file.WriteAsync(Encoding.UTF8.GetBytes($"{marker.ToJsonString()}\n"), cancel);
    }

    static FileStream Open(string transcript) =>
        new(
            transcript,
            FileMode.Open,
            FileAccess.ReadWrite,
            FileShare.ReadWrite | FileShare.Delete,
            bufferSize: 1,
            useAsync: false
        );

    // As after each process that has ended by itself: then nothing else need be read.
    static async Task<bool> EndsWithLeaf(string transcript, CancellationToken cancel)
    {
        await using var stream = TranscriptFolder.OpenShared(transcript);
        stream.Position = Math.Max(0, stream.Length - TailLength);
        var tail = await new StreamReader(stream, Encoding.UTF8).ReadToEndAsync(cancel);
        return tail.Split('\n')
            .Reverse()
            .Select(x =>
                ParseMarker(x) is not null ? true
                : ParseRow(x) is not null ? false
                : (bool?)null
            )
            .FirstOrDefault(x => x is not null)
            is true;
    }

    // Removes what it has met: a chain may be damaged into a ring.
    static bool IsOnBranch(string row, string? leaf, Dictionary<string, string?> parents)
    {
        for (var at = leaf; at is not null && parents.Remove(at, out var parent); at = parent)
        {
            if (at.Equals(row, StringComparison.OrdinalIgnoreCase))
                return true;
        }

        return false;
    }

    static JsonObject? ParseMarker(string line)
    {
        if (!line.Contains("\"leafUuid\"", StringComparison.Ordinal))
            return null;

        try
        {
            return JsonNode.Parse(line) is JsonObject row && row["type"]?.ToString() is "last-prompt" ? row : null;
        }
        catch (JsonException)
        {
            return null;
        }
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
