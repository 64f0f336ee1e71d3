using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>Ends what earlier attempts and turns of a session still run on this machine.</summary>
sealed class EarlierRuns(Turns turns, RunReaper reaper, ILogger<EarlierRuns> log)
{
    /// <summary>
    /// Kills the session's processes. The runner that started them may be frozen, or have lost the turn a moment ago,
    /// and its CLI still write and call tools.
    /// </summary>
    /// <param name="turn">The turn that begins.</param>
    /// <param name="warm">The process that stays, if there is one.</param>
    /// <param name="lost">The turn is another runner's now.</param>
    public async Task Kill(ClaimedTurn turn, WarmSession? warm, CancellationToken lost)
    {
        var killed = await reaper.KillSession(turn.SessionId, tag => tag != warm?.Tag);
        if (killed == 0)
            return;

        var note =
            $"{killed} processes of this session still ran on this machine for an earlier attempt or turn, "
            + "and were killed";
        log.LogWarning("{SessionKey} wake {Wake}: {Note}.", turn.SessionKey, turn.WakeNumber, note);
        try
        {
            await turns.WriteDecision(turn, "processesKilled", note, CancellationToken.None).WaitAsync(lost);
        }
        catch (Exception down) when (PostgresErrors.IsFailure(down))
        {
            log.LogWarning(
                "{SessionKey} wake {Wake}: that could not be noted ({Reason}).",
                turn.SessionKey,
                turn.WakeNumber,
                down.Message
            );
        }
    }
}
