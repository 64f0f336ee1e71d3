using System.IO.Compression;
using System.Security.Cryptography;
using Npgsql;

namespace Wake.Store;

/// <summary>
/// What the CLI wrote down of each Claude session: its memory, from which any runner goes on. Saved by appending, under the
/// epoch of the turn that wrote it; whoever lost its turn saves nothing.
/// </summary>
public sealed class Transcripts(NpgsqlDataSource database)
{
    /// <summary>Bytes of a file that are held in memory, and written as one row, at a time.</summary>
    public const int Segment = 1024 * 1024;

    /// <summary>What is stored of a Claude session; null when nothing is.</summary>
    public async Task<StoredTranscript?> Find(Guid claudeSessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select t.saved_at, f.path, f.bytes, f.rows, f.sha256
            from transcripts t
            join transcript_files f using (claude_session_id)
            where claude_session_id = $1 and f.replaced_at is null
            order by f.path
            """);
        command.Parameters.AddWithValue(claudeSessionId);
        await using var rows = await command.ExecuteReaderAsync(cancel);

        StoredTranscript? found = null;
        List<TranscriptFile> files = [];
        while (await rows.ReadAsync(cancel))
        {
            files.Add(new(rows.GetString(1), rows.GetInt64(2), rows.GetInt32(3), rows.GetFieldValue<byte[]>(4)));
            found ??= new(rows.GetFieldValue<DateTimeOffset>(0), files);
        }

        return found;
    }

    /// <summary>
    /// Saves what became of the files of a transcript, all of it or nothing. After an exception nobody knows which: what is
    /// stored has to be looked at before the next one.
    /// </summary>
    /// <param name="turn">The turn that wrote it.</param>
    /// <param name="claudeSessionId">The Claude session.</param>
    /// <param name="acted">Whether the model has called a tool in this attempt.</param>
    /// <param name="changes">The files that changed.</param>
    /// <param name="cancel">Ends the wait; nothing is saved then.</param>
    /// <exception cref="IOException">A file could not be read.</exception>
    public async Task<TranscriptSave> Save(
        ClaimedTurn turn, Guid claudeSessionId, bool acted, IReadOnlyList<TranscriptChange> changes, CancellationToken cancel)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);

        if (!await Begin(connection, turn, claudeSessionId, acted, cancel))
            return TranscriptSave.TurnIsLost;

        foreach (var change in changes)
        {
            if (await Copy(connection, claudeSessionId, change, cancel) is not { } copy)
                return TranscriptSave.OutOfStep;

            await Append(connection, copy, change, cancel);
        }

        await transaction.CommitAsync(cancel);
        return TranscriptSave.Saved;
    }

    /// <summary>
    /// Writes a stored file. False: what is stored is not what was saved, and the destination holds nothing of use.
    /// </summary>
    public async Task<bool> Load(Guid claudeSessionId, TranscriptFile file, Stream destination, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select s.start, s.content
            from transcript_files f
            join transcript_segments s using (copy)
            where f.claude_session_id = $1 and f.path = $2 and f.replaced_at is null
            order by s.start
            """);
        command.Parameters.AddWithValue(claudeSessionId);
        command.Parameters.AddWithValue(file.Path);
        await using var rows = await command.ExecuteReaderAsync(System.Data.CommandBehavior.SequentialAccess, cancel);

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[64 * 1024];
        long written = 0;
        try
        {
            // A file may have grown since it was found; what was found is what is wanted.
            while (written < file.Bytes && await rows.ReadAsync(cancel))
            {
                if (rows.GetInt64(0) != written)
                    return false;

                await using var content = new ZLibStream(rows.GetStream(1), CompressionMode.Decompress);
                while (await content.ReadAsync(buffer, cancel) is > 0 and var read)
                {
                    hash.AppendData(buffer, 0, read);
                    await destination.WriteAsync(buffer.AsMemory(0, read), cancel);
                    written += read;
                }
            }
        }
        catch (InvalidDataException)
        {
            return false;
        }

