using System.ComponentModel;
using System.Diagnostics;
using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;

namespace Wake.Runner;

/// <summary>
/// Runs <c>claude</c> for one message: in a process that has the session open, or in one that it starts, and then lets
/// it stay or stops it with everything it started. Speaks stream-json over pipes; there is no shell anywhere.
/// </summary>
sealed class ClaudeCli(
    ProcessLauncher launcher,
    RunReaper reaper,
    RlimitTags rlimitTags,
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

        // A warm process parents its spans to the turn that started it; that span is linked to this turn's.
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
        var tag = ProcessTable.NewTag(command.OwnerSessionId);
        var environment = ClaudeEnvironment.Build(
            ProcessLauncher.OwnEnvironment(),
            settings,
            command.MayRepeatMessage,
            TraceContext.Current,
            tag,
            command.Credentials
        );

        // The attempt before may have died with its runner, and its tools may be at work in this workspace to this
        // moment.
        if (command.MayRepeatMessage)
        {
            await reaper.ReapOrphans();
            QuestionHook.DeleteStale();
        }

        // Who has it open knows where it goes on.
        if (OpenSessions.Find(ConfigFolder, command.SessionId) is null)
            await TranscriptBranch.ResumeFromNewest(LocateTranscript(command), lost);

        ClaudeProcess process;
        try
        {
            var started = await launcher.Start(
                settings.Executable,
                command.Arguments(),
                command.Workspace,
                environment,
                apart: true,
                rlimitTags.CommandPrefix(tag)
            );
            RunCgroup.AddProcess(tag, started.Id);
            process = new(started, tag, environment, reaper, settings.KillAfter, time);
        }
        catch (Win32Exception missing)
        {
            rlimitTags.Release(tag);
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

            keep = MayStay(process, command, output, stopped);
            if (keep)
                process.EndConversation();
            var result = keep
                ? output.Conclude(exitCode: 0, stderr: "", stopped)
                : await EndProcess(process, warm, command, output, stopped, lost);
            if (result is null)
                return null;

            LogUnreadable(process, output, command);
            return new(result, output.Acknowledged, output.HasSideEffects, output.Cost)
            {
                WarmProcess = keep ? process : null,
                McpServers = output.McpServers,
                LastWords = output.LastWords,
                Remarks = process.TimeoutNoticeSent ? "it was told that its time was nearly over" : null,
            };
        }
        finally
        {
            if (!keep)
                await process.DisposeAsync();
        }
    }

    static bool MayStay(ClaudeProcess process, ClaudeCommand command, ClaudeOutput output, StopReason stopped) =>
        command.CanStayWarm
        && stopped is StopReason.None
        && output is { Acknowledged: true, IsIdle: true }
        && !process.Unusable.IsCompleted
        && !process.HasLeftoverProcesses;

    // Null: the process was warm and ended before it took the message up.
    async Task<ClaudeResult?> EndProcess(
        ClaudeProcess process,
        bool warm,
        ClaudeCommand command,
        ClaudeOutput output,
        StopReason stopped,
        CancellationToken lost
    )
    {
        // Ending politely would make the CLI resolve the deferred call itself.
        if (output.DeferredCall is not null)
            process.Kill();

        var (exitCode, stderr) = await process.ShutDown(
            output.HasOutcome ? options.Value.KillAfter : TimeSpan.FromSeconds(1),
            lost
        );
        lost.ThrowIfCancellationRequested();
        if (warm && !output.IsStarted && stopped is StopReason.None)
            return null;

        var result = output.DeferredCall is { } call
            ? await Defer(call, command, process, lost)
            : output.Conclude(exitCode, stderr, stopped);
        return result is ClaudeResult.Misconfigured refused && !output.Opened
            ? await ClassifyStartFailure(refused, lost)
            : result;
    }

    void LogUnreadable(ClaudeProcess process, ClaudeOutput output, ClaudeCommand command)
    {
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
