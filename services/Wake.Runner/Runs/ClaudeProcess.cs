using System.Diagnostics;
using System.Text;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// One process of the CLI, from its start to its end. It takes one message at a time and waits between them. A turn it
/// starts by itself meanwhile belongs to no wake and makes it unusable. Disposing it kills it with everything it
/// started.
/// </summary>
sealed class ClaudeProcess : IAsyncDisposable
{
    // What an interrupted turn gets in any case to say so.
    static readonly TimeSpan MinInterruptTime = TimeSpan.FromSeconds(1);

    // Enough to see why it refused to start; a flood beyond it is read and dropped.
    const int StderrLimit = 8 * 1024;

    readonly Process process;
    readonly RunReaper reaper;
    readonly RunTag tag;
    readonly TimeProvider time;
    readonly TimeSpan killAfter;
    readonly SemaphoreSlim writing = new(1);
    readonly CancellationTokenSource closing = new();
    readonly TaskCompletionSource unusable = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly Task<string> stderr;
    Task? stdout;
    volatile Conversation? conversation;
    Task deferring = Task.CompletedTask,
        allowing = Task.CompletedTask;
    TimeSpan grace = RunReaper.Grace;
    long openedAt = long.MaxValue;

    /// <param name="process">What was started.</param>
    /// <param name="tag">By which everything it starts is known.</param>
    /// <param name="environment">Its environment; the secrets in it are taken out of what it says on standard
    /// error.</param>
    /// <param name="reaper">Ends that.</param>
    /// <param name="killAfter">How long it gets after each request to stop.</param>
    /// <param name="time">The clock.</param>
    public ClaudeProcess(
        Process process,
        RunTag tag,
        IReadOnlyDictionary<string, string> environment,
        RunReaper reaper,
        TimeSpan killAfter,
        TimeProvider time
    )
    {
        (this.process, this.tag, Environment, this.reaper) = (process, tag, environment, reaper);
        (this.killAfter, this.time) = (killAfter, time);
        stderr = ReadStderr(process.StandardError.BaseStream, closing.Token);
    }

    /// <summary>By which everything it starts is known.</summary>
    public RunTag Tag => tag;

    /// <summary>Its environment.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; }

    /// <summary>Completes when it can be told no more: it has ended, or has begun a turn that nobody asked it
    /// for.</summary>
    public Task Unusable => unusable.Task;

    /// <summary>What it had cost before, where the CLI counts from the start of the process.</summary>
    public TurnCost CostSoFar { get; private set; }

    /// <summary>Whether it was told, about its newest message, that the time for it was nearly over.</summary>
    public bool TimeoutNoticeSent { get; private set; }

    /// <summary>Lines of it that were too long and dropped.</summary>
    public int SkippedLines { get; private set; }

    /// <summary>
    /// Whether a tool left something running: a process whose parents are gone, or that is younger than the first turn.
    /// What the CLI starts for itself, such as servers of tools, is older.
    /// </summary>
    public bool HasLeftoverProcesses =>
        reaper
            .ProcessesOf(tag)
            .Any(x => x.Id != process.Id && (x.ParentId == System.Environment.ProcessId || x.StartTicks > openedAt));

    /// <summary>What it holds of the machine's memory with all that belongs to it, in bytes.</summary>
    public long MemoryBytes => ProcessTable.MemoryOf(tag) ?? process.WorkingSet64;

    /// <summary>Kills it, and what it started without asking first.</summary>
    public void Kill()
    {
        grace = TimeSpan.Zero;
        process.KillTree();
    }

