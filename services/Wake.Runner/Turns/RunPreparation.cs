using Microsoft.Extensions.Options;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// Prepares a run of the CLI: ends what still runs of the session, makes the workspace, restores the transcript and
/// says whether it can be resumed, builds the command, and gives the run its token.
/// </summary>
sealed class RunPreparation(
    EarlierRuns earlierRuns,
    Workspaces workspaces,
    Transcripts transcripts,
    RunCommands commands,
    RunTokens runTokens,
    ClaudeCli claude,
    WarmSessions warmSessions,
    IOptions<Profiles> profiles,
    TimeProvider time,
    ILogger<RunPreparation> log
)
{
    /// <summary>Fills in what the run needs.</summary>
    /// <param name="run">The run.</param>
    /// <param name="shutdown">The runner shuts down: what is made is left unmade.</param>
    /// <param name="lost">The turn is another runner's now.</param>
    /// <returns>Why the CLI cannot be run; null when it can.</returns>
    /// <exception cref="OperationCanceledException">The turn was lost.</exception>
    public async Task<ClaudeResult?> Prepare(PreparedRun run, CancellationToken shutdown, CancellationToken lost)
    {
        var (turn, session) = (run.Turn, run.Session);
        var profile = profiles.Value.GetOrDefault(turn.Profile);

        run.Warm = warmSessions.TryTake(turn.SessionId);
        // The session was reset, or gone on with elsewhere.
        if (run.Warm is { } other && other.ClaudeSessionId != session.Id)
        {
            run.Warm = null;
            await other.DisposeAsync();
        }

        await earlierRuns.Kill(turn, run.Warm, lost);
        if (await workspaces.Prepare(turn, profile, shutdown, lost) is { } unusable)
            return unusable;

        await warmSessions.EvictOthers(session.Id, turn.SessionId);
        run.Transcript = new(transcripts, turn, session.Id, claude.ConfigFolder, log, lost, run.Warm?.DetachFiles());
        var state = run.Resume ? await run.Transcript.Restore() : new TranscriptState.None();
        if (run.Resume && ResumeEligibility.Check(state, session, turn, profile, time.GetUtcNow()) is { } why)
            return new ClaudeResult.SessionLost(why);

        await commands.Build(run, profile, lost);
        await DecideReuse(run, state);
        await AssignToken(run, lost);
        return null;
    }

    // A warm process knows only the rows it wrote itself, so it can be reused only if the transcript is unchanged.
    static async Task DecideReuse(PreparedRun run, TranscriptState state)
    {
        run.ReusesWarm = state is TranscriptState.Ready { IsUnchanged: true } && run.Warm?.CanTake(run.Command) == true;
        if (run.Warm is not null && !run.ReusesWarm)
            await run.Warm.DisposeAsync();
    }

    // A warm process keeps the token it was started with; assigning it to this turn makes it valid again.
    async Task AssignToken(PreparedRun run, CancellationToken lost)
    {
        run.Command = run.Command with
        {
            Credentials =
                run.ReusesWarm && run.Warm!.Credentials is { } own
                    ? own
                    : new(RunTokens.Generate(), run.Turn.SessionKey),
        };
        if (!await runTokens.Assign(run.Turn, run.Command.Credentials.Token, CancellationToken.None).WaitAsync(lost))
            throw new OperationCanceledException(lost);
    }
}
