using System.Security.Cryptography;
using Npgsql;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// The memory of a Claude session on this machine: brought from the store before a turn where it is missing or old, and saved
/// to it while the turn runs, so that another runner can go on wherever this one dies.
/// </summary>
sealed class SessionMemory : IAsyncDisposable
{
    readonly Transcripts store;
    readonly ClaimedTurn turn;
    readonly Guid claudeSessionId;
    readonly TranscriptFolder folder;
    readonly ILogger log;

    // As everywhere: what waits for the database stops waiting, and the database is not asked to cancel (TurnLease.Lost).
    readonly CancellationToken lost;

    readonly SemaphoreSlim saving = new(1);
    readonly SemaphoreSlim grown = new(0);
    readonly CancellationTokenSource over = new();
    Task keeping = Task.CompletedTask;
    FileSystemWatcher? watcher;
    volatile bool acted;
    bool actedIsNoted;

    // A save whose answer was lost may be in the store all the same.
    bool storedIsUnsure;

    /// <param name="store">Where it is saved.</param>
    /// <param name="turn">The turn; its epoch guards every save.</param>
    /// <param name="claudeSessionId">The Claude session.</param>
    /// <param name="configFolder">The CLI's configuration folder.</param>
    /// <param name="log">Told of what could not be saved.</param>
    /// <param name="lost">The turn is somebody else's: nothing is waited for any more.</param>
    /// <param name="known">What an earlier turn on this machine knew of the files; this object's from now on. Null: nothing.</param>
    public SessionMemory(
        Transcripts store, ClaimedTurn turn, Guid claudeSessionId, string configFolder, ILogger log, CancellationToken lost,
        MemoryFiles? known = null)
    {
        Files = known ?? new();
        (this.store, this.turn, this.claudeSessionId, this.log, this.lost) = (store, turn, claudeSessionId, log, lost);
        folder = new(configFolder, turn.Workspace, claudeSessionId);
    }

    /// <summary>What is known of its files. Disposed with this object, unless they are <see cref="FilesAreKept"/>.</summary>
    public MemoryFiles Files { get; }

    /// <summary>Somebody else goes on with the files.</summary>
    public bool FilesAreKept { get; set; }

    /// <summary>The transcript on this machine, whether it exists or not.</summary>
    public string Transcript => folder.Main;

    /// <summary>Sees to it that the CLI finds the memory as it was last saved, or what this machine has added to that.</summary>
    public async Task<Memory> Bring()
    {
        var found = await store.Find(claudeSessionId, CancellationToken.None).WaitAsync(lost);
        if (Files.AreUnchanged(folder, found))
            return new Memory.Ready(found!.SavedAt) { IsUnchanged = true };

        Files.Know(found);
        var written = File.Exists(folder.Main) ? File.GetLastWriteTimeUtc(folder.Main) : (DateTime?)null;
        var main = Files.Stored.GetValueOrDefault("");
        if (main is null && written is null)
            return new Memory.None();

        if (written is not null && await Holds(""))
        {
            var reader = Files.ReaderOf("")!;
            if (main is null && reader.Problem is { } problem)
                return new Memory.Damaged(problem);

            await Mend(reader, main);
            // The CLI deletes what was not written to for a month.
            File.SetLastWriteTimeUtc(folder.Main, DateTime.UtcNow);
        }
        else if (!await Restore(main!))
        {
            return new Memory.Damaged("the stored transcript is not what was saved");
        }

        foreach (var file in Files.Stored.Values.Where(x => x.Path.Length > 0).ToList())
        {
            if (!await Holds(file.Path) && !await Restore(file))
                return new Memory.Damaged($"the stored {file.Path} is not what was saved");
        }

        return new Memory.Ready(found?.SavedAt ?? written!.Value);
    }

    /// <summary>Saves by itself from now on, whenever the CLI has written more.</summary>
    public void Keep()
    {
        try
        {
            Directory.CreateDirectory(folder.Folder);
            watcher = new(folder.Folder, Path.GetFileName(folder.Main));
            watcher.Changed += (_, _) => Grew(acted: false);
            watcher.Created += (_, _) => Grew(acted: false);
            watcher.EnableRaisingEvents = true;
        }
        catch (Exception unwatchable) when (unwatchable is IOException or UnauthorizedAccessException)
        {
            log.LogWarning("{SessionKey}: the transcript cannot be watched ({Reason}), so it is saved less often.", turn.SessionKey, unwatchable.Message);
        }

        keeping = Task.Run(SaveWhatGrows);
    }

    async Task SaveWhatGrows()
    {
        while (!over.IsCancellationRequested)
        {
            await grown.WaitAsync(over.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!over.IsCancellationRequested)
                await Save(entirely: false);
        }
    }

    /// <summary>Tells that the CLI has said more, or written more: it says a row before it has written it.</summary>
    /// <param name="acted">Whether the model has called a tool.</param>
    public void Grew(bool acted)
    {
        this.acted |= acted;

        // At most one of them may be too many, which costs a look.
        if (grown.CurrentCount == 0)
            grown.Release();
    }

    /// <summary>
    /// Saves what there is. What cannot be saved now is logged and saved the next time; a turn that is no longer ours saves
    /// nothing.
    /// </summary>
    /// <param name="entirely">Also reads again what was saved before: a CLI may take rows back that it wrote last.</param>
    /// <returns>Why it could not be saved; null when there is nothing left for this turn to save.</returns>
    public async Task<string?> Save(bool entirely)
    {
        await saving.WaitAsync();
        try
        {
            if (await TrySave(entirely) is null || await TrySave(entirely) is not { } reason)
                return null;

            log.LogWarning("{SessionKey} wake {Wake}: the transcript could not be saved ({Reason}).", turn.SessionKey, turn.WakeNumber, reason);
            return reason;
        }
        catch (OperationCanceledException) when (lost.IsCancellationRequested)
        {
            // Whoever has the turn now has its memory, too.
            return null;
        }
        finally
        {
            saving.Release();
        }
    }

