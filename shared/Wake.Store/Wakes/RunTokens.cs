using Npgsql;

namespace Wake.Store;

/// <summary>
/// What runs in a turn shows it to the API, and speaks for its session with it. It belongs to the claim under which it
/// was given: it ends with the turn, with the lease, and with the session. Only its hash is kept.
/// </summary>
public sealed class RunTokens(NpgsqlDataSource database)
{
    /// <summary>What every one begins with.</summary>
    public const string Prefix = "wake_run_";

    /// <summary>The variable in which a run finds its own.</summary>
    public const string Variable = "WAKE_RUN_TOKEN";

    /// <summary>A new one, which opens nothing before it is given to a turn.</summary>
    public static string Generate() => SecretTokens.Generate(Prefix);

    /// <summary>Assigns one to a turn, in the place of what it had. False: the turn is no longer the
    /// caller's.</summary>
    public async Task<bool> Assign(ClaimedTurn turn, string token, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(Turns.LockSession, turn.SessionId);
        batch.Add(
            $"update turns set run_token = $4 where {Turns.IsHeldByCaller}",
            turn.SessionId,
            turn.WakeNumber,
            turn.Epoch,
            SecretTokens.Hash(token)
        );
        return await batch.ExecuteAffected(cancel);
    }

    /// <summary>Whose it is; null when it is nobody's, or not any more.</summary>
    public async Task<RunningSession?> FindSession(string token, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select s.id, s.key
            from turns turn
            join sessions s on s.id = turn.session_id
            where turn.run_token = $1 and turn.ended_at is null and turn.lease_until > clock_timestamp() and s.closed_at is null
            """
        );
        command.Parameters.AddWithValue(SecretTokens.Hash(token));
        await using var rows = await command.ExecuteReaderAsync(cancel);
        return await rows.ReadAsync(cancel) ? new(rows.GetGuid(0), rows.GetString(1)) : null;
    }
}

/// <summary>A session whose turn runs.</summary>
/// <param name="Id">The session.</param>
/// <param name="Key">Its key.</param>
public sealed record RunningSession(Guid Id, string Key);
