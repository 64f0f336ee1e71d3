using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>What one run of the CLI came to.</summary>
/// <param name="Result">How it ended.</param>
/// <param name="Answered">Whether the CLI answered the message, well or badly, and so will not act on it again.</param>
/// <param name="Acted">Whether the model called a tool.</param>
/// <param name="Cost">What it cost.</param>
sealed record ClaudeRun(ClaudeResult Result, bool Answered, bool Acted, TurnCost Cost)
{
    /// <summary>One that never came to running the CLI.</summary>
    public static ClaudeRun NotBegun(ClaudeResult why) => new(why, Answered: false, Acted: false, default);
}

/// <summary>
/// Runs <c>claude</c> for one message: starts it, feeds it, reads it, and stops it with everything it started. Speaks
/// stream-json over pipes; there is no shell anywhere.
/// </summary>
sealed class ClaudeCli(
    ProcessLauncher launcher, RunProcesses processes, ClaudeProbe probe, IOptions<ClaudeOptions> options, TimeProvider time, ILogger<ClaudeCli> log)
{
    // Enough to see why it refused to start; a flood beyond it is read and dropped.
    const int StderrKept = 8 * 1024;

    static readonly ActivitySource Tracing = new(Telemetry.Source);

    /// <summary>Where the CLI keeps its state on this machine, transcripts included.</summary>
    public string ConfigFolder => ClaudeEnvironment.ConfigFolder(ClaudeEnvironment.Build(OwnEnvironment(), options.Value, false, null, ProcessTable.NewMark()));

    /// <summary>Runs it.</summary>
    /// <param name="command">What to run.</param>
    /// <param name="heard">Called after every line with what is known by then; must not block.</param>
    /// <param name="shutdown">Asks the turn to stop and to leave a transcript that says so.</param>
    /// <param name="lost">The turn belongs to somebody else now: everything is killed at once.</param>
    /// <exception cref="OperationCanceledException">The turn was lost.</exception>
    public async Task<ClaudeRun> Run(ClaudeCommand command, Action<ClaudeOutput> heard, CancellationToken shutdown, CancellationToken lost)
    {
        var settings = options.Value;
        using var activity = Tracing.StartActivity("claude");
        var mark = ProcessTable.NewMark();
        var environment = ClaudeEnvironment.Build(OwnEnvironment(), settings, command.IsRepetition, activity?.Id, mark);

        if (!Directory.Exists(command.Workspace))
            return ClaudeRun.NotBegun(new ClaudeResult.Misconfigured($"The workspace {command.Workspace} does not exist on this machine."));

        // The attempt before may have died with its runner, and its tools may be at work in this workspace to this moment.
        if (command.IsRepetition)
            await processes.EndLeftBehind();

        Process process;
        try
        {
            process = await launcher.Start(settings.Executable, command.Arguments(), command.Workspace, environment);
        }
        catch (Win32Exception missing)
        {
            return ClaudeRun.NotBegun(await AnySession(new($"{settings.Executable} cannot be started: {missing.Message}."), lost));
        }

        RunGroups.Begin(mark, process.Id);

        using (process)
        {
            await using var kill = lost.Register(() => KillTree(process));
            try
            {
                var (output, stopped, stderr) = await Converse(process, command, heard, shutdown, lost);
                lost.ThrowIfCancellationRequested();

                if (output.OpenedAnother)
                    log.LogWarning("The CLI opened another session than {SessionId}; its id is not adopted.", command.SessionId);

                var result = output.PutOff is { } call && !lost.IsCancellationRequested ? await PutOff(call, command, environment, lost)
                    : output.Conclude(process.ExitCode, Redaction.Redact(stderr, environment), stopped);
                if (result is ClaudeResult.Misconfigured refused && !output.Opened)
                    result = await AnySession(refused, lost);

                if (output.Unreadable > 0)
                    log.LogWarning("{Count} lines of the CLI in session {SessionId} could not be read.", output.Unreadable, command.SessionId);

                activity?.SetTag("wake.result", result.GetType().Name);
                return new(result, output.Answered, output.Acted, output.Cost);
            }
            finally
            {
                KillTree(process);
                await processes.End(mark, lost.IsCancellationRequested ? TimeSpan.Zero : RunProcesses.Grace);
            }
        }
    }

    async Task<ClaudeResult> PutOff(
        ControlRequest call, ClaudeCommand command, IReadOnlyDictionary<string, string> environment, CancellationToken lost) =>
        await PutOffCall.Mark(Transcript(command), call, time, lost) ? new ClaudeResult.Deferred(call.Tool!, PutOffCall.Asked(call, environment))
            : new ClaudeResult.Crashed($"a call of {call.Tool} that waits for a person could not be kept in the transcript");

    string Transcript(ClaudeCommand command) => new TranscriptFolder(ConfigFolder, command.Workspace, command.SessionId).Main;

    // It would not start. If it starts for nobody, that is this machine's fault and not the session's.
    async Task<ClaudeResult> AnySession(ClaudeResult.Misconfigured refused, CancellationToken cancel) =>
        await probe.Trouble(cancel) is { } trouble ? new ClaudeResult.CannotRun(trouble) : refused;

    async Task<(ClaudeOutput, StopReason, string Stderr)> Converse(
        Process process, ClaudeCommand command, Action<ClaudeOutput> heard, CancellationToken shutdown, CancellationToken lost)
    {
        var settings = options.Value;
        var output = new ClaudeOutput(command.SessionId, command.MessageId);
        var idleTimeout = command.Profile.IdleTimeout ?? settings.IdleTimeout;
        using var total = new CancellationTokenSource(command.Profile.TurnTimeout ?? settings.TurnTimeout, time);
        using var idle = new CancellationTokenSource(idleTimeout, time);
        using var closing = CancellationTokenSource.CreateLinkedTokenSource(lost);

        using var writing = new SemaphoreSlim(1);
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var settled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var stderr = Tail(process.StandardError.BaseStream, closing.Token);
        var puttingOff = Task.CompletedTask;
        var stdout = Listen();
        var stopped = StopReason.None;

        if (command.Permissions.Policy is PermissionPolicy.Ask)
            await Write(ClaudeCommand.AskUsage());
        await Write(command.Message());

        using (var until = CancellationTokenSource.CreateLinkedTokenSource(shutdown, lost, total.Token, idle.Token))
            await done.Task.WaitAsync(until.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        if (!done.Task.IsCompleted && !lost.IsCancellationRequested)
        {
            stopped = shutdown.IsCancellationRequested ? StopReason.Shutdown : total.IsCancellationRequested ? StopReason.Timeout : StopReason.Idle;
            await Write(ClaudeCommand.Interrupt());
            await Within(done.Task, settings.KillAfter, lost);
        }

        // A second for what follows a result; then the polite end, the firm one, and the last one.
        if (done.Task.IsCompleted)
            await Within(settled.Task, TimeSpan.FromSeconds(1), lost);

        // Told to end, it would settle the call itself.
        if (output.PutOff is not null)
            KillTree(process);

        // The stream and not its writer, which would flush into a pipe that may be broken and fail.
        process.StandardInput.BaseStream.Close();
        if (!await Within(process.WaitForExitAsync(CancellationToken.None), done.Task.IsCompleted ? settings.KillAfter : TimeSpan.FromSeconds(1), lost))
        {
            process.Terminate();
            if (!await Within(process.WaitForExitAsync(CancellationToken.None), settings.KillAfter, lost))
                KillTree(process);
        }

        await process.WaitForExitAsync(CancellationToken.None);

        // Something it left behind may hold the pipes open; what is in them by now is all there is to hear.
        await Within(Task.WhenAll(stdout, stderr), TimeSpan.FromSeconds(1), lost);
        await closing.CancelAsync();
        await stdout;
        await puttingOff;
        return (output, stopped, await stderr);

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

        async Task Answer(ControlRequest request)
        {
            if (command.Permissions.Reply(request, output.CallsBeside) is { } reply)
                await Write(reply);
            else
                puttingOff = PutOff(request);
        }

        // The CLI calls tools while the model still speaks: once it has written this call down, one beside it is heard of too.
        async Task PutOff(ControlRequest request)
        {
            await PutOffCall.Written(Transcript(command), request, time, closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (command.Permissions.Reply(request, output.CallsBeside) is { } reply)
            {
                await Write(reply);
                return;
            }

            output.Suspend(request);
            await Write(ClaudeCommand.AskUsage());
            done.TrySetResult();
        }

        async Task Listen()
        {
            var lines = new OutputLines(process.StandardOutput.BaseStream);
            try
            {
                while (await lines.Next(closing.Token) is { } line)
                {
                    if (!idle.IsCancellationRequested)
                        idle.CancelAfter(idleTimeout);

                    output.Line(line);
                    heard(output);

                    // At once, whatever it is: it waits for ever.
                    while (output.Requests.TryDequeue(out var request))
                        await Answer(request);

                    if (output.Done)
                        done.TrySetResult();
                    if (output.Settled)
                        settled.TrySetResult();
                }
            }
            catch (Exception closed) when (closed is OperationCanceledException or IOException)
            {
                // The pipe is gone or nobody listens any more.
            }
            finally
            {
                if (lines.Skipped > 0)
                    log.LogWarning("{Count} lines of the CLI in session {SessionId} were too long and dropped.", lines.Skipped, command.SessionId);

                done.TrySetResult();
                settled.TrySetResult();
            }
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

    static void KillTree(Process process)
    {
        try
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
        catch (Exception gone) when (gone is InvalidOperationException or Win32Exception or AggregateException)
        {
            // It ended in this moment.
        }
    }

    /// <summary>The runner's own variables, of which the CLI gets a part.</summary>
    public static IEnumerable<KeyValuePair<string, string>> OwnEnvironment() =>
        from System.Collections.DictionaryEntry entry in Environment.GetEnvironmentVariables()
        select KeyValuePair.Create((string)entry.Key, (string)(entry.Value ?? ""));
}
