using Npgsql;

namespace Wake.Store;

/// <summary>
/// The attempts of sessions to mend CI of pull requests. Written before a turn is run, once for each wake, however
/// often it is claimed.
/// </summary>
static class CiAttempts
{
    /// <summary>Counts what a claimed turn is told that CI came to.</summary>
    /// <returns>Which attempt it is, by pull request, and why the turn is to wait for a person. Nothing where the turn
    /// is no longer the caller's.</returns>
    public static async Task<(IReadOnlyDictionary<string, CiAttempt> Attempts, string? Park)> Count(
        NpgsqlDataSource database,
        ClaimedTurn turn,
        CancellationToken cancel
    )
    {
        Dictionary<string, CiAttempt> attempts = [];
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        if (!await IsHeld(connection, turn, cancel))
            return (attempts, null);

        string? park = null;
        foreach (
            var last in turn
                .Events.Where(x => x.CiResult is not null && !x.IsOver)
                .GroupBy(x => x.CiResult!.Subject)
                .Select(x => x.Last())
        )
        {
            var (seq, result) = (last.Seq, last.CiResult!);
            var rows = await Read(connection, turn, result.Subject, cancel);
            var known = rows.Find(x => x.Round.WakeNumber == turn.WakeNumber);
            var before = rows.Where(x => !x.Reset && x.Round.WakeNumber < turn.WakeNumber).ToList();
            var allowed = known is { Escalated: true } && turn.BudgetOverride;
            if (
                before.Count > 0
                && (
                    result.Passed
                    || allowed
                    || await HasPassed(connection, result.Subject, before[^1].Event, seq, cancel)
                )
            )
            {
                await Reset(connection, turn, result.Subject, cancel);
                before.Clear();
            }

            if (result.Passed)
                continue;

            var round = result.Round(turn.WakeNumber);
            var rounds = before.ConvertAll(x => x.Round);
            var attempt = round.After(rounds, result.Policy);
            attempts[result.Subject] = attempt;
            var why = result.Policy.Escalate && !allowed ? attempt.SpentBecause : null;
            if (why is not null)
                park ??= CiSummary.Note(result.Subject, why);
            if (known is null)
            {
                await Write(
                    connection,
                    turn,
                    seq,
                    result,
                    round,
                    CiSummary.Attempt(result, attempt),
                    why is null ? null : CiSummary.Rounds(result.Subject, why, [.. rounds, round]),
                    cancel
                );
            }
        }

        await transaction.CommitAsync(cancel);
        return (attempts, park);
    }

    static async Task<bool> IsHeld(NpgsqlConnection connection, ClaimedTurn turn, CancellationToken cancel)
    {
        await using var batch = new NpgsqlBatch(connection);
        batch.Add(Turns.LockSession, turn.SessionId);
        batch.Add(
            $"select exists (select from turns where {Turns.IsHeldByCaller})",
            turn.SessionId,
            turn.WakeNumber,
            turn.Epoch
        );
        await using var rows = await batch.ExecuteReaderAsync(cancel);
        await rows.NextResultAsync(cancel);
        return await rows.ReadAsync(cancel) && rows.GetBoolean(0);
    }

    static async Task<List<Row>> Read(
        NpgsqlConnection connection,
        ClaimedTurn turn,
        string subject,
        CancellationToken cancel
    )
    {
        await using var batch = new NpgsqlBatch(connection);
        batch.Add(
            """
            select a.wake_number, a.sha, a.checks, a.error, a.counts, a.excerpt,
                   case when length(t.said) > 300 then left(t.said, 300) || ' […]' else t.said end, a.event, a.escalated, a.reset_at is not null
            from ci_attempts a
            left join turns t on t.session_id = a.session_id and t.wake_number = a.wake_number
            where a.session_id = $1 and a.subject = $2
            order by a.wake_number
            """,
            turn.SessionId,
            subject
        );
        await using var rows = await batch.ExecuteReaderAsync(cancel);
        return await rows.ReadAll(
            row => new Row(
                new(row.GetInt32(0), row.GetText(1), row.GetFieldValue<string[]>(2), row.GetText(3), row.GetBoolean(4))
                {
                    Excerpt = row.GetText(5),
                    Said = row.GetText(6),
                },
                row.GetInt64(7),
                row.GetBoolean(8),
                row.GetBoolean(9)
            ),
            cancel
        );
    }

    // Between two failures, whether or not the session was told.
    static async Task<bool> HasPassed(
        NpgsqlConnection connection,
        string subject,
        long after,
        long before,
        CancellationToken cancel
    )
    {
        await using var batch = new NpgsqlBatch(connection);
        batch.Add(
            $"""
            select data::text from events
            where seq > $1 and seq < $2 and type = '{CiResult.Type}' and related @> array[$3::text] collate "C"
            """,
            after,
            before,
            subject
        );
        await using var rows = await batch.ExecuteReaderAsync(cancel);
        var between = await rows.ReadAll(row => row.GetText(0), cancel);
        return between.Exists(x => CiResult.Parse(subject, x, new() { AllPullRequests = true })?.Passed is true);
    }

    static async Task Reset(NpgsqlConnection connection, ClaimedTurn turn, string subject, CancellationToken cancel)
    {
        await using var batch = new NpgsqlBatch(connection);
        batch.Add(
            """
            update ci_attempts set reset_at = clock_timestamp()
            where session_id = $1 and subject = $2 and wake_number < $3 and reset_at is null
            """,
            turn.SessionId,
            subject,
            turn.WakeNumber
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    static async Task Write(
        NpgsqlConnection connection,
        ClaimedTurn turn,
        long seq,
        CiResult result,
        CiRound round,
        string note,
        string? summary,
        CancellationToken cancel
    )
    {
        await using var batch = new NpgsqlBatch(connection);
        batch.Add(
            """
            insert into ci_attempts (session_id, subject, wake_number, event, sha, checks, error, excerpt, counts, escalated, policy)
            values ($1, $2, $3, $4, $5::text, $6, $7::text, $8::text, $9, $10, $11::text)
            """,
            turn.SessionId,
            result.Subject,
            turn.WakeNumber,
            seq,
            round.Sha,
            round.Checks.ToArray(),
            round.Error,
            round.Excerpt,
            round.Counts,
            summary is not null,
            result.PolicyOf
        );
        batch.Add(
            "insert into decisions (kind, session_id, wake_number, note) values ('ciAttempt', $1, $2, $3)",
            turn.SessionId,
            turn.WakeNumber,
            note
        );
        if (summary is not null)
        {
            batch.Add(
                "insert into decisions (kind, session_id, wake_number, note) values ('escalated', $1, $2, $3)",
                turn.SessionId,
                turn.WakeNumber,
                summary
            );
        }

        await batch.ExecuteNonQueryAsync(cancel);
    }

    sealed record Row(CiRound Round, long Event, bool Escalated, bool Reset);
}
