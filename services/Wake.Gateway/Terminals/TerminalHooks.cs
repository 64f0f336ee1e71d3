using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary>What follows when a hook of Claude Code ran in a terminal.</summary>
sealed class TerminalHooks(Terminals terminals, TerminalTurns turns, Sessions sessions, WakeTimers timers)
{
    // What Claude Code calls its hooks, the source of a SessionStart and the reason of a SessionEnd.
    const string SessionStart = "SessionStart",
        UserPromptSubmit = "UserPromptSubmit",
        Stop = "Stop",
        StopFailure = "StopFailure",
        SessionEnd = "SessionEnd",
        Clear = "clear",
        Compact = "compact";

    static readonly Contract.TerminalHookAnswer Nothing = new(null, null, null);

    /// <summary>Does it. Null: no session has that Claude session, and none is to be registered.</summary>
    public async Task<Contract.TerminalHookAnswer?> Handle(
        Guid claudeSessionId,
        Contract.TerminalHook hook,
        CancellationToken cancel
    )
    {
        if (await FindSession(claudeSessionId, hook, cancel) is not { } session)
            return null;

        if (hook.Event == SessionEnd)
            return await End(session, hook, cancel);

        var where = TerminalsApi.PlaceOf(hook.Terminal!, hook.ProcessId, hook.Host);
        await OpenIfNew(terminals, session, claudeSessionId, where, cancel, isStart: hook.Event == SessionStart);
        return hook.Event switch
        {
            SessionStart => await Start(session, hook, cancel),
            UserPromptSubmit => await Prompt(session, hook, cancel),
            Stop or StopFailure => await StopTurn(session, hook, cancel),
            _ => Nothing,
        };
    }

    /// <summary>Notes that the terminal has the session open, unless that is known.</summary>
    public static async Task OpenIfNew(
        Terminals terminals,
        TerminalSession session,
        Guid claudeSessionId,
        TerminalPlace where,
        CancellationToken cancel,
        bool isStart = false
    )
    {
        // Of two that have it open the one counts that was opened last, not the one that speaks.
        if (!isStart && await terminals.IsOpenIn(session.Id, claudeSessionId, where.Terminal, cancel))
            return;

        await terminals.Open(session.Id, claudeSessionId, where, cancel);
    }

    async Task<TerminalSession?> FindSession(Guid claudeSessionId, Contract.TerminalHook hook, CancellationToken cancel)
    {
        if (await terminals.Find(claudeSessionId, cancel) is { } known)
            return known;
        if (hook.Event != SessionStart)
            return null;

        // What the person goes on with after /clear is the same work.
        if (hook.Source == Clear && await terminals.FindByTerminal(hook.Terminal!, cancel) is { } cleared)
            return cleared;
        if (!hook.Register || hook.Workspace is not { } workspace)
            return null;

        var created = await sessions.Create(
            claudeSessionId.ToString(),
            Path.TrimEndingDirectorySeparator(workspace),
            Profiles.DefaultName,
            claudeSessionId,
            cancel
        );
        if (created is SessionCreation.Created { Session.Id: var id })
            await terminals.MarkRegistered(id, cancel);
        return await terminals.Find(claudeSessionId, cancel);
    }

    async Task<Contract.TerminalHookAnswer> Start(
        TerminalSession session,
        Contract.TerminalHook hook,
        CancellationToken cancel
    )
    {
        if (hook.Source == Compact)
            return Nothing;

        var running = await terminals.GetFacts(session.Id, cancel) is { } facts ? TerminalText.Running(facts) : null;
        var missed = await terminals.TakeMissedTurns(session.Id, cancel);
        string?[] messages = [TerminalText.ForPerson(missed), running];
        return new(
            TerminalText.ForModel(missed),
            string.Join('\n', messages.OfType<string>()) is { Length: > 0 } message ? message : null,
            null
        );
    }

    async Task<Contract.TerminalHookAnswer> Prompt(
        TerminalSession session,
        Contract.TerminalHook hook,
        CancellationToken cancel
    )
    {
        if (hook.Prompt is { } message && TerminalText.IsWake(message))
        {
            return await terminals.Begin(session.Id, hook.Terminal!, message, TerminalTurns.Lease, cancel)
                ? Nothing
                : new(null, null, TerminalText.TakenElsewhere);
        }

        if (
            hook.Prompt is null
            && await terminals.GetFacts(session.Id, cancel) is { OtherRunner: { } runner, OpenWake: { } wake }
        )
            return new(null, null, TerminalText.Blocked(runner, wake));

        await terminals.SetBusy(session.Id, hook.Terminal!, busy: true, cancel);
        var missed = await terminals.TakeMissedTurns(session.Id, cancel);
        return new(TerminalText.ForModel(missed), null, null);
    }

    async Task<Contract.TerminalHookAnswer> StopTurn(
        TerminalSession session,
        Contract.TerminalHook hook,
        CancellationToken cancel
    )
    {
        var failure = hook.Event == StopFailure ? hook.Reason ?? "the API" : null;
        if (await terminals.GetFacts(session.Id, cancel) is { Begun: true } facts && facts.Terminal == hook.Terminal)
            // Before anybody hears that it is over, and takes it for interrupted.
            await turns.Settle(facts with { Busy = false }, failure, ended: true);

        await terminals.SetBusy(session.Id, hook.Terminal!, busy: false, cancel);
        return Nothing;
    }

    async Task<Contract.TerminalHookAnswer> End(
        TerminalSession session,
        Contract.TerminalHook hook,
        CancellationToken cancel
    )
    {
        if (await terminals.GetFacts(session.Id, cancel) is not { } facts || facts.Terminal != hook.Terminal)
            return Nothing;

        if (facts is { Held: { } turn } && !await turns.Settle(facts, ended: true))
            await turns.Release(turn, $"terminal {facts.Place} was left during the turn");

        // The same work goes on in the same terminal.
        if (hook.Reason == Clear)
        {
            await terminals.SetBusy(session.Id, hook.Terminal!, busy: false, cancel);
            return Nothing;
        }

        await terminals.Close(session.Id, hook.Terminal!, cancel);
        if (await terminals.WasNeverNeeded(session.Id, cancel))
            await sessions.Close(session.Key, cancel);
        await timers.NotifySweepers();
        return Nothing;
    }
}
