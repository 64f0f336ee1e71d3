using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// What a session begun in place of another is told of it: the <see cref="Recap"/> of the transcript before, and its
/// watches. Without it the turn runs all the same.
/// </summary>
sealed class FreshSessionRecap(
    Sessions sessions,
    Transcripts transcripts,
    Watches watches,
    ClaudeCli claude,
    ILogger<FreshSessionRecap> log
)
{
    /// <summary>The recap; empty where the session is no successor, or nothing can be found out.</summary>
    public async Task<string> Build(ClaimedTurn turn, ClaudeSession session, CancellationToken lost)
    {
        if (session.WakeNumber != turn.WakeNumber || session.Reason == Sessions.First)
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

            await using var transcript = new TranscriptSync(transcripts, turn, before, claude.ConfigFolder, log, lost);
            await transcript.Restore();
            return Recap.Build(
                File.Exists(transcript.Transcript) ? await Recap.LastExchanges(transcript.Transcript, lost) : [],
                waitsFor
            );
        }
        catch (Exception failed)
            when (PostgresErrors.IsFailure(failed) || failed is IOException or UnauthorizedAccessException)
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
}