    /// <summary>Tells it a message, and hears what it says about it until that is all or it was stopped.</summary>
    /// <param name="command">The message, and what is answered when the CLI asks for permissions.</param>
    /// <param name="transcript">Where it writes down what it does; it moves when the session enters a worktree.</param>
    /// <param name="output">Takes what it says.</param>
    /// <param name="total">How long it may take in all.</param>
    /// <param name="idle">How long it may say nothing.</param>
    /// <param name="notice">How long before the end of its time it is told; zero when it is not.</param>
    /// <param name="heard">Called after every line.</param>
    /// <param name="shutdown">Asks the turn to stop and to leave a transcript that says so.</param>
    /// <param name="lost">Nobody waits for it any more.</param>
    /// <returns>Why it was stopped, if it was.</returns>
    public async Task<StopReason> SendMessage(
        ClaudeCommand command,
        Func<string> transcript,
        ClaudeOutput output,
        TimeSpan total,
        TimeSpan idle,
        TimeSpan notice,
        Action<ClaudeOutput> heard,
        CancellationToken shutdown,
        CancellationToken lost
    )
    {
        using var tooLong = new CancellationTokenSource(total, time);
        using var silent = new CancellationTokenSource(idle, time);
        var talk = new Conversation(command.Permissions, transcript, output, heard, silent, idle);
        conversation = talk;
        TimeoutNoticeSent = false;
        var ends = time.GetTimestamp() + (long)(total.TotalSeconds * time.TimestampFrequency);
        await using var nearly = time.CreateTimer(
            _ => _ = SendTimeoutNotice(talk, ends, isDue: true),
            null,
            notice > TimeSpan.Zero ? total - notice : Timeout.InfiniteTimeSpan,
            Timeout.InfiniteTimeSpan
        );
        talk.OnLine = () => _ = SendTimeoutNotice(talk, ends, isDue: false);

        // Not before: what it says at its start, that there is no such session for instance, is about the first
        // message.
        stdout ??= ReadOutput();
        if (stdout.IsCompleted)
            talk.CompleteAll();

        if (command.Permissions.Policy is PermissionPolicy.Ask)
            await WriteLine(ClaudeProtocol.UsageRequestLine());
        await WriteLine(command.UserMessageLine());

        using (var until = CancellationTokenSource.CreateLinkedTokenSource(shutdown, lost, tooLong.Token, silent.Token))
            await talk.OutcomeKnown.WaitAsync(until.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        var stopped = StopReason.None;
        if (!talk.OutcomeKnown.IsCompleted && !lost.IsCancellationRequested)
        {
            stopped =
                shutdown.IsCancellationRequested ? StopReason.Shutdown
                : tooLong.IsCancellationRequested ? StopReason.Timeout
                : StopReason.Idle;
            await InterruptTurn(talk, lost);
        }

        // A second for what follows a result.
        if (talk.OutcomeKnown.IsCompleted)
            await WaitAtMost(talk.Idle, TimeSpan.FromSeconds(1), lost);

        talk.StopIdleTimer();
        CostSoFar = output.ProcessCost;
        return stopped;
    }

    // An interrupt rejects the call that is open: the session reads that the user did not want it, whatever a person
    // has answered, and the next run finds a call that has its result. A killed process leaves the call as it was.
    async Task InterruptTurn(Conversation talk, CancellationToken lost)
    {
        var began = time.GetTimestamp();

        // What is just being asked will be asked, and ends the run by itself.
        if (!deferring.IsCompleted || talk.Output.IsAskingPerson)
        {
            if (!await WaitAtMost(talk.OutcomeKnown, killAfter, lost))
                Kill();
            return;
        }

        // A call that was not begun is not begun any more; of one that was, a person would like to hear how it ended.
        if (
            !await DeferredToolCall.WaitForResults(
                talk.Transcript,
                talk.SettledCalls,
                talk.StopAllowingCalls() ? killAfter : TimeSpan.Zero,
                time,
                lost
            )
        )
        {
            Kill();
            return;
        }

        await WriteLine(ClaudeProtocol.InterruptLine());
        var left = killAfter - time.GetElapsedTime(began);
        await WaitAtMost(talk.OutcomeKnown, left > MinInterruptTime ? left : MinInterruptTime, lost);
    }

    /// <summary>The message is dealt with, and whatever it says from now on belongs to none.</summary>
    public void EndConversation() => conversation = null;

    /// <summary>Ends it: the polite way, the firm one, and the last one.</summary>
    /// <param name="patience">How long it gets to end by itself once its input is closed.</param>
    /// <param name="lost">Nobody waits for it any more.</param>
    /// <returns>Its exit code, and the end of its standard error.</returns>
    public async Task<(int ExitCode, string Stderr)> ShutDown(TimeSpan patience, CancellationToken lost)
    {
        // The stream and not its writer, which would flush into a pipe that may be broken and fail.
        process.StandardInput.BaseStream.Close();
        if (!await WaitAtMost(process.WaitForExitAsync(CancellationToken.None), patience, lost))
        {
            process.Terminate();
            if (!await WaitAtMost(process.WaitForExitAsync(CancellationToken.None), killAfter, lost))
                process.KillTree();
        }

        await process.WaitForExitAsync(CancellationToken.None);

        // Something it left behind may hold the pipes open; what is in them by now is all there is to hear.
        await WaitAtMost(Task.WhenAll(stdout!, stderr), TimeSpan.FromSeconds(1), lost);
        await closing.CancelAsync();
        await stdout!;
        await Task.WhenAll(deferring, allowing);
        return (process.ExitCode, Redaction.Redact(await stderr, Environment));
    }

    public async ValueTask DisposeAsync()
    {
        process.KillTree();
        await reaper.EndRun(tag, grace);
        await closing.CancelAsync();
        await Task.WhenAll(stdout ?? Task.CompletedTask, stderr, deferring, allowing);
        process.Dispose();
        closing.Dispose();
        writing.Dispose();
    }

    async Task WriteLine(byte[] line)
    {
        await writing.WaitAsync();
        try
        {
            await process.StandardInput.BaseStream.WriteAsync(line);
            await process.StandardInput.BaseStream.FlushAsync();
        }
        catch (Exception closed) when (closed is IOException or ObjectDisposedException)
        {
            // It has ended already, or has been told that it may; its output and exit code say how.
        }
        finally
        {
            writing.Release();
        }
    }

    // Said while a tool is at work: said while the model speaks it may come too late for this turn, and begin one of
    // its own.
    async Task SendTimeoutNotice(Conversation talk, long ends, bool isDue)
    {
        if (!talk.TryTakeNotice(isDue))
            return;

        TimeoutNoticeSent = true;
        await WriteLine(ClaudeProtocol.TimeoutNoticeLine(time.GetElapsedTime(time.GetTimestamp(), ends)));
    }

    // Recorded before the call runs, so that the next run does not repeat a call that was cut off.
    async Task AllowCall(Conversation talk, ControlRequest request)
    {
        try
        {
            if (talk.TryAllowCall() && await talk.Permissions.StartCall(request, talk.Output.Environment) is { } reply)
                await WriteLine(reply);
        }
        catch (OperationCanceledException)
        {
            // The turn is somebody else's.
        }
    }

    // The CLI calls tools while the model still speaks: once it has written this call down, one beside it is heard of
    // too.
    async Task DeferCall(Conversation talk, ControlRequest request)
    {
        await DeferredToolCall
            .WaitUntilWritten(talk.Transcript, request, time, closing.Token)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (talk.Reply(request) is { } reply)
        {
            await WriteLine(reply);
            return;
        }

        talk.Output.Defer(request);
        await WriteLine(ClaudeProtocol.UsageRequestLine());
        talk.CompleteOutcome();
    }

    async Task ReadOutput()
    {
        var lines = new BoundedLineReader(process.StandardOutput.BaseStream);
        try
        {
            while (await lines.ReadLine(closing.Token) is { } line)
            {
                if (conversation is not { } talk)
                {
                    if (ClaudeProtocol.IsTurnLine(line))
                        unusable.TrySetResult();
                    continue;
                }

                talk.ProcessLine(line);
                if (talk.Output.Opened && openedAt == long.MaxValue)
                    openedAt = ProcessTable.Now;

                // At once, whatever it is: it waits for ever.
                while (talk.Output.Requests.TryDequeue(out var request))
                {
                    if (talk.Reply(request) is not { } reply)
                        deferring = DeferCall(talk, request);
                    else if (talk.Permissions.IsAllowed(request, talk.Output.Environment))
                        allowing = AllowCall(talk, request);
                    else
                        await WriteLine(reply);
                }
            }
        }
        catch (Exception closed) when (closed is OperationCanceledException or IOException)
        {
            // The pipe is gone or nobody listens any more.
        }
        finally
        {
            SkippedLines = lines.SkippedLines;
            unusable.TrySetResult();
            conversation?.CompleteAll();
        }
    }

    static async Task<string> ReadStderr(Stream stream, CancellationToken cancel)
    {
        var kept = new byte[StderrLimit];
        var dropped = new byte[4096];
        var length = 0;
        try
        {
            while (true)
            {
                var read =
                    length < kept.Length
                        ? await stream.ReadAsync(kept.AsMemory(length), cancel)
                        : await stream.ReadAsync(dropped, cancel);
                if (read == 0)
                    break;
                length = Math.Min(kept.Length, length + read);
            }
        }
        catch (Exception closed) when (closed is OperationCanceledException or IOException)
        {
            // As above.
        }

        return Encoding.UTF8.GetString(kept, 0, length);
    }

    /// <summary>Waits for a task, at most so long. Whether it completed.</summary>
    async Task<bool> WaitAtMost(Task task, TimeSpan atMost, CancellationToken cancel)
    {
        await task.WaitAsync(atMost, time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return task.IsCompleted;
    }
}
