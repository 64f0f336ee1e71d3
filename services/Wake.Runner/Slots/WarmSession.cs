namespace Wake.Runner;

/// <summary>
/// A process of the CLI that has a session open, and what is known of the transcript it has read. Disposing it ends the
/// process, unless that was detached.
/// </summary>
/// <param name="sessionId">The session.</param>
/// <param name="command">How it was started.</param>
/// <param name="process">The process.</param>
/// <param name="files">The files of its transcript as they are saved.</param>
/// <param name="stay">How long it may stay.</param>
sealed class WarmSession(
    Guid sessionId,
    ClaudeCommand command,
    ClaudeProcess process,
    TranscriptFiles files,
    TimeSpan stay
) : IAsyncDisposable
{
    ITimer? timer;
    bool processIsTaken,
        filesAreTaken;

    public Guid SessionId => sessionId;

    /// <summary>By which its processes are known.</summary>
    public RunTag Tag => process.Tag;

    /// <summary>The Claude session it has open.</summary>
    public Guid ClaudeSessionId => command.SessionId;

    /// <summary>What it shows to the API, for as long as it lives.</summary>
    public RunCredentials? Credentials => command.Credentials;

    /// <summary>What it held when it began to wait, in bytes.</summary>
    public long MemoryBytes { get; } = process.MemoryBytes;

    /// <summary>Whether it can take a message: of the same Claude session, in the same place, under the same
    /// rules.</summary>
    public bool CanTake(ClaudeCommand other) =>
        !process.Unusable.IsCompleted
        && !other.MayRepeatMessage
        && other.Workspace == command.Workspace
        && ArgumentsOf(other).SequenceEqual(ArgumentsOf(command));

    /// <summary>The process, which is the caller's from now on.</summary>
    public ClaudeProcess DetachProcess()
    {
        processIsTaken = true;
        return process;
    }

    /// <summary>The files, which are the caller's from now on.</summary>
    public TranscriptFiles DetachFiles()
    {
        filesAreTaken = true;
        return files;
    }

    /// <summary>Calls when its time is over, or when it ends or does something by itself.</summary>
    public void WatchExpiry(TimeProvider time, Action<WarmSession> leave)
    {
        timer = time.CreateTimer(_ => leave(this), null, stay, Timeout.InfiniteTimeSpan);
        _ = process.Unusable.ContinueWith(_ => leave(this), TaskScheduler.Default);
    }

    public async ValueTask DisposeAsync()
    {
        if (timer is not null)
            await timer.DisposeAsync();
        if (!filesAreTaken)
            files.Dispose();
        if (processIsTaken)
            return;

        processIsTaken = true;
        // It has nothing to do, so it ends as soon as it is told. What does something by itself is not waited for.
        if (!process.Unusable.IsCompleted)
            await process.ShutDown(RunReaper.Grace, CancellationToken.None);
        await process.DisposeAsync();
    }

    // Whether it was begun or resumed, and from where, makes no difference any more.
    static IReadOnlyList<string> ArgumentsOf(ClaudeCommand command) =>
        (command with { Resume = true, Transcript = null }).Arguments();
}
