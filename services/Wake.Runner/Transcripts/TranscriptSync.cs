using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// The transcript of a Claude session on this machine, in step with the store: <see cref="TranscriptRestore"/> before a
/// turn, <see cref="TranscriptAutosave"/> while it runs.
/// </summary>
sealed class TranscriptSync : IAsyncDisposable
{
    readonly ClaimedTurn turn;
    readonly TranscriptFolder folder;
    readonly TranscriptRestore restore;
    readonly TranscriptAutosave autosave;

    /// <param name="store">Where it is saved.</param>
    /// <param name="turn">The turn; its epoch guards every save.</param>
    /// <param name="claudeSessionId">The Claude session.</param>
    /// <param name="configFolder">The CLI's configuration folder.</param>
    /// <param name="log">Told of what could not be saved.</param>
    /// <param name="lost">The turn is another runner's: nothing is waited for any more.</param>
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
        this.turn = turn;
        Files = known ?? new();
        folder = new(configFolder, turn.Workspace, claudeSessionId);
        restore = new(store, turn, claudeSessionId, folder, Files, lost);
        autosave = new(store, turn, claudeSessionId, folder, Files, log, lost);
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

    /// <inheritdoc cref="TranscriptRestore.Note" />
    public string? Note => restore.Note;

    /// <summary>The directory the session is in: a worktree that it has entered, else its workspace.</summary>
    public string WorkingDirectory =>
        Files.ReaderOf("")?.Worktree is { } entered && Directory.Exists(entered) ? entered : turn.Workspace;

    /// <summary>The id under which the CLI has written down a prompt that contains a text; null when it has
    /// none.</summary>
    public Task<Guid?> FindPrompt(string text, CancellationToken cancel) =>
        RunUser.Impersonate(() => File.Exists(folder.MainFile))
            ? TranscriptRows.FindPrompt(folder.MainFile, text, cancel)
            : Task.FromResult<Guid?>(null);

    /// <inheritdoc cref="TranscriptFolder.ResumePathFrom" />
    public string? ResumePathFrom(string directory) => folder.ResumePathFrom(directory);

    /// <inheritdoc cref="TranscriptRestore.Restore" />
    public Task<TranscriptState> Restore() => restore.Restore();

    /// <inheritdoc cref="TranscriptAutosave.Start" />
    public void StartAutosave() => autosave.Start();

    /// <inheritdoc cref="TranscriptAutosave.NotifyAppended" />
    public void NotifyAppended(bool hasSideEffects) => autosave.NotifyAppended(hasSideEffects);

    /// <inheritdoc cref="TranscriptAutosave.Save" />
    public Task<string?> Save(bool entirely) => autosave.Save(entirely);

    public async ValueTask DisposeAsync()
    {
        await autosave.DisposeAsync();
        if (!FilesHandedOver)
            Files.Dispose();
    }
}
