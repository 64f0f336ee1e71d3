using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// Saves the transcript of a Claude session to the store while its turn runs, so that another runner can go on wherever
/// this one dies.
/// </summary>
/// <param name="store">Where it is saved.</param>
/// <param name="turn">The turn; its epoch guards every save.</param>
/// <param name="claudeSessionId">The Claude session.</param>
/// <param name="folder">Where it is on this machine.</param>
/// <param name="files">What is known of its files.</param>
/// <param name="log">Told of what could not be saved.</param>
/// <param name="lost">The turn is another runner's: nothing is waited for any more. As everywhere, what waits for the
/// database stops waiting, and the database is not asked to cancel (TurnLease.Lost).</param>
sealed class TranscriptAutosave(
    Transcripts store,
    ClaimedTurn turn,
    Guid claudeSessionId,
    TranscriptFolder folder,
    TranscriptFiles files,
    ILogger log,
    CancellationToken lost
) : IAsyncDisposable
{
    readonly SemaphoreSlim saving = new(1);
    readonly SemaphoreSlim appended = new(0);
    readonly CancellationTokenSource disposing = new();
    Task autosaving = Task.CompletedTask;
    FileSystemWatcher? watcher;
    volatile bool hasSideEffects;
    bool sideEffectsRecorded;

    // A save whose answer was lost may be in the store all the same.
    bool storedIsUncertain;

    /// <summary>Saves by itself from now on, whenever the CLI has written more.</summary>
    public void Start()
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
            watcher.Changed += (_, _) => NotifyAppended(hasSideEffects: false);
            watcher.Created += (_, _) => NotifyAppended(hasSideEffects: false);
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
    /// <param name="hasSideEffects">Whether the model has called a tool.</param>
    public void NotifyAppended(bool hasSideEffects)
    {
        this.hasSideEffects |= hasSideEffects;

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
                files.Reset(await store.Find(claudeSessionId, CancellationToken.None).WaitAsync(lost));
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
                        files.Stored[change.File.Path] = change.File;
                    break;
            }

            storedIsUncertain = false;
            return null;
        }
        catch (Exception failed)
            when (PostgresErrors.IsFailure(failed) || failed is IOException or UnauthorizedAccessException)
        {
            return failed.Message;
        }
    }

    async Task<TranscriptChange?> BuildChange(string path, bool entirely)
    {
        var before = files.Stored.GetValueOrDefault(path);
        var now = TranscriptFolder.IsJsonLines(path)
            ? await ReadAppended(path, entirely)
            : await files.HashUnlessUnchanged(folder, path, before);

        if (now is null || now.Bytes == 0 || before is not null && now.Sha256.AsSpan().SequenceEqual(before.Sha256))
            return null;

        var continues =
            before is not null
            && files.ReaderOf(path) is { } reader
            && (!entirely || reader.PrefixHash?.AsSpan().SequenceEqual(before.Sha256) == true)
            && now.Bytes > before.Bytes;
        var stored = continues ? before!.Bytes : 0;
        return new(now, stored, () => TranscriptFolder.OpenShared(folder.FileOf(path), stored));
    }

    async Task<TranscriptFile> ReadAppended(string path, bool again)
    {
        if (again)
            files.Invalidate(path);
        return (await files.ReadRows(folder, path, CancellationToken.None)).ToTranscriptFile(path);
    }

    public async ValueTask DisposeAsync()
    {
        watcher?.Dispose();
        await disposing.CancelAsync();
        await autosaving;
        disposing.Dispose();
        appended.Dispose();
        saving.Dispose();
    }
}
