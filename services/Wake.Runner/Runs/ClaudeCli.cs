using System.ComponentModel;
using System.Diagnostics;
using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>What one run of the CLI came to.</summary>
/// <param name="Result">How it ended.</param>
/// <param name="Acknowledged">Whether the CLI answered the message, well or badly, and so will not act on it
/// again.</param>
/// <param name="HasSideEffects">Whether the model called a tool.</param>
/// <param name="Cost">What it cost.</param>
sealed record ClaudeRun(ClaudeResult Result, bool Acknowledged, bool HasSideEffects, TurnCost Cost)
{
    /// <summary>One that never came to running the CLI.</summary>
    public static ClaudeRun NotStarted(ClaudeResult why) =>
        new(why, Acknowledged: false, HasSideEffects: false, default);

    /// <summary>The process, if it is there for the next message; it is the caller's.</summary>
    public ClaudeProcess? WarmProcess { get; init; }

    /// <inheritdoc cref="ClaudeOutput.McpServers" />
    public IReadOnlyDictionary<string, bool>? McpServers { get; init; }

    /// <summary>What else people should know of the run; null when there is nothing.</summary>
    public string? Remarks { get; init; }

    /// <summary>Why the store lacks a part of the session's memory, which is on this machine; null when it has it
    /// all.</summary>
    public string? Unsaved { get; init; }
}

