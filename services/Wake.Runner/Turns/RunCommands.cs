using Wake.Prompting;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>Builds the command of a run: the prompt, and what the session may do and whom it may ask.</summary>
sealed class RunCommands(
    Turns turns,
    SettingSourceResolver settings,
    WakePrompt prompt,
    FreshSessionRecap recap,
    WarmSessions warmSessions,
    TimeProvider time,
    ILogger<RunCommands> log
)
{
    // Delay between retries when PostgreSQL is unreachable.
    static readonly TimeSpan StoreRetryDelay = TimeSpan.FromSeconds(1);

    /// <summary>Fills in the command, and what goes with it. The run's transcript has been restored by then.</summary>
    public async Task Build(PreparedRun run, Profile profile, CancellationToken lost)
    {
        var (turn, session) = (run.Turn, run.Session);
        var (sources, ignored) = settings.Resolve(
            turn.SessionId,
            turn.Workspace,
            turn.Profile,
            turn.RegisteredClaudeSession
        );
        run.IgnoredSetup = ignored;
        run.WarmTime = warmSessions.WarmTimeFor(profile);
        run.Questions = QuestionHook.Create(profile, turn.Workspace, turn.Questions);

        var (messageId, directory) = (TurnMessage.IdOf(turn), run.Transcript.WorkingDirectory);
        var text = prompt.RenderTurn(
            turn with
            {
                ClaudeSession = session,
            },
            messageId,
            await recap.Build(turn, session, lost)
        );

        // Under its id the CLI takes a message once, and goes on with it where it was cut off.
        var told = turn.InTerminal ? await run.Transcript.FindPrompt($"{messageId:N}", lost) : null;
        run.Command = new ClaudeCommand(
            session.Id,
            run.Resume,
            directory,
            profile,
            told ?? messageId,
            turn.MayRepeatMessage || turn.Questions is not [],
            text
        )
        {
            OwnerSessionId = turn.SessionId,
            SettingSources = sources,
            ExtraArguments = run.Questions.Arguments,
            Permissions = new(profile.Permissions, turn.Questions)
            {
                RecordCallStart = call => Record(turn, () => turns.MarkCallStarted(turn, call, default), lost),
                ForSession = turn.Permissions,
                RecordPermittedCall = (question, call) =>
                    Record(turn, () => turns.MarkPermittedCall(turn, question, call, default), lost),
            },
            CanStayWarm = run.WarmTime > TimeSpan.Zero && turn.Questions is [],
            Transcript = run.Transcript.ResumePathFrom(directory),
        };
    }

    // A call that a person has allowed is made only once the store knows of it, or the next run might make it again.
    async Task<bool> Record(ClaimedTurn turn, Func<Task<bool>> write, CancellationToken lost)
    {
        while (true)
        {
            try
            {
                return await write().WaitAsync(lost);
            }
            catch (Exception down) when (PostgresErrors.IsFailure(down))
            {
                log.LogWarning(
                    "{SessionKey} wake {Wake}: that an allowed call is made could not be written down ({Reason}); "
                        + "it waits.",
                    turn.SessionKey,
                    turn.WakeNumber,
                    down.Message
                );
                await Task.Delay(StoreRetryDelay, time, lost);
            }
        }
    }
}