    // Why it is not saved; null when it is, or when that is no longer ours to do.
    async Task<string?> TrySave(bool entirely)
    {
        try
        {
            if (storedIsUnsure)
            {
                Files.Know(await store.Find(claudeSessionId, CancellationToken.None).WaitAsync(lost));
                storedIsUnsure = false;
                entirely = true;
            }

            List<TranscriptChange> changes = [];
            foreach (var path in folder.Paths())
            {
                if (await Change(path, entirely) is { } change)
                    changes.Add(change);
            }

            var toNote = acted && !actedIsNoted;
            if (changes is [] && !toNote)
                return null;

            storedIsUnsure = true;
            switch (await store.Save(turn, claudeSessionId, acted, changes, CancellationToken.None).WaitAsync(lost))
            {
                case TranscriptSave.OutOfStep:
                    return "what is stored is not what was saved last";

                case TranscriptSave.TurnIsLost:
                    log.LogWarning("{SessionKey} wake {Wake}: the transcript was not saved; the turn is another runner's now.",
                        turn.SessionKey, turn.WakeNumber);
                    break;

                default:
                    actedIsNoted |= toNote;
                    foreach (var change in changes)
                        Files.Stored[change.File.Path] = change.File;
                    break;
            }

            storedIsUnsure = false;
            return null;
        }
        catch (Exception failed) when (failed is NpgsqlException or IOException or UnauthorizedAccessException)
        {
            return failed.Message;
        }
    }

    async Task<TranscriptChange?> Change(string path, bool entirely)
    {
        var before = Files.Stored.GetValueOrDefault(path);
        var now = TranscriptFolder.HasRows(path) ? await ReadOn(path, entirely) : await Hash(path, before);

        if (now is null || now.Bytes == 0 || before is not null && now.Sha256.AsSpan().SequenceEqual(before.Sha256))
            return null;

        var continues = before is not null && Files.ReaderOf(path) is { } reader
            && (!entirely || reader.Marked?.AsSpan().SequenceEqual(before.Sha256) == true) && now.Bytes > before.Bytes;
        return new(now, continues ? before!.Bytes : 0, () => TranscriptFolder.Open(folder.FileOf(path)));
    }

    async Task<TranscriptFile> ReadOn(string path, bool again)
    {
        if (again)
            Files.Forget(path);
        return (await Files.Read(folder, path, CancellationToken.None)).As(path);
    }

    // Long results of tools: written once.
    async Task<TranscriptFile?> Hash(string path, TranscriptFile? before)
    {
        if (before is not null && Files.IsAsSeen(folder, path))
            return null;

        Files.Saw(folder, path);
        await using var content = TranscriptFolder.Open(folder.FileOf(path));
        var hash = await SHA256.HashDataAsync(content);
        return new(path, content.Length, 0, hash);
    }

    // False: the local file is missing, older than the stored one, or has gone another way.
    async Task<bool> Holds(string path)
    {
        if (!File.Exists(folder.FileOf(path)))
            return false;

        var saved = Files.Stored.GetValueOrDefault(path);
        if (!TranscriptFolder.HasRows(path))
            return (await Hash(path, before: null))!.Sha256.AsSpan().SequenceEqual(saved!.Sha256);

        var reader = await Files.Read(folder, path, lost);
        if (saved is null || reader.Marked?.AsSpan().SequenceEqual(saved.Sha256) == true)
            return true;

        Files.Forget(path);
        return false;
    }

    // What a killed CLI left at the end of its file would spoil the row that is written after it.
    async Task Mend(TranscriptReader reader, TranscriptFile? saved)
    {
        var good = reader.Problem is null || saved is null ? reader.Bytes : saved.Bytes;
        if (!reader.CutOff && good == reader.Bytes)
            return;

        File.Copy(folder.Main, Path.ChangeExtension(folder.Main, ".damaged"), overwrite: true);
        using (var main = new FileStream(folder.Main, FileMode.Open, FileAccess.Write))
            main.SetLength(good);

        if (good != reader.Bytes)
            Files.Forget("");

        await store.Mended(turn, $"the end of the transcript was cut off: {reader.Problem ?? "a row without an end"}", CancellationToken.None)
            .WaitAsync(lost);
    }

    async Task<bool> Restore(TranscriptFile saved)
    {
        var file = folder.FileOf(saved.Path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        var arriving = $"{file}.arriving";

        bool whole;
        await using (var destination = new FileStream(arriving, FileMode.Create))
            whole = await store.Load(claudeSessionId, saved, destination, CancellationToken.None).WaitAsync(lost);

        if (!whole)
        {
            File.Delete(arriving);
            return false;
        }

        // It went another way than the session did, or is older. Kept for whoever wants to look.
        if (saved.Path.Length == 0 && File.Exists(file))
        {
            File.Move(file, Path.ChangeExtension(file, ".replaced"), overwrite: true);
            await store.Mended(turn, "the transcript on this runner was replaced by the stored one", CancellationToken.None).WaitAsync(lost);
        }

        File.Move(arriving, file, overwrite: true);
        Files.Forget(saved.Path);
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        watcher?.Dispose();
        await over.CancelAsync();
        await keeping;
        if (!FilesAreKept)
            Files.Dispose();
        over.Dispose();
        grown.Dispose();
        saving.Dispose();
    }
}
