using System.IO.Compression;
using System.Runtime.CompilerServices;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Wake.Store;

/// <summary>
/// What the stored transcripts have of single turns, in parts. A turn begins with its message and ends before the next
/// message that somebody said after its end; where a message is not known, the times of the rows decide.
/// </summary>
public sealed class TurnTranscripts(NpgsqlDataSource database)
{
    /// <summary>The longest row that is read, in bytes. A picture can be longer.</summary>
    public const int MaxRowBytes = 4 * 1024 * 1024;

    // Of the transcript, read for one page at most: a person waits for it.
    const long MaxPageBytes = 32 * 1024 * 1024;

    // Of texts, in one page: a program holds it whole, and as JSON each of its characters may be six.
    const int MaxPageLength = 1024 * 1024;

    // Between the clocks of a runner and the database.
    static readonly TimeSpan MaxClockSkew = TimeSpan.FromMinutes(15);

    // What has been autosaved is many short ones.
    const int SegmentsPerQuery = 32;

    /// <summary>A turn of a session; null when there is none of that number.</summary>
    public async Task<TurnInTranscript?> Find(Guid sessionId, int number, CancellationToken cancel)
    {
        await using var db = database.OpenReader();
        return await db
            .Turns.Where(x => x.SessionId == sessionId && x.WakeNumber == number)
            .Select(x => new TurnInTranscript(
                x.SessionId,
                x.WakeNumber,
                x.MessageSalt,
                x.Answered,
                x.StartedAt,
                x.EndedAt,
                x.InTerminal,
                db.Turns.Where(y => y.SessionId == x.SessionId && y.WakeNumber == x.WakeNumber + 1)
                    .Select(y => new NextTurn(y.MessageSalt, y.Answered))
                    .FirstOrDefault()
            ))
            .FirstOrDefaultAsync(cancel);
    }

