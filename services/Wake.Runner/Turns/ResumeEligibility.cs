using Wake.Store;

namespace Wake.Runner;

/// <summary>Why a memory is not gone on with, if it is not. Pure.</summary>
static class ResumeEligibility
{
    /// <summary>Null: go on with it.</summary>
    /// <param name="memory">What there is.</param>
    /// <param name="claudeSession">The Claude session it is of.</param>
    /// <param name="turn">The turn; the session it began itself it goes on with in any case.</param>
    /// <param name="profile">The policy.</param>
    /// <param name="now">The time.</param>
    public static ResumeUnavailable? Check(
        TranscriptState memory,
        ClaudeSession claudeSession,
        ClaimedTurn turn,
        Profile profile,
        DateTimeOffset now
    )
    {
        // What it was asked and answered, only this session can be told.
        var isOfThisWake = claudeSession.WakeNumber == turn.WakeNumber || turn.Questions is not [];

        return (memory, profile.Resume) switch
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
                $"it was last used on {since.UtcDateTime:yyyy-MM-dd}, longer ago than {profile.StaleAfter.TotalDays:0.#} days"
            ),
            _ => null,
        };
    }
}
