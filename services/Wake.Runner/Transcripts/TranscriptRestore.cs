using System.Text.Json;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// Restores the transcript of a Claude session from the store before a turn, where it is missing or old on this
/// machine.
/// </summary>
/// <param name="store">Where it is saved.</param>
/// <param name="turn">The turn.</param>
/// <param name="claudeSessionId">The Claude session.</param>
/// <param name="folder">Where it belongs on this machine.</param>
/// <param name="files">What is known of its files.</param>
/// <param name="lost">The turn is another runner's: nothing is waited for any more.</param>
sealed class TranscriptRestore(
    Transcripts store,
    ClaimedTurn turn,
    Guid claudeSessionId,
    TranscriptFolder folder,
    TranscriptFiles files,
    CancellationToken lost
)
{
    // A row is written at once; one that has no end after this was left by a CLI that was killed.
    static readonly TimeSpan TornRowDelay = TimeSpan.FromMilliseconds(200);

    // What is here is gone on with although the store has something else.
    bool localWins;

    /// <summary>What its owner should know of it, for the turn's note; null when there is nothing.</summary>
    public string? Note { get; private set; }

    string? Worktree => files.ReaderOf("")?.Worktree;

    /// <summary>
    /// Sees to it that the CLI finds the transcript as it was last saved, or what was added to that here. Where the two
    /// have diverged nothing of either is deleted. Whether it can be resumed is not judged: the CLI passes
    /// over what it cannot read, and says so when nothing is left.
    /// </summary>
    public async Task<TranscriptState> Restore()
    {
        folder.Locate();
        var found = await store.Find(claudeSessionId, CancellationToken.None).WaitAsync(lost);
        if (files.AreUnchanged(folder, found))
        {
            RemarkLostWorktree();
            return new TranscriptState.Ready(found!.SavedAt) { IsUnchanged = true };
        }

        files.Reset(found);
        var written = RunUser.Impersonate(() =>
            File.Exists(folder.MainFile) ? File.GetLastWriteTimeUtc(folder.MainFile) : (DateTime?)null
        );
        var main = files.Stored.GetValueOrDefault("");
        if (main is null && written is null)
            return new TranscriptState.None();

        if (folder.OtherCopies is not [])
            await RecordAndRemark(
                "there are several transcripts of it; the one written last is gone on with, not "
                    + $"{string.Join(", ", folder.OtherCopies)}"
            );

        var local = written is null ? null : await ReadAndTruncateTornTail();
        if (local is not null && (main is null || local.PrefixHash?.AsSpan().SequenceEqual(main.Sha256) == true))
        {
            if (main is not null && local.HasNewMessages)
                await RecordAddedRows(local.AddedRows);
        }
        else if (!await Reconcile(main!, local))
        {
            return new TranscriptState.Damaged("nothing of the stored transcript can be read");
        }

        foreach (var file in files.Stored.Values.Where(x => x.Path.Length > 0).ToList())
            await RestorePart(file);

        // Of what was restored as well: the worktree is not known before it is read.
        await ReadAndTruncateTornTail();

        // The CLI deletes what was not written to for a month.
        RunUser.Impersonate(() => File.SetLastWriteTimeUtc(folder.MainFile, DateTime.UtcNow));
        RemarkLostWorktree();

        var since = found?.SavedAt ?? written!.Value;
        return new TranscriptState.Ready(local is { HasNewMessages: true } && written > since ? written.Value : since);
    }

    // Reads the transcript that is here, and sees to a row without an end: an older CLI would write the next one onto
    // it.
    async Task<TranscriptReader> ReadAndTruncateTornTail()
    {
        var reader = await files.ReadRows(folder, "", lost);
        if (!reader.HasTornTail)
            return reader;

        // Somebody may be writing it at this moment.
        await Task.Delay(TornRowDelay, lost);
        await files.ReadRows(folder, "", lost);
        if (!reader.HasTornTail)
            return reader;

        var (end, aside) = (reader.Bytes, folder.NewAsidePath("torn", DateTimeOffset.UtcNow));
        await using (
            var main = RunUser.Impersonate(() =>
                new FileStream(
                    folder.MainFile,
                    FileMode.Open,
                    FileAccess.ReadWrite,
                    FileShare.ReadWrite | FileShare.Delete
                )
            )
        )
        {
            main.Position = end;
            if (main.Length - end <= BoundedLineReader.DefaultLimit && await IsCompleteRow(main, lost))
            {
                main.Position = main.Length;
                main.WriteByte((byte)'\n');
                aside = null;
            }
            else
            {
                main.Position = end;
                await using (var torn = RunUser.Impersonate(() => new FileStream(aside, FileMode.CreateNew)))
                    await main.CopyToAsync(torn, lost);
                main.SetLength(end);
            }
        }

        await files.ReadRows(folder, "", lost);
        if (aside is not null)
            await RecordNote("mended", $"the last row of the transcript, which had no end, was put into {aside}");
        return reader;
    }

    static async Task<bool> IsCompleteRow(Stream row, CancellationToken cancel)
    {
        try
        {
            using var json = await JsonDocument.ParseAsync(row, cancellationToken: cancel);
            return json.RootElement.ValueKind is JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    // The local file is not what is stored and what was added to that. False: there is no local one, and nothing of
    // what is stored can be read.
    async Task<bool> Reconcile(TranscriptFile main, TranscriptReader? local)
    {
        var (arriving, whole) = await LoadToTemporary(main);
        try
        {
            using var stored = new TranscriptReader();
            await stored.ReadAppended(arriving, local?.Bytes ?? 0, lost);
            if (!whole)
            {
                await RecordAndRemark(
                    $"the stored transcript is not what was saved: {stored.Bytes} of {main.Bytes} bytes can be read"
                );
                files.Stored.Remove("");
            }

            if (
                local is null or { Bytes: 0 }
                || stored.PrefixHash?.AsSpan().SequenceEqual(local.ToTranscriptFile("").Sha256) == true
            )
            {
                if (local is null && stored.Rows == 0)
                    return false;

                ReplaceLocal(arriving);
                return true;
            }

            var (here, there) = (
                await TranscriptRows.Load(folder.MainFile, lost),
                await TranscriptRows.Load(arriving, lost)
            );
            if (there.Ids.IsSubsetOf(here.Ids))
            {
                // The old copy stays in the store for a time, whatever rows without an id it has.
                files.Stored.Remove("");
                localWins = true;
                if (here.Ids.Count - there.Ids.Count is > 0 and var added)
                    await RecordAddedRows(added);
                return true;
            }

            await ChooseCopy(arriving, local, saidHere: here.Prompts.Except(there.Ids).Any());
            return true;
        }
        finally
        {
            RunUser.Impersonate(() => File.Delete(arriving));
        }
    }

    // The local transcript and the stored one have gone different ways: neither is deleted, one is gone on with.
    async Task ChooseCopy(string arriving, TranscriptReader local, bool saidHere)
    {
        // What nobody has said anything in since is the work of an attempt that lost its turn, or a copy that was
        // replaced.
        if (
            saidHere
            && !await store
                .MatchesReplacedCopy(claudeSessionId, local.ToTranscriptFile(""), CancellationToken.None)
                .WaitAsync(lost)
        )
        {
            var aside = folder.NewAsidePath("stored", DateTimeOffset.UtcNow);
            RunUser.Impersonate(() => File.Move(arriving, aside));
            files.Stored.Remove("");
            localWins = true;
            await RecordAndRemark(
                "the transcript on this runner and the stored one have gone different ways; the one on this runner "
                    + $"is gone on with, as claude would; the other is in {aside}"
            );
        }
        else
        {
            var aside = folder.NewAsidePath("replaced", DateTimeOffset.UtcNow);
            RunUser.Impersonate(() => File.Move(folder.MainFile, aside));
            ReplaceLocal(arriving);
            await RecordNote(
                "mended",
                $"the transcript on this runner was replaced by the stored one, and is in {aside}"
            );
        }
    }

    async Task RestorePart(TranscriptFile saved)
    {
        if (await MatchesStored(saved.Path))
            return;

        var file = folder.FileOf(saved.Path);
        if (RunUser.Impersonate(() => File.Exists(file)) && localWins)
        {
            files.Stored.Remove(saved.Path);
            return;
        }

        var (arriving, whole) = await LoadToTemporary(saved);
        if (!whole)
        {
            // The conversation does without it.
            RunUser.Impersonate(() => File.Delete(arriving));
            files.Stored.Remove(saved.Path);
            await RecordNote("mended", $"the stored {saved.Path} is not what was saved, and is left out");
            return;
        }

        if (RunUser.Impersonate(() => File.Exists(file)) && !await IsPrefix(arriving, file))
            RunUser.Impersonate(() =>
                File.Move(file, folder.NewAsidePath($"{Path.GetFileName(file)}.replaced", DateTimeOffset.UtcNow))
            );
        RunUser.Impersonate(() => File.Move(arriving, file, overwrite: true));
        files.Invalidate(saved.Path);
    }

    // Whether one file begins with all of another.
    async Task<bool> IsPrefix(string longer, string shorter)
    {
        await using var of = TranscriptFolder.OpenShared(longer);
        await using var with = TranscriptFolder.OpenShared(shorter);
        if (with.Length > of.Length)
            return false;

        var (some, same) = (new byte[64 * 1024], new byte[64 * 1024]);
        while (await with.ReadAsync(some, lost) is > 0 and var read)
        {
            await of.ReadExactlyAsync(same.AsMemory(0, read), lost);
            if (!some.AsSpan(0, read).SequenceEqual(same.AsSpan(0, read)))
                return false;
        }

        return true;
    }

    Task RecordAddedRows(int rows) =>
        RecordNote(
            "added",
            turn.Attempt == 1
                ? $"{rows} rows were added outside Wake since the last save"
                : $"{rows} rows were added since the last save, by an attempt that ended early or outside Wake"
        );

    Task RecordNote(string kind, string what) =>
        store.WriteDecision(turn, kind, what, CancellationToken.None).WaitAsync(lost);

    // In the turn's note as well.
    Task RecordAndRemark(string what)
    {
        AddRemark(what);
        return RecordNote("mended", what);
    }

    void RemarkLostWorktree()
    {
        if (Worktree is { } entered && !Directory.Exists(entered))
            AddRemark($"the worktree {entered} it was in is not there any more: it works in {turn.Workspace}");
    }

    void AddRemark(string what) => Note = TurnNote.Join(Note, what);

    // False: the local file is missing, older than the stored one, or has gone another way.
    async Task<bool> MatchesStored(string path)
    {
        if (!RunUser.Impersonate(() => File.Exists(folder.FileOf(path))))
            return false;

        var saved = files.Stored[path];
        if (!TranscriptFolder.IsJsonLines(path))
            return (await files.HashUnlessUnchanged(folder, path, before: null))!
                .Sha256.AsSpan()
                .SequenceEqual(saved.Sha256);

        if ((await files.ReadRows(folder, path, lost)).PrefixHash?.AsSpan().SequenceEqual(saved.Sha256) == true)
            return true;

        files.Invalidate(path);
        return false;
    }

    // Writes what can be read of a stored file beside the place it belongs to.
    async Task<(string File, bool Whole)> LoadToTemporary(TranscriptFile saved)
    {
        var arriving = $"{(saved.Path.Length == 0 ? folder.MainFile : folder.FileOf(saved.Path))}.arriving";
        RunUser.Impersonate(() => Directory.CreateDirectory(Path.GetDirectoryName(arriving)!));
        await using var destination = RunUser.Impersonate(() => new FileStream(arriving, FileMode.Create));
        return (
            arriving,
            await store.Load(claudeSessionId, saved, destination, CancellationToken.None).WaitAsync(lost)
        );
    }

    void ReplaceLocal(string arriving)
    {
        RunUser.Impersonate(() => File.Move(arriving, folder.MainFile, overwrite: true));
        files.Invalidate("");
    }
}