/// <summary>
/// Runs <c>claude</c> for one message: in a process that has the session open, or in one that it starts, and then lets
/// it stay or stops it with everything it started. Speaks stream-json over pipes; there is no shell anywhere.
/// </summary>
sealed class ClaudeCli(
    ProcessLauncher launcher,
    RunReaper processes,
    RlimitTags reaper,
    ClaudeProbe probe,
    IOptions<ClaudeOptions> options,
    TimeProvider time,
    ILogger<ClaudeCli> log
)
{
    /// <summary>Where the CLI keeps its state on this machine, transcripts included.</summary>
    public string ConfigFolder { get; } =
        ClaudeEnvironment.ConfigFolder(
            ClaudeEnvironment.Build(
                ProcessLauncher.OwnEnvironment(),
                options.Value,
                isRepetition: false,
                trace: default,
                ProcessTable.NewTag()
            )
        );

    /// <summary>Where it keeps what it knows of folders.</summary>
    public string StateFile { get; } =
        WorkspaceTrust.StateFile(
            ClaudeEnvironment.Build(
                ProcessLauncher.OwnEnvironment(),
                options.Value,
                isRepetition: false,
                trace: default,
                ProcessTable.NewTag()
            )
        );

    /// <summary>Runs it.</summary>
    /// <param name="command">What to run.</param>
    /// <param name="warm">A process that has the session open and takes the message if it can; it is the callee's from
    /// now on.</param>
    /// <param name="heard">Called after every line with what is known by then; must not block.</param>
    /// <param name="shutdown">Asks the turn to stop and to leave a transcript that says so.</param>
    /// <param name="lost">The turn belongs to somebody else now: everything is killed at once.</param>
    /// <exception cref="OperationCanceledException">The turn was lost.</exception>
    public async Task<ClaudeRun> RunCommand(
        ClaudeCommand command,
        ClaudeProcess? warm,
        Action<ClaudeOutput> heard,
        CancellationToken shutdown,
        CancellationToken lost
    )
    {
        using var activity = Tracing.Start(Tracing.Cli, ActivityKind.Internal, default);
        activity?.SetTag(Tracing.Warm, warm is not null);
        activity?.SetTag(Tracing.ClaudeSession, command.SessionId.ToString());

        // It was given a span when it was started, and hangs its own under that one for as long as it lives.
        if (
            activity is not null
            && warm is not null
            && warm.Environment.TryGetValue("TRACEPARENT", out var begun)
            && ActivityContext.TryParse(begun, null, out var context)
        )
            activity.AddLink(new(context));

        // It may have ended in this moment, without having heard of the message.
        var run = warm is null ? null : await RunInProcess(warm, warm: true, command, heard, shutdown, lost);
        run ??= await RunInNewProcess(command, heard, shutdown, lost);

        activity?.SetTag(Tracing.Result, run.Result.GetType().Name);
        if (run.Result is ClaudeResult.Crashed or ClaudeResult.Hung)
        {
            activity?.SetStatus(ActivityStatusCode.Error);
            WakeMetrics.UnknownOutcomes.Add(
                1,
                new KeyValuePair<string, object?>("result", run.Result is ClaudeResult.Hung ? "hung" : "crashed")
            );
        }

        return run;
    }

    async Task<ClaudeRun> RunInNewProcess(
        ClaudeCommand command,
        Action<ClaudeOutput> heard,
        CancellationToken shutdown,
        CancellationToken lost
    )
    {
        var settings = options.Value;
        var mark = ProcessTable.NewTag(command.OwnerSessionId);
        var environment = ClaudeEnvironment.Build(
            ProcessLauncher.OwnEnvironment(),
            settings,
            command.MayRepeatMessage,
            TraceContext.Current,
            mark,
            command.Credentials
        );

        // The attempt before may have died with its runner, and its tools may be at work in this workspace to this
        // moment.
        if (command.MayRepeatMessage)
        {
            await processes.ReapOrphans();
            QuestionHook.DeleteStale();
        }

        ClaudeProcess process;
        try
        {
            var started = await launcher.Start(
                settings.Executable,
                command.Arguments(),
                command.Workspace,
                environment,
                apart: true,
                reaper.CommandPrefix(mark)
            );
            RunCgroup.AddProcess(mark, started.Id);
            process = new(started, mark, environment, processes, settings.KillAfter, time);
        }
        catch (Win32Exception missing)
        {
            reaper.Release(mark);
            return ClaudeRun.NotStarted(
                await ClassifyStartFailure(new($"{settings.Executable} cannot be started: {missing.Message}."), lost)
            );
        }

        return (await RunInProcess(process, warm: false, command, heard, shutdown, lost))!;
    }

    // Null: it was warm and ended before it took the message up.
    async Task<ClaudeRun?> RunInProcess(
        ClaudeProcess process,
        bool warm,
        ClaudeCommand command,
        Action<ClaudeOutput> heard,
        CancellationToken shutdown,
        CancellationToken lost
    )
    {
        var settings = options.Value;
        var output = new ClaudeOutput(command.SessionId, command.MessageId)
        {
            PriorProcessCost = process.CostSoFar,
            Environment = process.Environment,
        };
        var keep = false;
        await using var kill = lost.Register(process.Kill);
        try
        {
            var stopped = await process.SendMessage(
                command,
                () => LocateTranscript(command),
                output,
                command.Profile.TurnTimeout ?? settings.TurnTimeout,
                command.Profile.IdleTimeout ?? settings.IdleTimeout,
                settings.TimeoutNoticeFor(command.Profile.TurnTimeout ?? settings.TurnTimeout),
                heard,
                shutdown,
                lost
            );
            lost.ThrowIfCancellationRequested();

            if (output.OpenedOtherSession)
                log.LogWarning(
                    "The CLI opened another session than {SessionId}; its id is not adopted.",
                    command.SessionId
                );

            ClaudeResult result;
            if (
                command.CanStayWarm
                && stopped is StopReason.None
                && output is { Acknowledged: true, IsIdle: true }
                && !process.Unusable.IsCompleted
                && !process.HasLeftoverProcesses
            )
            {
                keep = true;
                process.EndConversation();
                result = output.Conclude(exitCode: 0, stderr: "", stopped);
            }
            else
            {
                // Told to end, it would settle the call itself.
                if (output.DeferredCall is not null)
                    process.Kill();

                var (exitCode, stderr) = await process.ShutDown(
                    output.HasOutcome ? settings.KillAfter : TimeSpan.FromSeconds(1),
                    lost
                );
                lost.ThrowIfCancellationRequested();
                if (warm && !output.IsStarted && stopped is StopReason.None)
                    return null;

                result = output.DeferredCall is { } call
                    ? await Defer(call, command, process, lost)
                    : output.Conclude(exitCode, stderr, stopped);
                if (result is ClaudeResult.Misconfigured refused && !output.Opened)
                    result = await ClassifyStartFailure(refused, lost);
            }

            if (process.SkippedLines > 0)
                log.LogWarning(
                    "{Count} lines of the CLI in session {SessionId} were too long and dropped.",
                    process.SkippedLines,
                    command.SessionId
                );
            if (output.UnreadableLines > 0)
                log.LogWarning(
                    "{Count} lines of the CLI in session {SessionId} could not be read.",
                    output.UnreadableLines,
                    command.SessionId
                );

            return new(result, output.Acknowledged, output.HasSideEffects, output.Cost)
            {
                WarmProcess = keep ? process : null,
                McpServers = output.McpServers,
                Remarks = process.TimeoutNoticeSent ? "it was told that its time was nearly over" : null,
            };
        }
        finally
        {
            if (!keep)
                await process.DisposeAsync();
        }
    }

    async Task<ClaudeResult> Defer(
        ControlRequest call,
        ClaudeCommand command,
        ClaudeProcess process,
        CancellationToken lost
    ) =>
        await DeferredToolCall.AppendDeferredRow(LocateTranscript(command), call, time, lost)
            ? new ClaudeResult.Deferred(call.Tool!, DeferredToolCall.ToQuestion(call, process.Environment))
            : new ClaudeResult.Crashed(
                $"a call of {call.Tool} that waits for a person could not be kept in the transcript"
            );

    string LocateTranscript(ClaudeCommand command)
    {
        var folder = new TranscriptFolder(ConfigFolder, command.Workspace, command.SessionId);
        folder.Locate();
        return folder.MainFile;
    }

    // It would not start. If it starts for nobody, that is this machine's fault and not the session's.
    async Task<ClaudeResult> ClassifyStartFailure(ClaudeResult.Misconfigured refused, CancellationToken cancel) =>
        await probe.FindProblem(cancel) is { } trouble ? new ClaudeResult.CannotRun(trouble) : refused;
}
