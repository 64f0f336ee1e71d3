using System.Diagnostics;
using System.Text;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// One process of the CLI, from its start to its end. It is told one message at a time. Between two it waits; a turn that it
/// begins by itself then is nobody's, and it can be told no more. Disposing it kills it with everything it started.
/// </summary>
sealed class ClaudeProcess : IAsyncDisposable
{
    // Enough to see why it refused to start; a flood beyond it is read and dropped.
    const int StderrKept = 8 * 1024;

    readonly Process process;
    readonly RunProcesses processes;
    readonly RunMark mark;
    readonly TimeProvider time;
    readonly TimeSpan killAfter;
    readonly SemaphoreSlim writing = new(1);
    readonly CancellationTokenSource closing = new();
    readonly TaskCompletionSource over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly Task<string> stderr;
    Task? stdout;
    volatile Conversation? conversation;
    Task puttingOff = Task.CompletedTask;
    TimeSpan grace = RunProcesses.Grace;
    long openedAt = long.MaxValue;

    /// <param name="process">What was started.</param>
    /// <param name="mark">By which everything it starts is known.</param>
    /// <param name="environment">Its environment; the secrets in it are taken out of what it says on standard error.</param>
    /// <param name="processes">Ends that.</param>
    /// <param name="killAfter">How long it gets after each request to stop.</param>
    /// <param name="time">The clock.</param>
    public ClaudeProcess(
        Process process, RunMark mark, IReadOnlyDictionary<string, string> environment, RunProcesses processes, TimeSpan killAfter, TimeProvider time)
    {
        (this.process, this.mark, Environment, this.processes) = (process, mark, environment, processes);
        (this.killAfter, this.time) = (killAfter, time);
        stderr = Tail(process.StandardError.BaseStream, closing.Token);
    }

    /// <summary>Its environment.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; }

    /// <summary>Completes when it can be told no more: it has ended, or has begun a turn that nobody asked it for.</summary>
    public Task Over => over.Task;

    /// <summary>What it had cost before, where the CLI counts from the start of the process.</summary>
    public TurnCost Paid { get; private set; }

    /// <summary>Lines of it that were too long and dropped.</summary>
    public int Skipped { get; private set; }

    /// <summary>
    /// Whether a tool left something running: a process whose parents are gone, or that is younger than the first turn. What the
    /// CLI starts for itself, such as servers of tools, is older.
    /// </summary>
    public bool HasToolsLeft => ProcessTable.Self is { } self && SeenProcess.Belonging(ProcessTable.AllMarked(), x => x == mark, self)
        .Any(x => x.Id != process.Id && (x.Parent == self.Id || x.Started > openedAt));

    /// <summary>What it holds of the machine's memory with all that belongs to it, in bytes.</summary>
    public long Memory => ProcessTable.MemoryOf(mark) ?? process.WorkingSet64;

    /// <summary>Kills it, and what it started without asking first.</summary>
    public void Kill()
    {
        grace = TimeSpan.Zero;
        process.KillTree();
    }

