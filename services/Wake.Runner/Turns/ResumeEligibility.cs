using Wake.Store;

namespace Wake.Runner;

/// <summary>Whether a Claude session may be resumed. Pure.</summary>
static class ResumeEligibility
{
    /// <summary>Why it may not; null when it may.</summary>
    /// <param name="transcript">What there is of its transcript.</param>
    /// <param name="claudeSession">The Claude session it is of.</param>
    /// <param name="turn">The turn; the session it began itself it goes on with in any case.</param>
    /// <param name="profile">The policy.</param>
    /// <param name="now">The time.</param>
    public static ResumeUnavailable? Check(
        TranscriptState transcript,
        ClaudeSession claudeSession,
        ClaimedTurn turn,
        Profile profile,
        DateTimeOffset now
    )
    {
        // A pending question can only be answered in the session that asked it.
        var isOfThisWake = claudeSession.WakeNumber == turn.WakeNumber || turn.Questions is not [];

        return (transcript, profile.Resume) switch
        {
            (_, ResumePolicy.Never) when !isOfThisWake => new(
                ResumeUnavailable.Policy,
                "its profile begins every wake afresh"
            ),
            (TranscriptState.Damaged { Problem: var problem }, not ResumePolicy.Always) => new(
                ResumeUnavailable.Damaged,
                $"its transcript is damaged: {problem}"
            ),
            (TranscriptState.Ready { Since: var since }, ResumePolicy.Auto)
                when !isOfThisWake && profile.StaleAfter > TimeSpan.Zero && now - since > profile.StaleAfter => new(
                ResumeUnavailable.Stale,
                $"it was last used on {since.UtcDateTime:yyyy-MM-dd}, longer ago than "
                    + $"{profile.StaleAfter.TotalDays:0.#} days"
            ),
            _ => null,
        };
    }
}
