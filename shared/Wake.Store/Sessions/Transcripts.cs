using System.IO.Compression;
using System.Security.Cryptography;
using Npgsql;
using Wake.Contracts;

namespace Wake.Store;

/// <summary>
/// Transcript files of each Claude session, stored so that any runner can resume it. Appends carry the turn's epoch; a
/// write from a lost lease is refused.
/// </summary>
public sealed class Transcripts(NpgsqlDataSource database)
{
    /// <summary>Bytes of a file that are held in memory, and written as one row, at a time.</summary>
    public const int SegmentBytes = 1024 * 1024;

    const int PrunedPage = 1_000,
        PrunedPages = 20;

    Guid pruned;

    // Open sessions whose last completed turn saved nothing of the Claude session that is in use. One whose events had
    // all expired ran no CLI.
    internal const string UnsavedSessions = """
        sessions s
        cross join lateral (
            select * from turns where session_id = s.id and outcome = 'completed' order by wake_number desc limit 1) t
        where s.closed_at is null
          and t.claude_session_id = (select claude_session_id from session_ids where session_id = s.id order by position desc limit 1)
          and exists (select from inbox i join events e on e.seq = i.event
                      where i.session_id = s.id and i.wake_number = t.wake_number and (e.expires_at is null or e.expires_at > t.started_at))
          and not exists (select from transcripts m join transcript_files f using (claude_session_id)
                          where claude_session_id = t.claude_session_id and m.session_id = s.id and m.wake_number >= t.wake_number
                            and f.path = '' and f.replaced_at is null)
        """;

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
            """
        );
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
    /// Saves what became of the files of a transcript, all of it or nothing. After an exception nobody knows which:
    /// what is stored has to be looked at before the next one.
    /// </summary>
    /// <param name="turn">The turn that wrote it.</param>
    /// <param name="claudeSessionId">The Claude session.</param>
    /// <param name="hasSideEffects">Whether the model has called a tool in this attempt.</param>
    /// <param name="changes">The files that changed.</param>
    /// <param name="cancel">Ends the wait; nothing is saved then.</param>
    /// <exception cref="IOException">A file could not be read.</exception>
    public Task<TranscriptSaveResult> Save(
        ClaimedTurn turn,
        Guid claudeSessionId,
        bool hasSideEffects,
        IReadOnlyList<TranscriptChange> changes,
        CancellationToken cancel
    ) =>
        Save(
            claudeSessionId,
            changes,
            connection => BeginSave(connection, turn, claudeSessionId, hasSideEffects, cancel),
            cancel
        );

    /// <summary>
    /// Saves what a terminal that attends a session has written, all of it or nothing: the turns of wakes, and those
    /// that the person typed. Refused while somebody else holds a turn of the session.
    /// </summary>
    /// <param name="sessionId">The session.</param>
    /// <param name="terminal">The terminal.</param>
    /// <param name="claudeSessionId">The Claude session.</param>
    /// <param name="change">The file that changed.</param>
    /// <param name="cancel">Ends the wait; nothing is saved then.</param>
    public Task<TranscriptSaveResult> Save(
        Guid sessionId,
        string terminal,
        Guid claudeSessionId,
        TranscriptChange change,
        CancellationToken cancel
    ) =>
        Save(
            claudeSessionId,
            [change],
            connection => BeginSave(connection, sessionId, terminal, claudeSessionId, cancel),
            cancel
        );

    async Task<TranscriptSaveResult> Save(
        Guid claudeSessionId,
        IReadOnlyList<TranscriptChange> changes,
        Func<NpgsqlConnection, Task<bool>> begin,
        CancellationToken cancel
    )
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);

        if (!await begin(connection))
            return TranscriptSaveResult.TurnLost;

        foreach (var change in changes)
        {
            if (await BeginCopy(connection, claudeSessionId, change, cancel) is not { } copy)
                return TranscriptSaveResult.Conflict;

            await Append(connection, copy, change, cancel);
        }

        await transaction.CommitAsync(cancel);
        return TranscriptSaveResult.Saved;
    }

    /// <summary>
    /// Writes a stored file. False: what is stored is not what was saved, and the destination holds as much of it as
    /// can be read, with a line break where something is missing.
    /// </summary>
    public async Task<bool> Load(
        Guid claudeSessionId,
        TranscriptFile file,
        Stream destination,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            """
            select s.start, s.content
            from transcript_files f
            join transcript_segments s using (copy)
            where f.claude_session_id = $1 and f.path = $2 and f.replaced_at is null
            order by s.start
            """
        );
        command.Parameters.AddWithValue(claudeSessionId);
        command.Parameters.AddWithValue(file.Path);
        return await WriteSegments(command, file, destination, cancel);
    }

    /// <summary>Whether a file is what an earlier copy, which another has replaced, was or began with.</summary>
    public async Task<bool> MatchesReplacedCopy(Guid claudeSessionId, TranscriptFile file, CancellationToken cancel)
    {
        await using var copies = database.CreateCommand(
            """
            select copy
            from transcript_files
            where claude_session_id = $1 and path = $2 and bytes >= $3 and replaced_at is not null
            """
        );
        copies.Parameters.AddWithValue(claudeSessionId);
        copies.Parameters.AddWithValue(file.Path);
        copies.Parameters.AddWithValue(file.Bytes);

        foreach (var copy in await copies.ReadAll(row => row.GetInt64(0), cancel))
        {
            await using var command = database.CreateCommand(
                "select start, content from transcript_segments where copy = $1 order by start"
            );
            command.Parameters.AddWithValue(copy);
            if (await WriteSegments(command, file, Stream.Null, cancel))
                return true;
        }

        return false;
    }

    static async Task<bool> WriteSegments(
        NpgsqlCommand segments,
        TranscriptFile file,
        Stream destination,
        CancellationToken cancel
    )
    {
        await using var rows = await segments.ExecuteReaderAsync(System.Data.CommandBehavior.SequentialAccess, cancel);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[64 * 1024];
        var (written, whole) = (0L, true);

        // A file may have grown since it was found; what was found is what is wanted.
        while (written < file.Bytes && await rows.ReadAsync(cancel))
        {
            if (rows.GetInt64(0) is var start && start != written)
                await Break(start);

            try
            {
                await using var content = new ZLibStream(rows.GetStream(1), CompressionMode.Decompress);
                while (
                    written < file.Bytes
                    && await content.ReadAsync(
                        buffer.AsMemory(0, (int)Math.Min(buffer.Length, file.Bytes - written)),
                        cancel
                    )
                        is > 0
                            and var read
                )
                {
                    hash.AppendData(buffer, 0, read);
                    await destination.WriteAsync(buffer.AsMemory(0, read), cancel);
                    written += read;
                }
            }
            catch (InvalidDataException)
            {
                await Break(written);
            }
        }

        return whole && written == file.Bytes && hash.GetHashAndReset().AsSpan().SequenceEqual(file.Sha256);

        // What is missing may have ended in the middle of a row.
        async Task Break(long next)
        {
            (whole, written) = (false, next);
            await destination.WriteAsync("\n"u8.ToArray(), cancel);
        }
    }

    /// <summary>Writes into the ledger what was found about a memory, or done to it, before it was gone on
    /// with.</summary>
    /// <param name="turn">The turn.</param>
    /// <param name="kind">The kind of decision: <c>mended</c>, or <c>added</c> for rows that others have
    /// written.</param>
    /// <param name="what">What it was, for people.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task WriteDecision(ClaimedTurn turn, string kind, string what, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "insert into decisions (kind, session_id, wake_number, note) values ($1, $2, $3, $4)"
        );
        command.Parameters.AddWithValue(kind);
        command.Parameters.AddWithValue(turn.SessionId);
        command.Parameters.AddWithValue(turn.WakeNumber);
        command.Parameters.AddWithValue(StorableText.Sanitize(what));
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>
    /// Deletes what nobody will go on from: copies replaced longer ago than a given time, and transcripts that were
    /// saved longer ago and that no session has needed for so long. A session that is open needs its present one, and
    /// the one before that until the successor has been in use for that time. Returns how many there were.
    /// </summary>
    /// <remarks>Looks at so many transcripts at most, and goes on behind them the next time. Called by one at a
    /// time.</remarks>
    public async Task<int> Prune(TimeSpan age, CancellationToken cancel)
    {
        await using var replaced = database.CreateCommand(
            "delete from transcript_files where replaced_at < clock_timestamp() - $1"
        );
        replaced.Parameters.AddWithValue(age);
        var deleted = await replaced.ExecuteNonQueryAsync(cancel);

        for (var pages = 0; pages < PrunedPages; pages++)
        {
            await using var command = database.CreateCommand(
                """
                with page as materialized (
                    select claude_session_id, session_id, saved_at from transcripts where claude_session_id > $2 order by 1 limit $3
                ), over as materialized (
                    select t.claude_session_id
                    from page t
                    where saved_at < clock_timestamp() - $1
                      -- Any session that has it, not only the one that saved it last: who registers an old conversation anew has saved nothing yet.
                      and not exists (select from (select t.session_id as id
                                                   union
                                                   select session_id from session_ids c where c.claude_session_id = t.claude_session_id) who
                                      cross join lateral (select s.id, s.closed_at from sessions s where s.id = who.id offset 0) s
                                      where (s.closed_at is null or s.closed_at >= clock_timestamp() - $1)
                                        and not exists (select from session_ids mine
                                                        join session_ids later on later.session_id = mine.session_id and later.position > mine.position
                                                        where mine.session_id = s.id and mine.claude_session_id = t.claude_session_id
                                                          and later.opened and later.since < clock_timestamp() - $1
                                                        offset 0)
                                      offset 0)
                ), gone as (
                    delete from transcripts where claude_session_id = any (array(select claude_session_id from over)) returning 1
                )
                select (select claude_session_id from page order by 1 offset $3 - 1), (select count(*) from gone)::int
                """
            );
            command.Parameters.AddWithValue(age);
            command.Parameters.AddWithValue(pruned);
            command.Parameters.AddWithValue(PrunedPage);
            await using var row = await command.ExecuteReaderAsync(cancel);
            await row.ReadAsync(cancel);

            deleted += row.GetInt32(1);
            pruned = row.GetNullable<Guid>(0) ?? Guid.Empty;
            if (pruned == Guid.Empty)
                break;
        }

        return deleted;
    }

    static async Task<bool> BeginSave(
        NpgsqlConnection connection,
        ClaimedTurn turn,
        Guid claudeSessionId,
        bool hasSideEffects,
        CancellationToken cancel
    )
    {
        await using var batch = new NpgsqlBatch(connection);

        // This lock is held for several round trips: a runner that is frozen or cut off between them must not keep it.
        batch.Add("set local idle_in_transaction_session_timeout = '5s'");
        batch.Add(Turns.LockSession, turn.SessionId);
        batch.Add(
            $"""
            with mine as (
                update turns set acted = acted or $5 where {Turns.IsHeldByCaller} returning session_id
            )
            insert into transcripts as known (claude_session_id, session_id, version, wake_number, epoch)
            select $4, $1, 1, $2, $3 from mine
            -- registered anew after its session was closed, it belongs to another
            on conflict (claude_session_id) do update
                set session_id = $1, version = known.version + 1, wake_number = $2, epoch = $3, saved_at = clock_timestamp()
            """,
            turn.SessionId,
            turn.WakeNumber,
            turn.Epoch,
            claudeSessionId,
            hasSideEffects
        );
        return await batch.ExecuteAffected(cancel);
    }

    static async Task<bool> BeginSave(
        NpgsqlConnection connection,
        Guid sessionId,
        string terminal,
        Guid claudeSessionId,
        CancellationToken cancel
    )
    {
        await using var batch = new NpgsqlBatch(connection);
        batch.Add("set local idle_in_transaction_session_timeout = '5s'");
        batch.Add(Turns.LockSession, sessionId);
        batch.Add(
            $"""
            with mine as (
                select coalesce(latest.wake_number, 0) as wake_number, coalesce(latest.epoch, 0) as epoch
                from terminals terminal
                left join lateral (
                    select wake_number, epoch from turns where session_id = $1 and epoch is not null
                    order by wake_number desc limit 1) latest on true
                where terminal.session_id = $1 and terminal.terminal = $2 and terminal.claude_session_id = $3 and {Terminals.Attends}
                  and not exists (select from turns turn
                                  where turn.session_id = $1 and turn.ended_at is null and turn.lease_until > clock_timestamp()
                                    and turn.runner is distinct from '{Terminals.RunnerPrefix}' || terminal.place)
            )
            insert into transcripts as known (claude_session_id, session_id, version, wake_number, epoch)
            select $3, $1, 1, wake_number, epoch from mine
            on conflict (claude_session_id) do update
                set session_id = $1, version = known.version + 1, wake_number = excluded.wake_number, epoch = excluded.epoch,
                    saved_at = clock_timestamp()
            """,
            sessionId,
            terminal,
            claudeSessionId
        );
        return await batch.ExecuteAffected(cancel);
    }

    static async Task<long?> BeginCopy(
        NpgsqlConnection connection,
        Guid claudeSessionId,
        TranscriptChange change,
        CancellationToken cancel
    )
    {
        var file = change.File;
        await using var batch = new NpgsqlBatch(connection);
        if (change.StoredBytes == 0)
        {
            batch.Add(
                """
                update transcript_files set replaced_at = clock_timestamp()
                where claude_session_id = $1 and path = $2 and replaced_at is null
                """,
                claudeSessionId,
                file.Path
            );
            batch.Add(
                """
                insert into transcript_files (claude_session_id, path, bytes, rows, sha256)
                values ($1, $2, $3, $4, $5)
                returning copy
                """,
                claudeSessionId,
                file.Path,
                file.Bytes,
                file.Rows,
                file.Sha256
            );
        }
        else
        {
            batch.Add(
                """
                update transcript_files set bytes = $3, rows = $4, sha256 = $5
                where claude_session_id = $1 and path = $2 and replaced_at is null and bytes = $6
                returning copy
                """,
                claudeSessionId,
                file.Path,
                file.Bytes,
                file.Rows,
                file.Sha256,
                change.StoredBytes
            );
        }

        await using var rows = await batch.ExecuteReaderAsync(cancel);
        return await rows.ReadAsync(cancel) ? rows.GetInt64(0) : null;
    }

    static async Task Append(NpgsqlConnection connection, long copy, TranscriptChange change, CancellationToken cancel)
    {
        await using var content = change.Open();
        var buffer = new byte[Math.Min(SegmentBytes, change.File.Bytes - change.StoredBytes)];

        for (var start = change.StoredBytes; start < change.File.Bytes; )
        {
            var segment = buffer.AsMemory(0, (int)Math.Min(buffer.Length, change.File.Bytes - start));
            await content.ReadExactlyAsync(segment, cancel);

            using var compressed = new MemoryStream();
            await using (var zlib = new ZLibStream(compressed, CompressionLevel.Fastest, leaveOpen: true))
                await zlib.WriteAsync(segment, cancel);

            await using var insert = new NpgsqlCommand(
                "insert into transcript_segments (copy, start, content) values ($1, $2, $3)",
                connection
            );
            insert.Parameters.AddWithValue(copy);
            insert.Parameters.AddWithValue(start);
            insert.Parameters.AddWithValue(compressed.ToArray());
            await insert.ExecuteNonQueryAsync(cancel);
            start += segment.Length;
        }
    }
}

/// <summary>What became of saving a transcript.</summary>
public enum TranscriptSaveResult
{
    /// <summary>It is in the store.</summary>
    Saved,

    /// <summary>The turn is no longer the caller's, and nothing was written.</summary>
    TurnLost,

    /// <summary>What is stored is not what the caller took it to be, and nothing was written.</summary>
    Conflict,
}

/// <summary>What is stored of a Claude session.</summary>
/// <param name="SavedAt">When it was saved last.</param>
/// <param name="Files">Its files by path.</param>
public sealed record StoredTranscript(DateTimeOffset SavedAt, IReadOnlyList<TranscriptFile> Files);

/// <summary>A file of a transcript as of some moment.</summary>
/// <param name="Path">Empty for the transcript itself; else below the folder of the same name, with forward
/// slashes.</param>
/// <param name="Bytes">Its length, in whole rows.</param>
/// <param name="Rows">Its lines; 0 for a file that has none.</param>
/// <param name="Sha256">The hash of these bytes.</param>
public sealed record TranscriptFile(string Path, long Bytes, int Rows, byte[] Sha256);

/// <summary>A file that is to be saved.</summary>
/// <param name="File">What it has become.</param>
/// <param name="StoredBytes">How much of it is stored already; 0 stores it as a new copy.</param>
/// <param name="Open">Opens what of it is not stored yet.</param>
public sealed record TranscriptChange(TranscriptFile File, long StoredBytes, Func<Stream> Open);
