using Microsoft.Extensions.Options;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// Runs the CLI for a prepared turn: saves the transcript while it runs and once more afterwards, records what became
/// of the session, and keeps the process for the next wake where that is allowed.
/// </summary>
sealed class RunExecution(
    ClaudeCli claude,
    RunRecords records,
    WarmSessions warmSessions,
    IOptions<RunnerOptions> options,
    TimeProvider time,
    ILogger<RunExecution> log
)
{
    // Delay between attempts to save the transcript when PostgreSQL is unreachable.
    static readonly TimeSpan StoreRetryDelay = TimeSpan.FromSeconds(1);

    /// <summary>Runs it.</summary>
    /// <param name="prepared">What to run.</param>
    /// <param name="shutdown">The runner shuts down: interrupt the turn.</param>
    /// <param name="lost">The turn is another runner's now: everything is killed at once.</param>
    /// <exception cref="OperationCanceledException">The turn was lost.</exception>
    public async Task<ClaudeRun> Run(PreparedRun prepared, CancellationToken shutdown, CancellationToken lost)
    {
        var (turn, session, transcript, command) = (
            prepared.Turn,
            prepared.Session,
            prepared.Transcript,
            prepared.Command
        );
        var openElsewhere = OpenSessions.Find(claude.ConfigFolder, session.Id);
        var lengthBefore =
            prepared.Resume && !command.MayRepeatMessage ? TranscriptBranch.LengthOf(transcript.Transcript) : 0;

        transcript.StartAutosave();
        var run = await claude.RunCommand(
            command,
            prepared.ReusesWarm ? prepared.Warm!.DetachProcess() : null,
            Progress(turn, session.Id, transcript),
            shutdown,
            lost
        );

        // The session may have been opened elsewhere before the turn (WhenOpen=Takeover) or during it; either way that
        // process does not see this turn.
        openElsewhere = OpenSessions.Find(claude.ConfigFolder, session.Id) ?? openElsewhere;
        run = run with
        {
            Unsaved = await SaveFinalTranscript(transcript, shutdown),
            Remarks = TurnNote.Join(
                run.Remarks,
                transcript.Note,
                prepared.IgnoredSetup,
                await records.RecordMcpServers(turn, run.McpServers),
                openElsewhere is null
                    ? null
                    : $"beside it the session is {openElsewhere.Describe(runner: null)}: "
                        + "what is said there does not know of this turn"
            ),
        };
        await records.RecordHistory(
            turn,
            openElsewhere?.Describe(runner: null),
            run.Result is ClaudeResult.Completed { AlreadyProcessed: false }
                ? TranscriptBranch.Contains(transcript.Transcript, lengthBefore, command.MessageId)
                : null
        );

        run = WithMissingTranscript(run, prepared, lost);
        return run.WarmProcess is { } process
            ? await KeepOrEnd(run, process, prepared, mayKeep: openElsewhere is null)
            : run;
    }

    // Called after every line of the CLI: must not block.
    Action<ClaudeOutput> Progress(ClaimedTurn turn, Guid claudeSessionId, TranscriptSync transcript)
    {
        var (opened, rowsSeen) = (false, 0);
        return output =>
        {
            if (output.Opened && !opened)
            {
                opened = true;
                _ = records.RecordOpened(turn, claudeSessionId);
            }

            if (output.RowsReported > rowsSeen)
            {
                rowsSeen = output.RowsReported;
                transcript.NotifyAppended(output.HasSideEffects);
            }
        };
    }

    async Task<string?> SaveFinalTranscript(TranscriptSync transcript, CancellationToken shutdown)
    {
        for (var began = time.GetTimestamp(); ; )
        {
            var unsaved = await transcript.Save(entirely: true);
            if (unsaved is null || shutdown.IsCancellationRequested || time.GetElapsedTime(began) > options.Value.Lease)
                return unsaved;

            await Task.Delay(StoreRetryDelay, time, shutdown).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // The CLI has completed the turn and left no transcript where it is looked for.
    ClaudeRun WithMissingTranscript(ClaudeRun run, PreparedRun prepared, CancellationToken lost)
    {
        if (
            run is not { Unsaved: null, Result: ClaudeResult.Completed }
            || prepared.Transcript.IsStored
            || lost.IsCancellationRequested
        )
            return run;

        run = run with
        {
            Unsaved = $"there is no transcript of Claude session {prepared.Session.Id} under {claude.ConfigFolder}",
        };
        log.LogWarning(
            "{SessionKey} wake {Wake}: the turn is done and nothing of it is saved: {Reason}.",
            prepared.Turn.SessionKey,
            prepared.Turn.WakeNumber,
            run.Unsaved
        );
        return run;
    }

    async Task<ClaudeRun> KeepOrEnd(ClaudeRun run, ClaudeProcess process, PreparedRun prepared, bool mayKeep)
    {
        if (!mayKeep || !await records.TryRegisterWarm(prepared.Turn, prepared.Session.Id))
        {
            await process.DisposeAsync();
            return run with { WarmProcess = null };
        }

        prepared.Transcript.FilesHandedOver = true;
        warmSessions.Add(
            new(prepared.Turn.SessionId, prepared.Command, process, prepared.Transcript.Files, prepared.WarmTime)
        );
        return run;
    }
}
