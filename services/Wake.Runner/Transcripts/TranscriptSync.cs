using System.Security.Cryptography;
using System.Text.Json;
using Npgsql;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// The memory of a Claude session on this machine: brought from the store before a turn where it is missing or old, and
/// saved to it while the turn runs, so that another runner can go on wherever this one dies.
/// </summary>
sealed class TranscriptSync : IAsyncDisposable
{
    readonly Transcripts store;
    readonly ClaimedTurn turn;
    readonly Guid claudeSessionId;
    readonly TranscriptFolder folder;
    readonly ILogger log;

    // As everywhere: what waits for the database stops waiting, and the database is not asked to cancel
    // (TurnLease.Lost).
    readonly CancellationToken lost;

    readonly SemaphoreSlim saving = new(1);
    readonly SemaphoreSlim appended = new(0);
    readonly CancellationTokenSource disposing = new();
    Task autosaving = Task.CompletedTask;
    FileSystemWatcher? watcher;
    volatile bool hasSideEffects;
    bool sideEffectsRecorded;

    // A save whose answer was lost may be in the store all the same.
    bool storedIsUncertain;

    // What is here is gone on with although the store has something else.
    bool localWins;

    // A row is written at once; one that has no end after this was left by a CLI that was killed.
    static readonly TimeSpan TornRowDelay = TimeSpan.FromMilliseconds(200);

    /// <param name="store">Where it is saved.</param>
    /// <param name="turn">The turn; its epoch guards every save.</param>
    /// <param name="claudeSessionId">The Claude session.</param>
    /// <param name="configFolder">The CLI's configuration folder.</param>
    /// <param name="log">Told of what could not be saved.</param>
    /// <param name="lost">The turn is somebody else's: nothing is waited for any more.</param>
    /// <param name="known">What an earlier turn on this machine knew of the files; this object's from now on. Null:
    /// nothing.</param>
    public TranscriptSync(
        Transcripts store,
        ClaimedTurn turn,
        Guid claudeSessionId,
        string configFolder,
        ILogger log,
        CancellationToken lost,
        TranscriptFiles? known = null
    )
    {
        Files = known ?? new();
        (this.store, this.turn, this.claudeSessionId, this.log, this.lost) = (store, turn, claudeSessionId, log, lost);
        folder = new(configFolder, turn.Workspace, claudeSessionId);
    }

    /// <summary>What is known of its files. Disposed with this object, unless they are
    /// <see cref="FilesHandedOver"/>.</summary>
    public TranscriptFiles Files { get; }

    /// <summary>Somebody else goes on with the files.</summary>
    public bool FilesHandedOver { get; set; }

    /// <summary>The transcript on this machine, whether it exists or not.</summary>
    public string Transcript => folder.MainFile;

    /// <summary>Whether the store has a transcript of it.</summary>
    public bool IsStored => Files.Stored.ContainsKey("");

    /// <summary>What its owner should know of it, for the turn's note; null when there is nothing.</summary>
    public string? Note { get; private set; }

    /// <summary>The directory the session is in: a worktree that it has entered, else its workspace.</summary>
    public string WorkingDirectory => Worktree is { } entered && Directory.Exists(entered) ? entered : turn.Workspace;

    /// <inheritdoc cref="TranscriptFolder.ResumePathFrom" />
    public string? ResumePathFrom(string directory) => folder.ResumePathFrom(directory);

    string? Worktree => Files.ReaderOf("")?.Worktree;