    /// <summary>Tells it a message, and hears what it says about it until that is all or it was stopped.</summary>
    /// <param name="command">The message, and what is answered when the CLI asks for permissions.</param>
    /// <param name="transcript">Where it writes down what it does.</param>
    /// <param name="output">Takes what it says.</param>
    /// <param name="total">How long it may take in all.</param>
    /// <param name="idle">How long it may say nothing.</param>
    /// <param name="heard">Called after every line.</param>
    /// <param name="shutdown">Asks the turn to stop and to leave a transcript that says so.</param>
    /// <param name="lost">Nobody waits for it any more.</param>
    /// <returns>Why it was stopped, if it was.</returns>
    public async Task<StopReason> Tell(
        ClaudeCommand command, string transcript, ClaudeOutput output, TimeSpan total, TimeSpan idle, Action<ClaudeOutput> heard, CancellationToken shutdown,
        CancellationToken lost)
    {
        using var tooLong = new CancellationTokenSource(total, time);
        using var silent = new CancellationTokenSource(idle, time);
        var talk = new Conversation(command.Permissions, transcript, output, heard, silent, idle);
        conversation = talk;

        // Not before: what it says at its start, that there is no such session for instance, is about the first message.
        stdout ??= Listen();
        if (stdout.IsCompleted)
            talk.End();

        if (command.Permissions.Policy is PermissionPolicy.Ask)
            await Write(ClaudeCommand.AskUsage());
        await Write(command.Message());

        using (var until = CancellationTokenSource.CreateLinkedTokenSource(shutdown, lost, tooLong.Token, silent.Token))
            await talk.Done.WaitAsync(until.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        var stopped = StopReason.None;
        if (!talk.Done.IsCompleted && !lost.IsCancellationRequested)
        {
            stopped = shutdown.IsCancellationRequested ? StopReason.Shutdown : tooLong.IsCancellationRequested ? StopReason.Timeout : StopReason.Idle;
            await Write(ClaudeCommand.Interrupt());
            await Within(talk.Done, killAfter, lost);
        }

        // A second for what follows a result.
        if (talk.Done.IsCompleted)
            await Within(talk.Settled, TimeSpan.FromSeconds(1), lost);

        talk.StopWatch();
        Paid = output.Total;
        return stopped;
    }

    /// <summary>The message is dealt with, and whatever it says from now on belongs to none.</summary>
    public void Rest() => conversation = null;

    /// <summary>Ends it: the polite way, the firm one, and the last one.</summary>
    /// <param name="patience">How long it gets to end by itself once its input is closed.</param>
    /// <param name="lost">Nobody waits for it any more.</param>
    /// <returns>Its exit code, and the end of its standard error.</returns>
    public async Task<(int ExitCode, string Stderr)> End(TimeSpan patience, CancellationToken lost)
    {
        // The stream and not its writer, which would flush into a pipe that may be broken and fail.
        process.StandardInput.BaseStream.Close();
        if (!await Within(process.WaitForExitAsync(CancellationToken.None), patience, lost))
        {
            process.Terminate();
            if (!await Within(process.WaitForExitAsync(CancellationToken.None), killAfter, lost))
                process.KillTree();
        }

        await process.WaitForExitAsync(CancellationToken.None);

        // Something it left behind may hold the pipes open; what is in them by now is all there is to hear.
        await Within(Task.WhenAll(stdout!, stderr), TimeSpan.FromSeconds(1), lost);
        await closing.CancelAsync();
        await stdout!;
        await puttingOff;
        return (process.ExitCode, Redaction.Redact(await stderr, Environment));
    }

    public async ValueTask DisposeAsync()
    {
        process.KillTree();
        await processes.End(mark, grace);
        await closing.CancelAsync();
        await Task.WhenAll(stdout ?? Task.CompletedTask, stderr, puttingOff);
        process.Dispose();
        closing.Dispose();
        writing.Dispose();
    }

    async Task Write(byte[] line)
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

    // The CLI calls tools while the model still speaks: once it has written this call down, one beside it is heard of too.
    async Task PutOff(Conversation talk, ControlRequest request)
    {
        await PutOffCall.Written(talk.Transcript, request, time, closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (talk.Reply(request) is { } reply)
        {
            await Write(reply);
            return;
        }

        talk.Output.Suspend(request);
        await Write(ClaudeCommand.AskUsage());
        talk.Finish();
    }

    async Task Listen()
    {
        var lines = new OutputLines(process.StandardOutput.BaseStream);
        try
        {
            while (await lines.Next(closing.Token) is { } line)
            {
                if (conversation is not { } talk)
                {
                    if (ClaudeOutput.IsOfATurn(line))
                        over.TrySetResult();
                    continue;
                }

                talk.Line(line);
                if (talk.Output.Opened && openedAt == long.MaxValue)
                    openedAt = ProcessTable.Now;

                // At once, whatever it is: it waits for ever.
                while (talk.Output.Requests.TryDequeue(out var request))
                {
                    if (talk.Reply(request) is { } reply)
                        await Write(reply);
                    else
                        puttingOff = PutOff(talk, request);
                }
            }
        }
        catch (Exception closed) when (closed is OperationCanceledException or IOException)
        {
            // The pipe is gone or nobody listens any more.
        }
        finally
        {
            Skipped = lines.Skipped;
            over.TrySetResult();
            conversation?.End();
        }
    }

    static async Task<string> Tail(Stream stream, CancellationToken cancel)
    {
        var kept = new byte[StderrKept];
        var dropped = new byte[4096];
        var length = 0;
        try
        {
            while (true)
            {
                var read = length < kept.Length
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
    async Task<bool> Within(Task task, TimeSpan atMost, CancellationToken cancel)
    {
        await task.WaitAsync(atMost, time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return task.IsCompleted;
    }

    /// <summary>One message and what is said about it.</summary>
    sealed class Conversation(
        Permissions permissions, string transcript, ClaudeOutput output, Action<ClaudeOutput> heard, CancellationTokenSource silent, TimeSpan idle)
    {
        readonly TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        readonly TaskCompletionSource settled = new(TaskCreationOptions.RunContinuationsAsynchronously);
        readonly Lock watching = new();
        bool watched = true;

        public ClaudeOutput Output => output;

        public string Transcript => transcript;

        public Task Done => done.Task;

        public Task Settled => settled.Task;

        public void Line(ReadOnlyMemory<byte> line)
        {
            lock (watching)
            {
                if (watched && !silent.IsCancellationRequested)
                    silent.CancelAfter(idle);
            }

            output.Line(line);
            heard(output);

            if (output.Done)
                done.TrySetResult();
            if (output.Settled)
                settled.TrySetResult();
        }

        /// <summary>What is answered to a request; null when a person has to decide.</summary>
        public byte[]? Reply(ControlRequest request) => permissions.Reply(request, output.CallsBeside);

        /// <summary>All that matters is said.</summary>
        public void Finish() => done.TrySetResult();

        /// <summary>Nothing more is heard.</summary>
        public void End()
        {
            done.TrySetResult();
            settled.TrySetResult();
        }

        /// <summary>Silence no longer matters, and its timer is gone.</summary>
        public void StopWatch()
        {
            lock (watching)
                watched = false;
        }
    }
}
