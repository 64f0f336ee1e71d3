using MassTransit;
using Microsoft.Extensions.Options;
using Npgsql;
using Wake.Contracts;
using Wake.Prompting;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>One turn, from the claim to its ending.</summary>
sealed class TurnRunner(
    Turns turns,
    TurnHolds holds,
    RunTokens runTokens,
    Sessions sessions,
    Transcripts transcripts,
    Watches watches,
    Workspaces workspaces,
    SettingSourceResolver settings,
    ClaudeCli claude,
    WakePrompt prompt,
    WarmSessions warmSessions,
    RunReaper processes,
    LeaseWatchdog guard,
    RunnerName name,
    Budgets budgets,
    RunnerPause standstill,
    IBus bus,
    IOptions<MessageBusOptions> busOptions,
    IOptions<RunnerOptions> options,
    IOptions<Profiles> profiles,
    TimeProvider time,
    ILogger<TurnRunner> log
)
{
    // Resume, begin, resume what turned out to exist, begin another: more answers than these contradict each other.
    const int MaxRuns = 5;

    // Between attempts to write down what a turn has come to, while the database is away.
    static readonly TimeSpan StoreRetryDelay = TimeSpan.FromSeconds(1);

    /// <summary>Runs a claimed turn. Everything it comes to is in the store before it returns.</summary>
    /// <param name="turn">The turn.</param>
    /// <param name="asked">When its claim was sent, from which its lease counts.</param>
    /// <param name="shutdown">The runner shuts down: interrupt the turn and give it back.</param>
    public async Task RunTurn(ClaimedTurn turn, long asked, CancellationToken shutdown)
    {
        using var measured = new TurnTelemetry(turn, time);
        await using var lease = new TurnLease(turns, guard, turn, options.Value.Lease, asked, time, log);
        var started = time.GetTimestamp();
        var staysWarm = false;
        try
        {
            lease.Lost.ThrowIfCancellationRequested();
            var (reaction, answered, cost) = await RunAttempt(turn, shutdown, lease.Lost);
            var settled = await RecordOutcome(
                turn,
                reaction,
                answered,
                cost with
                {
                    Duration = time.GetElapsedTime(started),
                },
                lease.Lost
            );
            staysWarm = settled && reaction is Reaction.End { Outcome: TurnOutcome.Completed };
            if (settled)
                measured.SetOutcome(reaction, cost);
        }
        catch (OperationCanceledException) when (lease.Lost.IsCancellationRequested)
        {
            log.LogWarning(
                "{SessionKey} wake {Wake}: the turn was lost and its process killed.",
                turn.SessionKey,
                turn.WakeNumber
            );
        }
        finally
        {
            if (!staysWarm)
                await warmSessions.Evict(turn.SessionId);
        }
    }

    async Task<(Reaction, bool Answered, TurnCost Cost)> RunAttempt(
        ClaimedTurn turn,
        CancellationToken shutdown,
        CancellationToken lost
    )
    {
        var failures = turn.Attempt - turn.Interruptions;

        if (turn is { Events: [], Questions: [] })
            return (
                new Reaction.End(TurnOutcome.Completed, "every event had expired before the turn began"),
                false,
                default
            );

        if (turn.CrashedAttempts >= options.Value.MaxAttempts)
            return (
                Reaction.For(
                    new ClaudeResult.Crashed("no runner survived it"),
                    failures,
                    options.Value,
                    time.GetUtcNow()
                ),
                false,
                default
            );

        if (await budgets.Exceeded(turn, CancellationToken.None).WaitAsync(lost) is { } park)
            return (new Reaction.Release(park), false, default);

        var claudeSession =
            turn.ClaudeSession
            ?? await CreateClaudeSession(turn, instead: null, lost)
            ?? throw new OperationCanceledException(lost);

        // An id that an earlier attempt chose may have a transcript by now: resuming tells.
        var (resume, acted, cost) = (turn.ClaudeSession is not null, turn.HasSideEffects, default(TurnCost));
        var toldAgain = false;

        for (var runs = 1; runs <= MaxRuns; runs++)
        {
            var run = await RunOnce(turn, claudeSession, resume, shutdown, lost);
            (cost, acted) = (cost + run.Cost, acted || run.HasSideEffects);

            switch (
                Reaction.For(run.Result, failures, options.Value, time.GetUtcNow()) with
                {
                    Unsaved = run.Unsaved,
                    Remarks = run.Remarks,
                }
            )
            {
                case Reaction.StartFresh
                    when run.Result is ClaudeResult.SessionLost { Why: null } && !claudeSession.Opened && runs < 3:
                    resume = false;
                    break;

                case Reaction.Resume:
                    resume = true;
                    break;

                // Of a message that nobody can have said before, that is no success: it was not told.
                case Reaction.End
                    when run.Result is ClaudeResult.Completed { AlreadyProcessed: true } && !turn.MayRepeatMessage:
                    if (toldAgain)
                        return (Contradictory(), false, cost);

                    const string note =
                        "the CLI took the first attempt for a message it had finished before; told again under another id";
                    turn =
                        await turns.RenewMessageSalt(turn, note, CancellationToken.None).WaitAsync(lost)
                        ?? throw new OperationCanceledException(lost);
                    log.LogWarning("{SessionKey} wake {Wake}: {Note}.", turn.SessionKey, turn.WakeNumber, note);
                    (resume, toldAgain) = (true, true);
                    break;

                case Reaction.StartFresh { Why: var why }:
                    WakeMetrics.ResumeFailures.Add(1, new KeyValuePair<string, object?>("class", why.Class));
                    if (await WhyNoFreshSession(turn, why, acted, lost) is { } reason)
                        return (new Reaction.Release(new TurnRelease.Park(null, reason)), run.Acknowledged, cost);

                    if (await CreateClaudeSession(turn, why, lost) is not { } fresh)
                    {
                        return (
                            new Reaction.Release(
                                new TurnRelease.Park(
                                    null,
                                    $"a fresh session would be needed ({why.Detail}), and this wake has begun one already"
                                )
                            ),
                            run.Acknowledged,
                            cost
                        );
                    }

                    log.LogWarning(
                        "{SessionKey} wake {Wake}: Claude session {Left} is left ({Class}); beginning {Fresh}.",
                        turn.SessionKey,
                        turn.WakeNumber,
                        claudeSession.Id,
                        why.Class,
                        fresh.Id
                    );
                    WakeMetrics.FreshRetries.Add(1);
                    (claudeSession, resume) = (fresh, false);
                    break;

                case Reaction.Release
                    when run.Result is ClaudeResult.Deferred { Question: { } asks, HasSiblingCalls: true }
                        && runs < MaxRuns:
                    turn = turn with
                    {
                        Questions =
                        [
                            .. turn.Questions,
                            new(asks.ToolUseId, asks.Tool, asks.Input, null) { AskAgain = true },
                        ],
                    };
                    resume = true;
                    break;

                case Reaction.Release { How: TurnRelease.Park { Question: not null } ask } back:
                    return (
                        back with
                        {
                            How = ask with { Until = profiles.Value.GetOrDefault(turn.Profile).AnswerTimeout },
                        },
                        run.Acknowledged,
                        cost
                    );

                case var settled:
                    return (settled, run.Acknowledged, cost);
            }
        }

        return (Contradictory(), false, cost);

        Reaction Contradictory() =>
            Reaction.For(
                new ClaudeResult.Misconfigured($"contradictory answers about Claude session {claudeSession.Id}"),
                failures,
                options.Value,
                time.GetUtcNow()
            );
    }

    // What forbids a fresh session, for people; null when nothing does.
    async Task<string?> WhyNoFreshSession(ClaimedTurn turn, ResumeUnavailable why, bool acted, CancellationToken lost)
    {
        var profile = profiles.Value.GetOrDefault(turn.Profile);

        if (profile.Resume is ResumePolicy.Always)
            return $"the session cannot be gone on with ({why.Detail}), and its profile never begins a fresh one";

        if (profile.FreshAfterSideEffects)
            return null;

        // A person who insists has seen the commits; what was called since then they have not.
        var found =
            acted ? "this wake had called tools already"
            : profile.CheckCommits && !turn.BudgetOverride && await workspaces.HasNewCommits(turn, lost)
                ? "its workspace has new commits"
            : null;

        return found is null
            ? null
            : $"the session cannot be gone on with ({why.Detail}), and {found}; a fresh session might do the same again. See what was "
                + "done, then wake the session again to begin a fresh one";
    }

    async Task<ClaudeRun> RunOnce(
        ClaimedTurn turn,
        ClaudeSession claudeSession,
        bool resume,
        CancellationToken shutdown,
        CancellationToken lost
    )
    {
        // What is not begun need not be stopped.
        if (shutdown.IsCancellationRequested)
            return ClaudeRun.NotStarted(new ClaudeResult.Interrupted());

        try
        {
            return await RunTurn(turn, claudeSession, resume, shutdown, lost);
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            return ClaudeRun.NotStarted(
                new ClaudeResult.FilesFail($"its files cannot be used there: {failed.Message}")
            );
        }
    }

    async Task<ClaudeRun> RunTurn(
        ClaimedTurn turn,
        ClaudeSession claudeSession,
        bool resume,
        CancellationToken shutdown,
        CancellationToken lost
    )
    {
        var profile = profiles.Value.GetOrDefault(turn.Profile);
        await using var warm = warmSessions.TryTake(turn.SessionId);
        await KillEarlierRuns(turn, warm, lost);
        if (await workspaces.Prepare(turn, profile, shutdown, lost) is { } unusable)
            return ClaudeRun.NotStarted(unusable);

        await warmSessions.EvictOthers(claudeSession.Id, turn.SessionId);
        await using var memory = new TranscriptSync(
            transcripts,
            turn,
            claudeSession.Id,
            claude.ConfigFolder,
            log,
            lost,
            warm?.DetachFiles()
        );

        var brought = resume ? await memory.Restore() : new TranscriptState.None();
        if (resume && ResumeEligibility.Check(brought, claudeSession, turn, profile, time.GetUtcNow()) is { } why)
            return ClaudeRun.NotStarted(new ClaudeResult.SessionLost(why));

        var (sources, leftOut) = settings.Resolve(
            turn.SessionId,
            turn.Workspace,
            turn.Profile,
            turn.RegisteredClaudeSession
        );
        var stay = warmSessions.WarmTimeFor(profile);
        using var questions = QuestionHook.Create(profile, turn.Workspace, turn.Questions);
        var messageId = ClaudeCommand.MessageIdOf(turn);
        var command = new ClaudeCommand(
            claudeSession.Id,
            resume,
            memory.WorkingDirectory,
            profile,
            messageId,
            turn.MayRepeatMessage || turn.Questions is not [],
            prompt.RenderTurn(
                turn with
                {
                    ClaudeSession = claudeSession,
                },
                messageId,
                await BuildRecap(turn, claudeSession, lost)
            )
        )
        {
            OwnerSessionId = turn.SessionId,
            SettingSources = sources,
            ExtraArguments = questions.Arguments,
            Permissions = new(profile.Permissions, turn.Questions)
            {
                RecordCallStart = call => RecordCallStart(turn, call, lost),
            },
            CanStayWarm = stay > TimeSpan.Zero && turn.Questions is [],
            Transcript = memory.ResumePathFrom(memory.WorkingDirectory),
        };

        // Its history is what it has read and said itself: of what others have added it would know nothing.
        var mayGoOn = brought is TranscriptState.Ready { IsUnchanged: true } && warm?.CanTake(command) == true;
        if (warm is not null && !mayGoOn)
            await warm.DisposeAsync();

        // A process keeps the one it was started with, which counts again from now on.
        command = command with
        {
            Credentials = mayGoOn && warm!.Credentials is { } own ? own : new(RunTokens.Generate(), turn.SessionKey),
        };
        if (!await runTokens.Assign(turn, command.Credentials.Token, CancellationToken.None).WaitAsync(lost))
            throw new OperationCanceledException(lost);

        var beside = OpenSessions.Find(claude.ConfigFolder, claudeSession.Id);
        var began = resume && !command.MayRepeatMessage ? TranscriptBranch.LengthOf(memory.Transcript) : 0;

        memory.StartAutosave();
        var (opened, told) = (false, 0);
        var run = await claude.RunCommand(command, mayGoOn ? warm!.DetachProcess() : null, Heard, shutdown, lost);

        // Opened before, by leave of its owner; or while it ran, and then that process does not know of this turn.
        beside = OpenSessions.Find(claude.ConfigFolder, claudeSession.Id) ?? beside;
        run = run with
        {
            Unsaved = await SaveFinalTranscript(memory, shutdown),
            Remarks = Joined(
                run.Remarks,
                memory.Note,
                leftOut,
                await CheckMcpServers(turn, run.McpServers),
                beside is null
                    ? null
                    : $"beside it the session is {beside.Describe(runner: null)}: what is said there does not know of this turn"
            ),
        };
        await RecordHistory(
            turn,
            run,
            beside?.Describe(runner: null),
            TranscriptBranch.Contains(memory.Transcript, began, messageId)
        );
        if (
            run is { Unsaved: null, Result: ClaudeResult.Completed }
            && !memory.IsStored
            && !lost.IsCancellationRequested
        )
        {
            run = run with
            {
                Unsaved = $"there is no transcript of Claude session {claudeSession.Id} under {claude.ConfigFolder}",
            };
            log.LogWarning(
                "{SessionKey} wake {Wake}: the turn is done and nothing of it is saved: {Reason}.",
                turn.SessionKey,
                turn.WakeNumber,
                run.Unsaved
            );
        }

        if (run.WarmProcess is { } alive)
        {
            if (beside is null && await TryRegisterWarm(turn, claudeSession.Id))
            {
                memory.FilesHandedOver = true;
                warmSessions.Add(new(turn.SessionId, command, alive, memory.Files, stay));
            }
            else
            {
                await alive.DisposeAsync();
                run = run with { WarmProcess = null };
            }
        }

        return run;

        void Heard(ClaudeOutput output)
        {
            if (output.Opened && !opened)
            {
                opened = true;
                _ = RecordOpened(turn, claudeSession.Id);
            }

            if (output.RowsReported > told)
            {
                told = output.RowsReported;
                memory.NotifyAppended(output.HasSideEffects);
            }
        }
    }

    // A session that has lost the tool by which it would arm its next wake sleeps for ever, and nobody knows why.
    async Task<string?> CheckMcpServers(ClaimedTurn turn, IReadOnlyDictionary<string, bool>? servers)
    {
        if (servers is null)
            return null;

        try
        {
            if (turn.McpServers is null || !turn.McpServers.ToHashSet().SetEquals(servers.Keys))
                await sessions.SaveMcpServers(
                    turn.SessionId,
                    [.. servers.Keys.Order(StringComparer.Ordinal)],
                    CancellationToken.None
                );
        }
        catch (NpgsqlException failed)
        {
            log.LogWarning(
                "{SessionKey} wake {Wake}: which MCP servers it has could not be noted ({Reason}).",
                turn.SessionKey,
                turn.WakeNumber,
                failed.Message
            );
        }

        return Joined(
            Named("without the MCP servers it had before", (turn.McpServers ?? []).Where(x => !servers.ContainsKey(x))),
            Named("MCP servers that did not start", servers.Where(x => !x.Value).Select(x => x.Key))
        );

        static string? Named(string what, IEnumerable<string> names) =>
            names.Order(StringComparer.Ordinal).ToList() is { Count: > 0 } some
                ? $"{what}: {string.Join(", ", some)}"
                : null;
    }

    static string? Joined(params IEnumerable<string?> parts) =>
        parts.OfType<string>().ToList() is { Count: > 0 } some ? string.Join("; ", some) : null;

    async Task<bool> RecordCallStart(ClaimedTurn turn, string call, CancellationToken lost)
    {
        while (true)
        {
            try
            {
                return await turns.MarkCallStarted(turn, call, CancellationToken.None).WaitAsync(lost);
            }
            catch (NpgsqlException down)
            {
                log.LogWarning(
                    "{SessionKey} wake {Wake}: that an allowed call is made could not be written down ({Reason}); it waits.",
                    turn.SessionKey,
                    turn.WakeNumber,
                    down.Message
                );
                await Task.Delay(StoreRetryDelay, time, lost);
            }
        }
    }

    // Whoever ran the session before may be frozen, or lost the turn a moment ago, and its CLI still write and call
    // tools.
    async Task KillEarlierRuns(ClaimedTurn turn, WarmSession? ours, CancellationToken lost)
    {
        var ended = await processes.KillSession(turn.SessionId, mark => mark != ours?.Tag);
        if (ended == 0)
            return;

        var note =
            $"{ended} processes of this session still ran on this machine for an earlier attempt or turn, and were killed";
        log.LogWarning("{SessionKey} wake {Wake}: {Note}.", turn.SessionKey, turn.WakeNumber, note);
        try
        {
            await turns.WriteDecision(turn, "processesKilled", note, CancellationToken.None).WaitAsync(lost);
        }
        catch (NpgsqlException down)
        {
            log.LogWarning(
                "{SessionKey} wake {Wake}: that could not be noted ({Reason}).",
                turn.SessionKey,
                turn.WakeNumber,
                down.Message
            );
        }
    }

    // A courtesy to whoever asks later: the turn has run.
    async Task RecordHistory(ClaimedTurn turn, ClaudeRun run, string? beside, bool? onBranch)
    {
        try
        {
            await holds.RecordHistory(
                turn,
                beside,
                run.Result is ClaudeResult.Completed { AlreadyProcessed: false } ? onBranch : null,
                CancellationToken.None
            );
        }
        catch (NpgsqlException failed)
        {
            log.LogWarning(
                "{SessionKey} wake {Wake}: what became of the session's history could not be noted ({Reason}).",
                turn.SessionKey,
                turn.WakeNumber,
                failed.Message
            );
        }
    }

    // What the store does not know of could be there beside the process of a session that is registered anew.
    async Task<bool> TryRegisterWarm(ClaimedTurn turn, Guid claudeSessionId)
    {
        try
        {
            return await holds.MarkWarm(turn, claudeSessionId, name.Value, options.Value.Lease, CancellationToken.None);
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }

    async Task<string?> SaveFinalTranscript(TranscriptSync memory, CancellationToken shutdown)
    {
        for (var began = time.GetTimestamp(); ; )
        {
            var unsaved = await memory.Save(entirely: true);
            if (unsaved is null || shutdown.IsCancellationRequested || time.GetElapsedTime(began) > options.Value.Lease)
                return unsaved;

            await Task.Delay(StoreRetryDelay, time, shutdown).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // What a session begun in place of another is told of it. Without it the turn runs all the same.
    async Task<string> BuildRecap(ClaimedTurn turn, ClaudeSession claudeSession, CancellationToken lost)
    {
        if (claudeSession.WakeNumber != turn.WakeNumber || claudeSession.Reason == Sessions.First)
            return "";

        try
        {
            var waitsFor = await watches
                .List(turn.SessionKey, Recap.MaxWatches, CancellationToken.None)
                .WaitAsync(lost);
            if (
                await sessions.FindPreviousClaudeSession(turn.SessionId, CancellationToken.None).WaitAsync(lost)
                is not { } before
            )
                return Recap.Build([], waitsFor);

            await using var memory = new TranscriptSync(transcripts, turn, before, claude.ConfigFolder, log, lost);
            await memory.Restore();
            return Recap.Build(
                File.Exists(memory.Transcript) ? await Recap.LastExchanges(memory.Transcript, lost) : [],
                waitsFor
            );
        }
        catch (Exception failed) when (failed is NpgsqlException or IOException or UnauthorizedAccessException)
        {
            log.LogWarning(
                "{SessionKey} wake {Wake}: the fresh session is told nothing of the one before it ({Reason}).",
                turn.SessionKey,
                turn.WakeNumber,
                failed.Message
            );
            return "";
        }
    }

    // Early, so that a crash in this very turn leaves a session that is known to have a memory. Nothing waits for it:
    // the turn's ending notes it as well.
    async Task RecordOpened(ClaimedTurn turn, Guid claudeSessionId)
    {
        try
        {
            await sessions.MarkClaudeSessionOpened(turn.SessionId, claudeSessionId, CancellationToken.None);
        }
        catch (NpgsqlException failed)
        {
            log.LogWarning(
                "{SessionKey} wake {Wake}: that the session was opened could not be noted ({Reason}).",
                turn.SessionKey,
                turn.WakeNumber,
                failed.Message
            );
        }
    }

    // The id is in the store before the CLI hears of it, so that a crash in between leaves no session nobody knows.
    async Task<ClaudeSession?> CreateClaudeSession(ClaimedTurn turn, ResumeUnavailable? instead, CancellationToken lost)
    {
        var id = Guid.NewGuid();
        return await sessions.BeginClaudeSession(turn, id, instead, CancellationToken.None).WaitAsync(lost)
            ? new(id, Opened: false, instead?.Detail ?? Sessions.First, turn.WakeNumber)
            : null;
    }

    // Inside one process there is one runner.
    RunnerAffinity? AffinityFor(ClaimedTurn turn, bool unsaved)
    {
        var profile = profiles.Value.GetOrDefault(turn.Profile);
        var stays =
            warmSessions.Has(turn.SessionId) && !unsaved ? warmSessions.WarmTimeFor(profile)
            : profile.Repository is not null || unsaved ? RunnerSlots.AffinityQueueExpiry
            : TimeSpan.Zero;

        return stays == TimeSpan.Zero || busOptions.Value.InMemory
            ? null
            : new(
                RunnerSlots.AffinityAddress(name, options.Value.Pool),
                stays < RunnerSlots.AffinityQueueExpiry ? stays : RunnerSlots.AffinityQueueExpiry
            );
    }

    // False: the turn was no longer ours.
    async Task<bool> RecordOutcome(
        ClaimedTurn turn,
        Reaction reaction,
        bool answered,
        TurnCost cost,
        CancellationToken lost
    )
    {
        // Not cancelled by a shutdown: what the turn came to is worth the moment it takes.
        switch (reaction)
        {
            case Reaction.End end:
                var (note, near) = (Noted(end.Note), AffinityFor(turn, end.Unsaved is not null));
                if (!await Insist(() => turns.EndTurn(turn, end.Outcome, note, cost, CancellationToken.None, near)))
                    break;

                log.LogInformation(
                    "{SessionKey} wake {Wake}: {Outcome}. {Note}",
                    turn.SessionKey,
                    turn.WakeNumber,
                    end.Outcome,
                    note ?? ""
                );
                await bus.Publish(new TurnEnded(turn.SessionId, turn.WakeNumber, end.Outcome), CancellationToken.None);
                return true;

            case Reaction.Release back:
                if (!await GiveBack(back.How))
                    break;
                return true;

            // Before the turn is free again, so that it goes to another runner if there is one.
            case Reaction.PauseRunner stop:
                standstill.StartOrExtend(stop.Why, stop.Until);
                if (!await GiveBack(stop.How))
                    break;
                return true;
        }

        log.LogWarning(
            "{SessionKey} wake {Wake}: the turn belongs to another runner now; this one's ending is dropped.",
            turn.SessionKey,
            turn.WakeNumber
        );
        return false;

        async Task<bool> GiveBack(TurnRelease how)
        {
            how = how with { Note = Noted(how.Note)! };
            if (!await Insist(() => turns.Release(turn, how, answered, cost, CancellationToken.None)))
                return false;

            log.LogWarning("{SessionKey} wake {Wake}: given back, {Note}", turn.SessionKey, turn.WakeNumber, how.Note);
            return true;
        }

        string? Noted(string? note) =>
            Joined(
                note,
                reaction.Unsaved is { } why ? $"its memory is incomplete in the store: {why}" : null,
                reaction.Remarks
            );

        // The epoch guards it, so it can be said again until it is heard, or the turn is lost. What was said in vain
        // may have been heard.
        async Task<bool> Insist(Func<Task<bool>> settle)
        {
            var began = time.GetTimestamp();
            for (var unsure = false; ; unsure = true)
            {
                try
                {
                    return await settle().WaitAsync(lost)
                        || unsure && await turns.IsAttemptReported(turn, CancellationToken.None).WaitAsync(lost);
                }
                catch (Exception down)
                    when (PostgresErrors.IsTransient(down) && time.GetElapsedTime(began) < options.Value.Lease)
                {
                    log.LogWarning(
                        "{SessionKey} wake {Wake}: what the turn came to could not be written down ({Reason}); trying again.",
                        turn.SessionKey,
                        turn.WakeNumber,
                        down.Message
                    );
                    if (unsure)
                        await Task.Delay(StoreRetryDelay, time, lost);
                }
            }
        }
    }
}