    /// <summary>How far the transcripts of turns are saved, and whether the turns are over.</summary>
    public async Task<IReadOnlyList<TurnProgress>> ReadProgress(
        IReadOnlyList<(Guid SessionId, int Number)> turns,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            """
            select t.session_id, t.wake_number, t.ended_at is not null, f.copy, coalesce(f.bytes, 0)
            from unnest($1::uuid[], $2::int[]) wanted (session_id, wake_number)
            join turns t using (session_id, wake_number)
            left join lateral (
                select claude_session_id from session_ids where session_id = t.session_id order by position desc limit 1) chain on true
            left join transcript_files f
                on f.claude_session_id = coalesce(t.claude_session_id, chain.claude_session_id) and f.path = '' and f.replaced_at is null
            """
        );
        command.Parameters.AddWithValue(turns.Select(x => x.SessionId).ToArray());
        command.Parameters.AddWithValue(turns.Select(x => x.Number).ToArray());
        return await command.ReadAll(
            row => new TurnProgress(
                row.GetGuid(0),
                row.GetInt32(1),
                row.GetBoolean(2),
                row.GetNullable<long>(3),
                row.GetInt64(4)
            ),
            cancel
        );
    }

    /// <summary>A page of a turn.</summary>
    /// <param name="turn">The turn.</param>
    /// <param name="messages">The ids that its message has had.</param>
    /// <param name="next">Those of the turn after it.</param>
    /// <param name="limit">How many entries at most; a row that reaches that is told to its end.</param>
    /// <param name="cursor">The cursor of the page before; null for the first.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="PageCursorException">The cursor is none of this turn.</exception>
    public async Task<TranscriptPage> Read(
        TurnInTranscript turn,
        IReadOnlySet<string> messages,
        IReadOnlySet<string> next,
        int limit,
        string? cursor,
        CancellationToken cancel
    )
    {
        var order = Order(turn.Number);
        var after = PageCursor<TranscriptPlace>.Parse(cursor, order)?.Value;
        if (
            turn.StartedAt is null
            || await ReadProgress([(turn.SessionId, turn.Number)], cancel) is not [{ Copy: { } copy } progress]
        )
            return new([], null, cursor, IsOver: turn.EndedAt is not null);

        // Another copy has taken its place, which is told from the turn's beginning.
        if (after?.Copy != copy)
            after = null;

        var (begun, told) = (after is { Begun: true }, after is { Begun: true } || turn.InTerminal);
        var place = after?.Start ?? await FindPlace(copy, turn.StartedAt - MaxClockSkew, cancel);
        var (from, entries, length) = (place, new List<TranscriptEntry>(), 0L);
        await foreach (var (start, end, text) in ReadRows(copy, place, progress.Bytes, cancel))
        {
            var row = text is { } whole ? TranscriptRow.Parse(whole) : null;
            if (
                row?.Id is { } id && next.Contains(id)
                || told
                    && row is { IsPrompt: true, At: { } prompted }
                    && prompted > turn.EndedAt
                    && !(row.Id is { } own && messages.Contains(own))
            )
                return new(entries, null, Cursor(place), IsOver: true);

            // By its message, and by the time where that is not known, as in a terminal. A clock that is ahead takes
            // the turn before for this one, until the message comes.
            if (row?.Id is { } first && messages.Contains(first))
            {
                if (!told)
                {
                    entries.Clear();
                    length = 0;
                }

                (begun, told) = (true, true);
            }

            begun |= row?.At >= turn.StartedAt;
            place = end;
            if (begun)
            {
                List<TranscriptEntry> said = row is null
                    ? [new(TranscriptEntryKind.Omitted, null, $"a row of {end - start} bytes")]
                    : [.. row.Entries.Select(x => ToldBy(x, row))];
                entries.AddRange(said);
                length += said.Sum(x => (x.Text?.Length ?? 0) + (x.Input?.Length ?? 0));
            }

            if (entries.Count >= limit || length >= MaxPageLength || place - from >= MaxPageBytes)
                return new(entries, Cursor(place), Cursor(place), IsOver: false);
        }

        return new(entries, null, Cursor(place), progress.Ended);

        string Cursor(long at) => $"{new PageCursor<TranscriptPlace>(order, new(copy, at, begun), turn.SessionId)}";

        // A runner types nothing but the message of the wake.
        TranscriptEntry ToldBy(TranscriptEntry entry, TranscriptRow row) =>
            entry.Kind is TranscriptEntryKind.Person && (!turn.InTerminal || row.Id is { } id && messages.Contains(id))
                ? entry with
                {
                    Kind = TranscriptEntryKind.Wake,
                }
                : entry;
    }

    /// <summary>Whether a text is a cursor of a turn of this number; none is the one before the first page.</summary>
    public static bool IsCursor(string? cursor, int number)
    {
        try
        {
            PageCursor<TranscriptPlace>.Parse(cursor, Order(number));
            return true;
        }
        catch (PageCursorException)
        {
            return false;
        }
    }

    static string Order(int number) => $"transcript {number}";

    // Where to begin to read: the last segment that begins before a moment. Found by halving, since a transcript may be
    // long, and the turns that people look at are the last ones.
    async Task<long> FindPlace(long copy, DateTimeOffset? moment, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "select start from transcript_segments where copy = $1 order by start"
        );
        command.Parameters.AddWithValue(copy);
        var starts = await command.ReadAll(row => row.GetInt64(0), cancel);
        var (low, high) = (0, starts.Count);
        while (high - low > 1)
        {
            var middle = (low + high) / 2;
            if (await FirstTime(copy, starts[middle], cancel) is { } first && first < moment)
                low = middle;
            else
                high = middle;
        }

        return low < starts.Count ? starts[low] : 0;
    }

    async Task<DateTimeOffset?> FirstTime(long copy, long start, CancellationToken cancel)
    {
        await foreach (var (_, _, text) in ReadRows(copy, start, start + Transcripts.SegmentBytes, cancel))
        {
            if (text is { } row && TranscriptRow.Parse(row).At is { } at)
                return at;
        }

        return null;
    }

    // Whole rows, from a place on, which may lie within one. Of a row that is too long, no text.
    async IAsyncEnumerable<(long Start, long End, ReadOnlyMemory<byte>? Text)> ReadRows(
        long copy,
        long from,
        long to,
        [EnumeratorCancellation] CancellationToken cancel
    )
    {
        using var row = new MemoryStream();
        // The byte before tells whether a row begins here.
        var (start, length, inRow) = (from, 0L, from == 0);
        await foreach (var (at, block) in ReadBlocks(copy, Math.Max(0, from - 1), to, cancel))
        {
            var rest = block;
            var position = at;
            while (!rest.IsEmpty)
            {
                var newLine = rest.Span.IndexOf((byte)'\n');
                var piece = newLine < 0 ? rest : rest[..newLine];
                length += piece.Length;
                if (inRow && length <= MaxRowBytes)
                    row.Write(piece.Span);
                position += piece.Length + (newLine < 0 ? 0 : 1);
                rest = rest[(newLine < 0 ? rest.Length : newLine + 1)..];
                if (newLine < 0)
                    continue;

                if (inRow && length > 0)
                    yield return (
                        start,
                        position,
                        // Without the cast null would be an empty memory.
                        length <= MaxRowBytes
                            ? (ReadOnlyMemory<byte>?)row.GetBuffer().AsMemory(0, (int)row.Length)
                            : null
                    );
                row.SetLength(0);
                (start, length, inRow) = (position, 0, true);
            }
        }
    }

    async IAsyncEnumerable<(long At, ReadOnlyMemory<byte> Block)> ReadBlocks(
        long copy,
        long from,
        long to,
        [EnumeratorCancellation] CancellationToken cancel
    )
    {
        for (var next = from; next < to; )
        {
            await using var command = database.CreateCommand(
                """
                select start, content
                from transcript_segments
                where copy = $1 and start < $3
                  and start >= coalesce((select max(start) from transcript_segments where copy = $1 and start <= $2), 0)
                order by start limit $4
                """
            );
            command.Parameters.AddWithValue(copy);
            command.Parameters.AddWithValue(next);
            command.Parameters.AddWithValue(to);
            command.Parameters.AddWithValue(SegmentsPerQuery);
            await using var rows = await command.ExecuteReaderAsync(cancel);
            var before = next;
            while (await rows.ReadAsync(cancel))
            {
                var start = rows.GetInt64(0);
                using var content = new MemoryStream();
                await using (var zlib = new ZLibStream(rows.GetStream(1), CompressionMode.Decompress))
                    await zlib.CopyToAsync(content, cancel);
                var (skipped, wanted) = (Math.Max(0, next - start), Math.Min(content.Length, to - start));
                if (wanted > skipped)
                    yield return (start + skipped, content.GetBuffer().AsMemory((int)skipped, (int)(wanted - skipped)));
                next = Math.Max(next, start + content.Length);
            }

            // A segment is missing, or was pruned meanwhile.
            if (next == before)
                yield break;
        }
    }

    // Where in a copy of a transcript a row begins, and whether the turn has begun before it.
    sealed record TranscriptPlace(long Copy, long Start, bool Begun);
}