    /// <summary>
    /// Sees to it that the CLI finds the memory as it was last saved, or what was added to that here. Where the two
    /// have gone different ways nothing of either is deleted. Whether it can be resumed is not judged: the CLI passes
    /// over what it cannot read, and says so when nothing is left.
    /// </summary>
    public async Task<TranscriptState> Restore()
    {
        folder.Locate();
        var found = await store.Find(claudeSessionId, CancellationToken.None).WaitAsync(lost);
        if (Files.AreUnchanged(folder, found))
        {
            RemarkLostWorktree();
            return new TranscriptState.Ready(found!.SavedAt) { IsUnchanged = true };
        }

        Files.Reset(found);
        var written = RunUser.Impersonate(() =>
            File.Exists(folder.MainFile) ? File.GetLastWriteTimeUtc(folder.MainFile) : (DateTime?)null
        );
        var main = Files.Stored.GetValueOrDefault("");
        if (main is null && written is null)
            return new TranscriptState.None();

        if (folder.OtherCopies is not [])
            await RecordAndRemark(
                $"there are several transcripts of it; the one written last is gone on with, not {string.Join(", ", folder.OtherCopies)}"
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

        foreach (var file in Files.Stored.Values.Where(x => x.Path.Length > 0).ToList())
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
        var reader = await Files.ReadRows(folder, "", lost);
        if (!reader.HasTornTail)
            return reader;

        // Somebody may be writing it at this moment.
        await Task.Delay(TornRowDelay, lost);
        await Files.ReadRows(folder, "", lost);
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

        await Files.ReadRows(folder, "", lost);
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
                Files.Stored.Remove("");
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
                Files.Stored.Remove("");
                localWins = true;
                if (here.Ids.Count - there.Ids.Count is > 0 and var added)
                    await RecordAddedRows(added);
                return true;
            }

            // What nobody has said anything in since is the work of an attempt that lost its turn, or a copy that was
            // replaced.
            var said = here.Prompts.Except(there.Ids).Any();
            if (
                said
                && !await store
                    .MatchesReplacedCopy(claudeSessionId, local.ToTranscriptFile(""), CancellationToken.None)
                    .WaitAsync(lost)
            )
            {
                var aside = folder.NewAsidePath("stored", DateTimeOffset.UtcNow);
                RunUser.Impersonate(() => File.Move(arriving, aside));
                Files.Stored.Remove("");
                localWins = true;
                await RecordAndRemark(
                    "the transcript on this runner and the stored one have gone different ways; the one on this runner is gone "
                        + $"on with, as claude would; the other is in {aside}"
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

            return true;
        }
        finally
        {
            RunUser.Impersonate(() => File.Delete(arriving));
        }
    }

    async Task RestorePart(TranscriptFile saved)
    {
        if (await MatchesStored(saved.Path))
            return;

        var file = folder.FileOf(saved.Path);
        if (RunUser.Impersonate(() => File.Exists(file)) && localWins)
        {
            Files.Stored.Remove(saved.Path);
            return;
        }

        var (arriving, whole) = await LoadToTemporary(saved);
        if (!whole)
        {
            // The conversation does without it.
            RunUser.Impersonate(() => File.Delete(arriving));
            Files.Stored.Remove(saved.Path);
            await RecordNote("mended", $"the stored {saved.Path} is not what was saved, and is left out");
            return;
        }

        if (RunUser.Impersonate(() => File.Exists(file)) && !await IsPrefix(arriving, file))
            RunUser.Impersonate(() =>
                File.Move(file, folder.NewAsidePath($"{Path.GetFileName(file)}.replaced", DateTimeOffset.UtcNow))
            );
        RunUser.Impersonate(() => File.Move(arriving, file, overwrite: true));
        Files.Invalidate(saved.Path);
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

    void AddRemark(string what) => Note = Note is null ? what : $"{Note}; {what}";

    /// <summary>Saves by itself from now on, whenever the CLI has written more.</summary>
    public void StartAutosave()
    {
        WatchFolder();
        autosaving = Task.Run(AutosaveLoop);
    }

    void WatchFolder()
    {
        watcher?.Dispose();
        watcher = null;
        try
        {
            RunUser.Impersonate(() => Directory.CreateDirectory(folder.Folder));
            watcher = new(folder.Folder, Path.GetFileName(folder.MainFile));
            watcher.Changed += (_, _) => NotifyAppended(acted: false);
            watcher.Created += (_, _) => NotifyAppended(acted: false);
            RunUser.Impersonate(() => watcher.EnableRaisingEvents = true);
        }
        catch (Exception unwatchable) when (unwatchable is IOException or UnauthorizedAccessException)
        {
            log.LogWarning(
                "{SessionKey}: the transcript cannot be watched ({Reason}), so it is saved less often.",
                turn.SessionKey,
                unwatchable.Message
            );
        }
    }

    async Task AutosaveLoop()
    {
        while (!disposing.IsCancellationRequested)
        {
            await appended.WaitAsync(disposing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!disposing.IsCancellationRequested)
                await Save(entirely: false);
        }
    }

    /// <summary>Tells that the CLI has said more, or written more: it says a row before it has written it.</summary>
    /// <param name="acted">Whether the model has called a tool.</param>
    public void NotifyAppended(bool acted)
    {
        this.hasSideEffects |= acted;

        // At most one of them may be too many, which costs a look.
        if (appended.CurrentCount == 0)
            appended.Release();
    }

    /// <summary>
    /// Saves what there is. What cannot be saved now is logged and saved the next time; a turn that is no longer ours
    /// saves nothing.
    /// </summary>
    /// <param name="entirely">Also reads again what was saved before: a CLI may take rows back that it wrote
    /// last.</param>
    /// <returns>Why it could not be saved; null when there is nothing left for this turn to save.</returns>
    public async Task<string?> Save(bool entirely)
    {
        await saving.WaitAsync();
        try
        {
            if (await TrySave(entirely) is null || await TrySave(entirely) is not { } reason)
                return null;

            log.LogWarning(
                "{SessionKey} wake {Wake}: the transcript could not be saved ({Reason}).",
                turn.SessionKey,
                turn.WakeNumber,
                reason
            );
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
            if (storedIsUncertain)
            {
                Files.Reset(await store.Find(claudeSessionId, CancellationToken.None).WaitAsync(lost));
                storedIsUncertain = false;
                entirely = true;
            }

            // The CLI takes it along when the session enters a worktree.
            if (folder.Locate())
                WatchFolder();

            List<TranscriptChange> changes = [];
            foreach (var path in folder.Paths())
            {
                if (await BuildChange(path, entirely) is { } change)
                    changes.Add(change);
            }

            var toNote = hasSideEffects && !sideEffectsRecorded;
            if (changes is [] && !toNote)
                return null;

            storedIsUncertain = true;
            switch (
                await store.Save(turn, claudeSessionId, hasSideEffects, changes, CancellationToken.None).WaitAsync(lost)
            )
            {
                case TranscriptSaveResult.Conflict:
                    return "what is stored is not what was saved last";

                case TranscriptSaveResult.TurnLost:
                    log.LogWarning(
                        "{SessionKey} wake {Wake}: the transcript was not saved; the turn is another runner's now.",
                        turn.SessionKey,
                        turn.WakeNumber
                    );
                    break;

                default:
                    sideEffectsRecorded |= toNote;
                    foreach (var change in changes)
                        Files.Stored[change.File.Path] = change.File;
                    break;
            }

            storedIsUncertain = false;
            return null;
        }
        catch (Exception failed) when (failed is NpgsqlException or IOException or UnauthorizedAccessException)
        {
            return failed.Message;
        }
    }

    async Task<TranscriptChange?> BuildChange(string path, bool entirely)
    {
        var before = Files.Stored.GetValueOrDefault(path);
        var now = TranscriptFolder.IsJsonLines(path)
            ? await ReadAppended(path, entirely)
            : await HashFile(path, before);

        if (now is null || now.Bytes == 0 || before is not null && now.Sha256.AsSpan().SequenceEqual(before.Sha256))
            return null;

        var continues =
            before is not null
            && Files.ReaderOf(path) is { } reader
            && (!entirely || reader.PrefixHash?.AsSpan().SequenceEqual(before.Sha256) == true)
            && now.Bytes > before.Bytes;
        return new(now, continues ? before!.Bytes : 0, () => TranscriptFolder.OpenShared(folder.FileOf(path)));
    }

    async Task<TranscriptFile> ReadAppended(string path, bool again)
    {
        if (again)
            Files.Invalidate(path);
        return (await Files.ReadRows(folder, path, CancellationToken.None)).ToTranscriptFile(path);
    }

    // Long results of tools: written once.
    async Task<TranscriptFile?> HashFile(string path, TranscriptFile? before)
    {
        if (before is not null && Files.IsUnchanged(folder, path))
            return null;

        Files.MarkSeen(folder, path);
        await using var content = TranscriptFolder.OpenShared(folder.FileOf(path));
        var hash = await SHA256.HashDataAsync(content);
        return new(path, content.Length, 0, hash);
    }

    // False: the local file is missing, older than the stored one, or has gone another way.
    async Task<bool> MatchesStored(string path)
    {
        if (!RunUser.Impersonate(() => File.Exists(folder.FileOf(path))))
            return false;

        var saved = Files.Stored[path];
        if (!TranscriptFolder.IsJsonLines(path))
            return (await HashFile(path, before: null))!.Sha256.AsSpan().SequenceEqual(saved.Sha256);

        if ((await Files.ReadRows(folder, path, lost)).PrefixHash?.AsSpan().SequenceEqual(saved.Sha256) == true)
            return true;

        Files.Invalidate(path);
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
        Files.Invalidate("");
    }

    public async ValueTask DisposeAsync()
    {
        watcher?.Dispose();
        await disposing.CancelAsync();
        await autosaving;
        if (!FilesHandedOver)
            Files.Dispose();
        disposing.Dispose();
        appended.Dispose();
        saving.Dispose();
    }
}
