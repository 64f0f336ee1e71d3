using System.Security.Cryptography;
using System.Text.Json;
using Npgsql;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// The memory of a Claude session on this machine: brought from the store before a turn where it is missing or old, and
/// saved to it while the turn runs, so that another runner can go on wherever this one dies.
/// </summary>
sealed class SessionMemory : IAsyncDisposable
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
    readonly SemaphoreSlim grown = new(0);
    readonly CancellationTokenSource over = new();
    Task keeping = Task.CompletedTask;
    FileSystemWatcher? watcher;
    volatile bool acted;
    bool actedIsNoted;

    // A save whose answer was lost may be in the store all the same.
    bool storedIsUnsure;

    // What is here is gone on with although the store has something else.
    bool localWins;

    // A row is written at once; one that has no end after this was left by a CLI that was killed.
    static readonly TimeSpan UnendedRow = TimeSpan.FromMilliseconds(200);

    /// <param name="store">Where it is saved.</param>
    /// <param name="turn">The turn; its epoch guards every save.</param>
    /// <param name="claudeSessionId">The Claude session.</param>
    /// <param name="configFolder">The CLI's configuration folder.</param>
    /// <param name="log">Told of what could not be saved.</param>
    /// <param name="lost">The turn is somebody else's: nothing is waited for any more.</param>
    /// <param name="known">What an earlier turn on this machine knew of the files; this object's from now on. Null:
    /// nothing.</param>
    public SessionMemory(
        Transcripts store,
        ClaimedTurn turn,
        Guid claudeSessionId,
        string configFolder,
        ILogger log,
        CancellationToken lost,
        MemoryFiles? known = null
    )
    {
        Files = known ?? new();
        (this.store, this.turn, this.claudeSessionId, this.log, this.lost) = (store, turn, claudeSessionId, log, lost);
        folder = new(configFolder, turn.Workspace, claudeSessionId);
    }

    /// <summary>What is known of its files. Disposed with this object, unless they are
    /// <see cref="FilesAreKept"/>.</summary>
    public MemoryFiles Files { get; }

    /// <summary>Somebody else goes on with the files.</summary>
    public bool FilesAreKept { get; set; }

    /// <summary>The transcript on this machine, whether it exists or not.</summary>
    public string Transcript => folder.Main;

    /// <summary>Whether the store has a transcript of it.</summary>
    public bool IsStored => Files.Stored.ContainsKey("");

    /// <summary>What its owner should know of it, for the turn's note; null when there is nothing.</summary>
    public string? Note { get; private set; }

    /// <summary>The directory the session is in: a worktree that it has entered, else its workspace.</summary>
    public string WorkingDirectory => Worktree is { } entered && Directory.Exists(entered) ? entered : turn.Workspace;

    /// <inheritdoc cref="TranscriptFolder.PathFrom" />
    public string? PathFrom(string directory) => folder.PathFrom(directory);

    string? Worktree => Files.ReaderOf("")?.Worktree;

    /// <summary>
    /// Sees to it that the CLI finds the memory as it was last saved, or what was added to that here. Where the two
    /// have gone different ways nothing of either is deleted. Whether it can be resumed is not judged: the CLI passes
    /// over what it cannot read, and says so when nothing is left.
    /// </summary>
    public async Task<Memory> Bring()
    {
        folder.Locate();
        var found = await store.Find(claudeSessionId, CancellationToken.None).WaitAsync(lost);
        if (Files.AreUnchanged(folder, found))
        {
            RemarkLostWorktree();
            return new Memory.Ready(found!.SavedAt) { IsUnchanged = true };
        }

        Files.Know(found);
        var written = RunUser.Do(() =>
            File.Exists(folder.Main) ? File.GetLastWriteTimeUtc(folder.Main) : (DateTime?)null
        );
        var main = Files.Stored.GetValueOrDefault("");
        if (main is null && written is null)
            return new Memory.None();

        if (folder.Others is not [])
            await Tell(
                $"there are several transcripts of it; the one written last is gone on with, not {string.Join(", ", folder.Others)}"
            );

        var local = written is null ? null : await ReadHere();
        if (local is not null && (main is null || local.Marked?.AsSpan().SequenceEqual(main.Sha256) == true))
        {
            if (main is not null && local.Said)
                await TellAdded(local.Added);
        }
        else if (!await Reconcile(main!, local))
        {
            return new Memory.Damaged("nothing of the stored transcript can be read");
        }

        foreach (var file in Files.Stored.Values.Where(x => x.Path.Length > 0).ToList())
            await BringPart(file);

        // Of what was restored as well: the worktree is not known before it is read.
        await ReadHere();

        // The CLI deletes what was not written to for a month.
        RunUser.Do(() => File.SetLastWriteTimeUtc(folder.Main, DateTime.UtcNow));
        RemarkLostWorktree();

        var since = found?.SavedAt ?? written!.Value;
        return new Memory.Ready(local is { Said: true } && written > since ? written.Value : since);
    }

    // Reads the transcript that is here, and sees to a row without an end: an older CLI would write the next one onto
    // it.
    async Task<TranscriptReader> ReadHere()
    {
        var reader = await Files.Read(folder, "", lost);
        if (!reader.CutOff)
            return reader;

        // Somebody may be writing it at this moment.
        await Task.Delay(UnendedRow, lost);
        await Files.Read(folder, "", lost);
        if (!reader.CutOff)
            return reader;

        var (end, aside) = (reader.Bytes, folder.Aside("torn", DateTimeOffset.UtcNow));
        await using (
            var main = RunUser.Do(() =>
                new FileStream(folder.Main, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete)
            )
        )
        {
            main.Position = end;
            if (main.Length - end <= OutputLines.DefaultLimit && await IsWhole(main, lost))
            {
                main.Position = main.Length;
                main.WriteByte((byte)'\n');
                aside = null;
            }
            else
            {
                main.Position = end;
                await using (var torn = RunUser.Do(() => new FileStream(aside, FileMode.CreateNew)))
                    await main.CopyToAsync(torn, lost);
                main.SetLength(end);
            }
        }

        await Files.Read(folder, "", lost);
        if (aside is not null)
            await Record("mended", $"the last row of the transcript, which had no end, was put into {aside}");
        return reader;
    }

    static async Task<bool> IsWhole(Stream row, CancellationToken cancel)
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
        var (arriving, whole) = await Load(main);
        try
        {
            using var stored = new TranscriptReader();
            await stored.Read(arriving, local?.Bytes ?? 0, lost);
            if (!whole)
            {
                await Tell(
                    $"the stored transcript is not what was saved: {stored.Bytes} of {main.Bytes} bytes can be read"
                );
                Files.Stored.Remove("");
            }

            if (local is null or { Bytes: 0 } || stored.Marked?.AsSpan().SequenceEqual(local.As("").Sha256) == true)
            {
                if (local is null && stored.Rows == 0)
                    return false;

                Arrived(arriving);
                return true;
            }

            var (here, there) = (await TranscriptRows.Of(folder.Main, lost), await TranscriptRows.Of(arriving, lost));
            if (there.Ids.IsSubsetOf(here.Ids))
            {
                // The old copy stays in the store for a time, whatever rows without an id it has.
                Files.Stored.Remove("");
                localWins = true;
                if (here.Ids.Count - there.Ids.Count is > 0 and var added)
                    await TellAdded(added);
                return true;
            }

            // What nobody has said anything in since is the work of an attempt that lost its turn, or a copy that was
            // replaced.
            var said = here.Prompts.Except(there.Ids).Any();
            if (said && !await store.WasStored(claudeSessionId, local.As(""), CancellationToken.None).WaitAsync(lost))
            {
                var aside = folder.Aside("stored", DateTimeOffset.UtcNow);
                RunUser.Do(() => File.Move(arriving, aside));
                Files.Stored.Remove("");
                localWins = true;
                await Tell(
                    "the transcript on this runner and the stored one have gone different ways; the one on this runner is gone "
                        + $"on with, as claude would; the other is in {aside}"
                );
            }
            else
            {
                var aside = folder.Aside("replaced", DateTimeOffset.UtcNow);
                RunUser.Do(() => File.Move(folder.Main, aside));
                Arrived(arriving);
                await Record(
                    "mended",
                    $"the transcript on this runner was replaced by the stored one, and is in {aside}"
                );
            }

            return true;
        }
        finally
        {
            RunUser.Do(() => File.Delete(arriving));
        }
    }

    async Task BringPart(TranscriptFile saved)
    {
        if (await Holds(saved.Path))
            return;

        var file = folder.FileOf(saved.Path);
        if (RunUser.Do(() => File.Exists(file)) && localWins)
        {
            Files.Stored.Remove(saved.Path);
            return;
        }

        var (arriving, whole) = await Load(saved);
        if (!whole)
        {
            // The conversation does without it.
            RunUser.Do(() => File.Delete(arriving));
            Files.Stored.Remove(saved.Path);
            await Record("mended", $"the stored {saved.Path} is not what was saved, and is left out");
            return;
        }

        if (RunUser.Do(() => File.Exists(file)) && !await Begins(arriving, file))
            RunUser.Do(() =>
                File.Move(file, folder.Aside($"{Path.GetFileName(file)}.replaced", DateTimeOffset.UtcNow))
            );
        RunUser.Do(() => File.Move(arriving, file, overwrite: true));
        Files.Forget(saved.Path);
    }

    // Whether one file begins with all of another.
    async Task<bool> Begins(string longer, string shorter)
    {
        await using var of = TranscriptFolder.Open(longer);
        await using var with = TranscriptFolder.Open(shorter);
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

    Task TellAdded(int rows) =>
        Record(
            "added",
            turn.Attempt == 1
                ? $"{rows} rows were added outside Wake since the last save"
                : $"{rows} rows were added since the last save, by an attempt that ended early or outside Wake"
        );

    Task Record(string kind, string what) => store.Noted(turn, kind, what, CancellationToken.None).WaitAsync(lost);

    // In the turn's note as well.
    Task Tell(string what)
    {
        Remark(what);
        return Record("mended", what);
    }

    void RemarkLostWorktree()
    {
        if (Worktree is { } entered && !Directory.Exists(entered))
            Remark($"the worktree {entered} it was in is not there any more: it works in {turn.Workspace}");
    }

    void Remark(string what) => Note = Note is null ? what : $"{Note}; {what}";

    /// <summary>Saves by itself from now on, whenever the CLI has written more.</summary>
    public void Keep()
    {
        Watch();
        keeping = Task.Run(SaveWhatGrows);
    }

    void Watch()
    {
        watcher?.Dispose();
        watcher = null;
        try
        {
            RunUser.Do(() => Directory.CreateDirectory(folder.Folder));
            watcher = new(folder.Folder, Path.GetFileName(folder.Main));
            watcher.Changed += (_, _) => Grew(acted: false);
            watcher.Created += (_, _) => Grew(acted: false);
            RunUser.Do(() => watcher.EnableRaisingEvents = true);
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
            if (storedIsUnsure)
            {
                Files.Know(await store.Find(claudeSessionId, CancellationToken.None).WaitAsync(lost));
                storedIsUnsure = false;
                entirely = true;
            }

            // The CLI takes it along when the session enters a worktree.
            if (folder.Locate())
                Watch();

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
                    log.LogWarning(
                        "{SessionKey} wake {Wake}: the transcript was not saved; the turn is another runner's now.",
                        turn.SessionKey,
                        turn.WakeNumber
                    );
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

        var continues =
            before is not null
            && Files.ReaderOf(path) is { } reader
            && (!entirely || reader.Marked?.AsSpan().SequenceEqual(before.Sha256) == true)
            && now.Bytes > before.Bytes;
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
        if (!RunUser.Do(() => File.Exists(folder.FileOf(path))))
            return false;

        var saved = Files.Stored[path];
        if (!TranscriptFolder.HasRows(path))
            return (await Hash(path, before: null))!.Sha256.AsSpan().SequenceEqual(saved.Sha256);

        if ((await Files.Read(folder, path, lost)).Marked?.AsSpan().SequenceEqual(saved.Sha256) == true)
            return true;

        Files.Forget(path);
        return false;
    }

    // Writes what can be read of a stored file beside the place it belongs to.
    async Task<(string File, bool Whole)> Load(TranscriptFile saved)
    {
        var arriving = $"{(saved.Path.Length == 0 ? folder.Main : folder.FileOf(saved.Path))}.arriving";
        RunUser.Do(() => Directory.CreateDirectory(Path.GetDirectoryName(arriving)!));
        await using var destination = RunUser.Do(() => new FileStream(arriving, FileMode.Create));
        return (
            arriving,
            await store.Load(claudeSessionId, saved, destination, CancellationToken.None).WaitAsync(lost)
        );
    }

    void Arrived(string arriving)
    {
        RunUser.Do(() => File.Move(arriving, folder.Main, overwrite: true));
        Files.Forget("");
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