/// <summary>A turn, as far as its transcript is concerned.</summary>
/// <param name="SessionId">The session.</param>
/// <param name="Number">The number of its wake.</param>
/// <param name="MessageSalt">The random part of its message's id.</param>
/// <param name="Answered">The last attempt that the CLI has answered.</param>
/// <param name="StartedAt">When its first attempt was claimed; null before.</param>
/// <param name="EndedAt">When it ended; null before.</param>
/// <param name="InTerminal">Whether a terminal has taken it.</param>
/// <param name="Next">The turn after it; null when there is none.</param>
public sealed record TurnInTranscript(
    Guid SessionId,
    int Number,
    Guid? MessageSalt,
    int Answered,
    DateTimeOffset? StartedAt,
    DateTimeOffset? EndedAt,
    bool InTerminal,
    NextTurn? Next
);

/// <summary>What tells the message of the next turn.</summary>
/// <param name="MessageSalt">The random part of its message's id.</param>
/// <param name="Answered">The last attempt that the CLI has answered.</param>
public sealed record NextTurn(Guid? MessageSalt, int Answered);

/// <summary>How far the transcript of a turn is saved.</summary>
/// <param name="SessionId">The session.</param>
/// <param name="Number">The number of its wake.</param>
/// <param name="Ended">Whether the turn is over.</param>
/// <param name="Copy">The copy of the transcript; null when nothing is saved.</param>
/// <param name="Bytes">How long it is.</param>
public sealed record TurnProgress(Guid SessionId, int Number, bool Ended, long? Copy, long Bytes);

/// <summary>Part of the transcript of a turn.</summary>
/// <param name="Entries">What was said and done, in order.</param>
/// <param name="Next">The cursor of the next part; null when no more is saved now.</param>
/// <param name="End">The cursor of what will be saved after this; null when nothing was.</param>
/// <param name="IsOver">Whether nothing will be.</param>
public sealed record TranscriptPage(IReadOnlyList<TranscriptEntry> Entries, string? Next, string? End, bool IsOver);
