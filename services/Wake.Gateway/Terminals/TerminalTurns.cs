using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Prompting;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>
/// The turns that terminals take: claims them when nothing else is under way there, renews their leases, and settles
/// them. Safe to call from any gateway at any time: what is done follows from the rows, under the session's lock.
/// </summary>
sealed class TerminalTurns(
    Terminals terminals,
    Turns turns,
    FactChecks factChecks,
    WakeTimers timers,
    WakePrompt prompt,
    IOptions<Profiles> profiles,
    ILogger<TerminalTurns> log
)
{
    /// <summary>How long a turn is a terminal's without being renewed.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(30);

    // From exit 2 of the waiter to the prompt take half a second; behind a turn that began in the same moment, longer.
    static readonly TimeSpan ReadTimeout = TimeSpan.FromSeconds(20);

    // A turn that fails again and again waits for a person, who ends that by waking the session.
    const int MaxAttempts = 5;

    // An API that fails is asked again after this.
    static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(30);

    // Whoever has put a wake back is left alone for a moment.
    static readonly TimeSpan UnreadDelay = TimeSpan.FromSeconds(5);

    const string Interrupted = "interrupted at the terminal";

    /// <summary>Claims the open turn for a terminal that is idle; null when there is nothing to claim.</summary>
    public async Task<TerminalOffer?> Claim(
        TerminalSession session,
        TerminalFacts facts,
        Guid waiter,
        CancellationToken cancel
    )
    {
        if (facts is { OpenWake: { } asked, HasQuestions: true, OtherRunner: null })
            await turns.NoteWaiting(session.Id, asked, TerminalText.QuestionInRunner(facts.Place), cancel);
        if (facts is not { OpenWake: { } wake, IsClaimable: true, Held: null })
            return null;

        if (facts.Busy)
        {
            await turns.NoteWaiting(session.Id, wake, $"another turn is under way in terminal {facts.Place}", cancel);
            return null;
        }

        var claim = await turns.Claim(
            session.Id,
            wake,
            Terminals.RunnerPrefix + facts.Place,
            Lease,
            cancel,
            OpenClaudeSessions.None with
            {
                Terminal = facts.Terminal,
            }
        );
        if (claim is not TurnClaim.Granted { Turn: var turn })
            return null;

        if (turn.Events is [])
            return await EndWithoutReading(
                turn,
                TurnOutcome.Completed,
                "every event had expired before the turn began"
            );
        if (turn.Attempt - turn.Interruptions > MaxAttempts && !turn.BudgetOverride)
        {
            await Park(turn, $"{MaxAttempts} attempts at it failed");
            return null;
        }

        var known = await factChecks.Check(turn, profiles.Value.GetOrDefault(turn.Profile), cancel);
        if (known.IsStale)
            return await EndWithoutReading(turn, TurnOutcome.Stale, known.Note);

        (turn, var spent) = await turns.CountCiAttempts(known.Turn, cancel);
        if (spent is not null)
        {
            await Park(turn, spent);
            return null;
        }

        var messageId = TurnMessage.IdOf(turn);
        if (!await terminals.Offer(turn, waiter, messageId.ToString("N"), cancel))
        {
            await Release(turn, "the terminal is not connected any more");
            return null;
        }

        var missed = facts.HasMissedTurns ? await terminals.TakeMissedTurns(session.Id, cancel) : [];
        return new(turn, TerminalText.ForWake(prompt.RenderTurn(turn, messageId), missed));
    }

    /// <summary>Settles or renews the turn that a terminal holds. Afterwards the facts may be others.</summary>
    /// <param name="facts">What is known.</param>
    /// <param name="failure">What failed, if the turn that was under way ended by that.</param>
    /// <param name="ended">A hook says that the turn that was under way has ended; else it was interrupted.</param>
    /// <param name="isOfferLost">No turn was sent over the present connection: one that is not acknowledged never will
    /// be.</param>
    public async Task<bool> Settle(
        TerminalFacts facts,
        string? failure = null,
        bool ended = false,
        bool isOfferLost = false
    )
    {
        if (facts.Held is not { } turn)
            return false;

        if (facts.SinceAcknowledged is not { } since)
        {
            if (isOfferLost)
                await Release(turn, "the terminal did not take it");
            return isOfferLost;
        }

        switch (facts)
        {
            case { Begun: true, Busy: false } when failure is not null:
                await Release(turn, $"the turn in terminal {facts.Place} failed: {failure}", RetryDelay, failed: true);
                return true;

            case { Begun: true, Busy: false }:
                await End(turn, TurnOutcome.Completed, ended ? null : Interrupted);
                return true;

            case { Begun: false, Busy: false } when since > ReadTimeout:
                await Release(turn, $"terminal {facts.Place} took it and did not begin");
                return true;

            default:
                if (!await turns.Renew(turn, Lease, CancellationToken.None))
                    await terminals.ClearTurn(turn, CancellationToken.None);
                return false;
        }
    }

    /// <summary>Gives the turn back that a terminal has begun and whose message the session has not read.</summary>
    public async Task ReleaseUnread(Guid sessionId, string terminal, CancellationToken cancel)
    {
        if (
            await terminals.GetFacts(sessionId, cancel) is { Begun: true, Held: { } turn } facts
            && facts.Terminal == terminal
        )
            await Release(turn, $"terminal {facts.Place} put it back before the session had read it", UnreadDelay);
    }

    /// <summary>Gives a turn back: whoever attends the session, or any runner, has it next.</summary>
    public async Task Release(TurnToken turn, string why, TimeSpan after = default, bool failed = false)
    {
        var released = await turns.Release(
            turn,
            new TurnRelease.Retry(after, why, Interrupted: !failed),
            answered: failed,
            default,
            CancellationToken.None
        );
        await terminals.ClearTurn(turn, CancellationToken.None);
        if (!released)
            return;

        log.LogInformation("Wake {Wake} of {Session}: given back, {Why}.", turn.WakeNumber, turn.SessionId, why);
        WakeMetrics.TerminalTurns.Add(1, new KeyValuePair<string, object?>("outcome", "retried"));
        await timers.NotifySweepers();
    }

    async Task Park(TurnToken turn, string why)
    {
        await turns.Release(
            turn,
            new TurnRelease.Park(null, why, Interrupted: false),
            answered: false,
            default,
            CancellationToken.None
        );
        await timers.NotifySweepers();
    }

    async Task<TerminalOffer?> EndWithoutReading(TurnToken turn, TurnOutcome outcome, string note)
    {
        await End(turn, outcome, note);
        return null;
    }

    async Task End(TurnToken turn, TurnOutcome outcome, string? note)
    {
        var ended = await turns.EndTurn(turn, outcome, note, default, CancellationToken.None, announced: false);
        await terminals.ClearTurn(turn, CancellationToken.None);
        if (!ended)
            return;

        log.LogInformation(
            "Wake {Wake} of {Session}: {Outcome} in the terminal. {Note}",
            turn.WakeNumber,
            turn.SessionId,
            outcome,
            note ?? ""
        );
        WakeMetrics.TerminalTurns.Add(1, new KeyValuePair<string, object?>("outcome", outcome.ToString()));
        await timers.NotifySweepers();
    }
}

/// <summary>A turn that a terminal may take.</summary>
/// <param name="Turn">The turn, claimed for it.</param>
/// <param name="Text">What the session reads.</param>
sealed record TerminalOffer(ClaimedTurn Turn, string Text);