        return written == file.Bytes && hash.GetHashAndReset().AsSpan().SequenceEqual(file.Sha256);
    }

    /// <summary>Writes into the ledger what had to be done to a memory before it could be gone on with.</summary>
    public async Task Mended(ClaimedTurn turn, string how, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "insert into decisions (kind, session_id, wake_number, note) values ('mended', $1, $2, $3)");
        command.Parameters.AddWithValue(turn.SessionId);
        command.Parameters.AddWithValue(turn.WakeNumber);
        command.Parameters.AddWithValue(how);
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>
    /// Deletes what nobody will go on from: copies replaced longer ago than a given time, and the transcripts of closed
    /// sessions and of Claude sessions that have a successor, when they were last saved longer ago. Returns how many there were.
    /// </summary>
    public async Task<int> Prune(TimeSpan age, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add("delete from transcript_files where replaced_at < clock_timestamp() - $1", age);
        batch.Add(
            """
            delete from transcripts t
            where saved_at < clock_timestamp() - $1
              and (exists (select from sessions s where s.id = t.session_id and s.closed_at < clock_timestamp() - $1)
                   or exists (select from session_ids mine
                              join session_ids later on later.session_id = mine.session_id and later.position > mine.position
                              where mine.session_id = t.session_id and mine.claude_session_id = t.claude_session_id
                                and later.opened))
            """, age);
        return await batch.ExecuteNonQueryAsync(cancel);
    }

    static async Task<bool> Begin(NpgsqlConnection connection, ClaimedTurn turn, Guid claudeSessionId, bool acted, CancellationToken cancel)
    {
        await using var batch = new NpgsqlBatch(connection);

        // This lock is held for several round trips: a runner that is frozen or cut off between them must not keep it.
        batch.Add("set local idle_in_transaction_session_timeout = '5s'");
        batch.Add(Turns.LockSession, turn.SessionId);
        batch.Add(
            $"""
            with mine as (
                update turns set acted = acted or $5 where {Turns.Mine} returning session_id
            )
            insert into transcripts as known (claude_session_id, session_id, version, wake_number, epoch)
            select $4, $1, 1, $2, $3 from mine
            -- registered anew after its session was closed, it belongs to another
            on conflict (claude_session_id) do update
                set session_id = $1, version = known.version + 1, wake_number = $2, epoch = $3, saved_at = clock_timestamp()
            """, turn.SessionId, turn.WakeNumber, turn.Epoch, claudeSessionId, acted);
        return await batch.Affected(cancel);
    }

    static async Task<long?> Copy(NpgsqlConnection connection, Guid claudeSessionId, TranscriptChange change, CancellationToken cancel)
    {
        var file = change.File;
        await using var batch = new NpgsqlBatch(connection);
        if (change.From == 0)
        {
            batch.Add(
                "update transcript_files set replaced_at = clock_timestamp() where claude_session_id = $1 and path = $2 and replaced_at is null",
                claudeSessionId, file.Path);
            batch.Add(
                "insert into transcript_files (claude_session_id, path, bytes, rows, sha256) values ($1, $2, $3, $4, $5) returning copy",
                claudeSessionId, file.Path, file.Bytes, file.Rows, file.Sha256);
        }
        else
        {
            batch.Add(
                """
                update transcript_files set bytes = $3, rows = $4, sha256 = $5
                where claude_session_id = $1 and path = $2 and replaced_at is null and bytes = $6
                returning copy
                """, claudeSessionId, file.Path, file.Bytes, file.Rows, file.Sha256, change.From);
        }

        await using var rows = await batch.ExecuteReaderAsync(cancel);
        return await rows.ReadAsync(cancel) ? rows.GetInt64(0) : null;
    }

    static async Task Append(NpgsqlConnection connection, long copy, TranscriptChange change, CancellationToken cancel)
    {
        await using var content = change.Open();
        content.Position = change.From;
        var buffer = new byte[Math.Min(Segment, change.File.Bytes - change.From)];

        for (var start = change.From; start < change.File.Bytes;)
        {
            var segment = buffer.AsMemory(0, (int)Math.Min(buffer.Length, change.File.Bytes - start));
            await content.ReadExactlyAsync(segment, cancel);

            using var compressed = new MemoryStream();
            await using (var zlib = new ZLibStream(compressed, CompressionLevel.Fastest, leaveOpen: true))
                await zlib.WriteAsync(segment, cancel);

            await using var insert = new NpgsqlCommand("insert into transcript_segments (copy, start, content) values ($1, $2, $3)", connection);
            insert.Parameters.AddWithValue(copy);
            insert.Parameters.AddWithValue(start);
            insert.Parameters.AddWithValue(compressed.ToArray());
            await insert.ExecuteNonQueryAsync(cancel);
            start += segment.Length;
        }
    }
}

/// <summary>What became of saving a transcript.</summary>
public enum TranscriptSave
{
    /// <summary>It is in the store.</summary>
    Saved,

    /// <summary>The turn is no longer the caller's, and nothing was written.</summary>
    TurnIsLost,

    /// <summary>What is stored is not what the caller took it to be, and nothing was written.</summary>
    OutOfStep,
}

/// <summary>What is stored of a Claude session.</summary>
/// <param name="SavedAt">When it was saved last.</param>
/// <param name="Files">Its files by path.</param>
public sealed record StoredTranscript(DateTimeOffset SavedAt, IReadOnlyList<TranscriptFile> Files);

/// <summary>A file of a transcript as of some moment.</summary>
/// <param name="Path">Empty for the transcript itself; else below the folder of the same name, with forward slashes.</param>
/// <param name="Bytes">Its length, in whole rows.</param>
/// <param name="Rows">Its lines; 0 for a file that has none.</param>
/// <param name="Sha256">The hash of these bytes.</param>
public sealed record TranscriptFile(string Path, long Bytes, int Rows, byte[] Sha256);

/// <summary>A file that is to be saved.</summary>
/// <param name="File">What it has become.</param>
/// <param name="From">How much of it is stored already; 0 stores it as a new copy.</param>
/// <param name="Open">Opens it for reading; must be able to seek.</param>
public sealed record TranscriptChange(TranscriptFile File, long From, Func<Stream> Open);
